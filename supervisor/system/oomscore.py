"""Which process the kernel ends when memory runs out: never the master, as long as there is one of its children.

Without a word of ours it takes the largest, which may be the master once a worker that has grown is ending. Linux only
(proc(5), oom_score_adj); any process may raise its own score, and what it forks inherits it.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["be_ended_first"]

_MORE = 100  # thousandths of the memory there is: a child seems larger than the master by so much
_MOST = 1000


def be_ended_first(file: Path = Path("/proc/self/oom_score_adj")) -> None:
    """Have the kernel end this process before those with the score that it was started with."""
    try:
        score = int(file.read_text("ascii"))
        file.write_text(str(min(_MOST, score + _MORE)), "ascii")
    except (OSError, ValueError):  # no such file, or one that may not be written: as without
        pass
