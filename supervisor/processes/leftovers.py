"""Processes that became the master's when their parents died: what an application started and did not wait for.

Owns their end, when everything stops: TERM, then KILL as their time is over. What was a child of this process before it
was a master (a shell that replaced itself by it may have some) is left alone. Knows nothing of workers: those have gone
before. Linux only, where /proc tells them; elsewhere orphans are never the master's. Runs in the master.
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
_KILLED_S = 2.0  # for the killed to be reaped


class Leftovers:
    """`end` ends them all; `strangers` are pids that are none of ours."""

    def __init__(self, loop: EventLoop, report: Callable[[str, str], None], strangers: Iterable[int]) -> None:
        self.strangers = frozenset(strangers)
        self._loop = loop
        self._report = report
        self._told: set[int] = set()
        self._ending = False
        self._kill_at = math.inf

    def end(self, within_s: float, over: Callable[[], None]) -> None:
        """End every one within this time, then call `over`; 0 kills them at once."""
        self._kill_at = min(self._kill_at, self._loop.time() + within_s)
        if not self._ending:
            self._ending = True
            self._look(over)

    def living(self) -> list[int]:
        """Give their pids (when no other child of this process lives)."""
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
    """Give the children of a process that have not ended, as /proc has them; none where it does not tell."""
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
