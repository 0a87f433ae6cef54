"""What is said of access log records that were dropped: one line as it begins, one as it ends, with their number.

Owns the episode: it begins with the first record that finds no room, and ends when none was dropped for a second and
the log takes what comes. Counts nothing itself: the scoreboard does. Runs in the master, called after every drain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..eventloop import EventLoop, Timer

__all__ = ["DropReport"]

_CALM_S = 1.0


class DropReport:
    """`count` gives how many records were dropped since the start, `report(level, text)` takes what is to be said."""

    def __init__(self, loop: EventLoop, count: Callable[[], int], report: Callable[[str, str], None]) -> None:
        self._loop = loop
        self._count = count
        self._report = report
        self._told = count()  # dropped before the episode that goes on, or before the next one
        self._seen = self._told
        self._works = True
        self._timer: Timer | None = None

    def keep(self) -> dict[str, Any]:
        """Give what has been told as JSON takes it, for the program that replaces the master's."""
        return {"told": self._told, "goes_on": self._timer is not None}

    def adopt(self, kept: Mapping[str, Any]) -> None:
        """Take on what `keep` gave (once what is counted is there)."""
        self._told = self._seen = kept["told"]
        if kept["goes_on"]:
            self._timer = self._loop.after(_CALM_S, self._look_again)

    def look(self, *, works: bool) -> None:
        """Notice what was dropped; works: whether the log takes what comes."""
        self._works = works
        if self._timer is None and self._count() > self._told:
            self._report("error", "the access log takes no more lines for now: those that find no room are dropped")
            self._timer = self._loop.after(_CALM_S, self._look_again)

    def _look_again(self) -> None:
        count = self._count()
        if count > self._seen or not self._works:
            self._seen = count
            self._timer = self._loop.after(_CALM_S, self._look_again)
            return
        self._timer = None
        self._say_count("warning", "the access log goes on", count)

    def close(self, given_up: int) -> None:
        """Say what was dropped since the last word, and the lines given up at the end (the loop runs no more)."""
        if given_up:
            self._report("error", f"{given_up} lines of the access log were given up: nothing took them")
        count = self._count()
        if count > self._told:
            self._say_count("warning", "the access log has ended", count)

    def _say_count(self, level: str, event: str, count: int) -> None:
        dropped = count - self._told
        self._told = self._seen = count
        self._report(level, f"{event}; {dropped} line{'s' if dropped != 1 else ''} found no room and were dropped")
