"""What a worker is doing, as the lines of its row say: one piece of work each.

Owns the meaning of a line's cells for whoever reads them. Knows nothing of what the text of a line says, nor of why
anybody asks. Used in the master.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .scoreboard import SENDING, Line, Row

__all__ = ["Doing", "Work", "describe_running", "running", "say", "work_on"]


class Doing(Enum):
    """How far a piece of work is."""

    QUEUED = "waits for a thread"
    RUNS = "runs"
    MOVES = "goes on piece by piece"
    SENDING = "is being sent"


@dataclass(slots=True, frozen=True)
class Work:
    """One piece of work: which line, since when (time.monotonic()), what, and by which thread."""

    line: int
    start: float
    text: str
    doing: Doing
    thread: int
    ident: int


def running(row: Row) -> list[Work]:
    """Give the work that is going on in a row, the oldest first."""
    busy = [(start, index) for index, start in enumerate(row.starts()) if start]
    return [_read(index, start, row.lines[index]) for start, index in sorted(busy)]


def work_on(row: Row, index: int, start: float) -> Work | None:
    """Give the work on one line that began at `start`, None if it has ended."""
    line = row.lines[index]
    work = _read(index, start, line)
    return work if line.start[0] == start else None


def _read(index: int, start: float, line: Line) -> Work:
    thread, ident = line.thread[0], line.ident[0]
    doing = (Doing.MOVES, Doing.RUNS)[bool(ident)] if thread else (Doing.QUEUED, Doing.SENDING)[ident == SENDING]
    return Work(index, start, say(bytes(line.text)), doing, thread, ident)


def say(text: bytes) -> str:
    """Give the text of a line as a log shows it: without padding, control characters escaped."""
    words = " ".join(text.rstrip(b"\0").decode("utf-8", "backslashreplace").split())
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in words)


def describe_running(row: Row, now_s: float) -> str:
    """Say in lines what is going on in a row, for a log."""
    works = running(row)
    if not works:
        return "no work that is known of"
    lines = [f"  {work.text!r} {work.doing.value}, {now_s - work.start:.1f} s so far" for work in works]
    return f"{len(works)} {'piece' if len(works) == 1 else 'pieces'} of work:\n" + "\n".join(lines)
