"""Reports dropped access log records in the error log: a line when it begins, and a line with their number at the end.

Owns the episode: it begins with the first record that finds no room, and ends when none was dropped for a second and
the log can be written. Does not count: the scoreboard does. Runs in the master, called after every drain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..eventloop import EventLoop, Timer

__all__ = ["DropReport"]

_CALM_S = 1.0


class DropReport:
    """`count()` returns the number of records dropped since the start, `report(level, text)` writes the error log."""

    def __init__(self, loop: EventLoop, count: Callable[[], int], report: Callable[[str, str], None]) -> None:
        self._loop = loop
        self._count = count
        self._report = report
        self._reported = count()  # number at the last report
        self._seen = self._reported
        self._writable = True
        self._timer: Timer | None = None

    def keep(self) -> dict[str, Any]:
        """Return what has been reported as JSON data, for the program that replaces the master's."""
        return {"told": self._reported, "goes_on": self._timer is not None}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `keep` returned (once `count` works)."""
        self._reported = self._seen = state["told"]
        if state["goes_on"]:
            self._timer = self._loop.after(_CALM_S, self._check_again)

    def update(self, *, writable: bool) -> None:
        """Begin an episode if records were dropped; `writable`: whether the log can be written now."""
        self._writable = writable
        if self._timer is None and self._count() > self._reported:
            self._report("error", "the access log accepts no more lines for now: lines that find no room are dropped")
            self._timer = self._loop.after(_CALM_S, self._check_again)

    def _check_again(self) -> None:
        count = self._count()
        if count > self._seen or not self._writable:
            self._seen = count
            self._timer = self._loop.after(_CALM_S, self._check_again)
            return
        self._timer = None
        self._report_count("warning", "the access log continues", count)

    def close(self, discarded: int) -> None:
        """Report the drops since the last report, and `discarded` lines that were not written at the end.

        Called when the loop has ended.
        """
        if discarded:
            text = f"{discarded} lines of the access log were discarded at the end: they could not be written"
            self._report("error", text)
        count = self._count()
        if count > self._reported:
            self._report_count("warning", "the access log has ended", count)

    def _report_count(self, level: str, event: str, count: int) -> None:
        dropped = count - self._reported
        self._reported = self._seen = count
        self._report(level, f"{event}; {dropped} line{'s' if dropped != 1 else ''} found no room and were dropped")
