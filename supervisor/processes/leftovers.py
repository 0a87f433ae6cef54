"""Processes that an application started and left behind: they became the master's children when their parents died.

Owns their end when everything stops: TERM, then KILL when their time is over. Processes that were children of this one
before it became the master (of a shell that replaced itself by it, say) are left alone. Knows nothing of workers, which
have gone by then. Linux only, where /proc lists them; elsewhere orphans never become the master's. Runs in the master.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from ..eventloop import EventLoop

__all__ = ["Leftovers", "children_of"]

_LOOK_S = 0.02
_KILLED_S = 2.0  # for killed processes to be reaped


class Leftovers:
    """`end` ends them all, but for `strangers`: pids of children that this process had before it was the master."""

    def __init__(self, loop: EventLoop, report: Callable[[str, str], None], strangers: Iterable[int]) -> None:
        self.strangers = frozenset(strangers)
        self._loop = loop
        self._report = report
        self._told: set[int] = set()
        self._ending = False
        self._kill_at = math.inf

    def end(self, within_s: float, over: Callable[[], None]) -> None:
        """Send TERM to all, and KILL to those that live after `within_s`, at once if that is 0; then call `over`.
        Another call may shorten the time."""
        self._kill_at = min(self._kill_at, self._loop.time() + within_s)
        if not self._ending:
            self._ending = True
            self._look(over)

    def living(self) -> list[int]:
        """Return the pids of those that live. To be called when no worker or other child of the master lives."""
        return [pid for pid in children_of(os.getpid()) if pid not in self.strangers]

    def _look(self, over: Callable[[], None]) -> None:
        living = self.living()
        now = self._loop.time()
        if not living or now > self._kill_at + _KILLED_S:
            over()
            return
        if now >= self._kill_at:
            self._send(signal.SIGKILL, living)
        else:
            self._send(signal.SIGTERM, [pid for pid in living if pid not in self._told])
            self._told.update(living)
        self._loop.after(_LOOK_S, lambda: self._look(over))

    def _send(self, number: signal.Signals, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
                self._report("debug", f"{number.name} to process {pid}, which the application left behind")


def children_of(pid: int) -> list[int]:
    """Return the pids of a process's children that have not ended; none where there is no /proc."""
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in listing.read_text().split()]
    return [child for child in found if _state(child) not in "ZX"]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "X"
