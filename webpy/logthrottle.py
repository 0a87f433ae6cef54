"""Logs an error that happens again and again at most once in ten seconds (or as told), with the number of times in
between.

A full disk, or a store that is down, fails every request in the same way: a line for each would fill the log, or its
disk, and say nothing new. Owns the counts. Called by any thread of a worker.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from .atfork import AtFork

__all__ = ["log_throttled", "throttle"]

_EVERY_S = 10.0
_MAX_TEXTS = 100  # that are remembered; there are few, unless they hold names of files or users



class Log(Protocol):
    """The part of a logger that is used here."""

    @property
    def name(self) -> str: ...

    def error(self, message: str, /, *args: object) -> None: ...


def log_throttled(log: Log, text: str, where: str = "", *, every_s: float = _EVERY_S) -> None:
    """Log `text` as an error, unless it was logged within the last `every_s` seconds.

    `where` says what it happened to this time; it does not count for the comparison.
    """
    more = throttle(f"{log.name}: {text}", every_s)
    if more is not None:
        log.error("%s%s%s", f"{where}: " if where else "", text, more)


def throttle(text: str, every_s: float = _EVERY_S) -> str | None:
    """Return None if `text` must not be logged now, else what to append to it: "" or " (12 times more in 10 s)"."""
    return _counts.count(text, every_s)


class _Counts(AtFork):
    """When each text was logged last, and how often it was suppressed since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logged: dict[str, list[float]] = {}
        super().__init__()

    def count(self, text: str, every_s: float) -> str | None:
        """Return what `throttle` returns."""
        now_s = time.monotonic()
        with self._lock:
            known = self._logged.get(text)
            if known is not None and now_s - known[0] < every_s:
                known[1] += 1
                return None
            if len(self._logged) >= _MAX_TEXTS:
                self._logged.clear()
            self._logged[text] = [now_s, 0]
        return f" ({known[1]:.0f} times more in {now_s - known[0]:.0f} s)" if known is not None and known[1] else ""

    def after_fork_in_child(self) -> None:
        """The child counts what it logs itself."""
        self._lock = threading.Lock()
        self._logged.clear()


_counts = _Counts()
