"""Logs an error that happens again and again at most once in ten seconds, with the number of times in between.

A full disk, or a store that is down, fails every request in the same way: a line for each would fill the log, or its
disk, and say nothing new. Owns the counts. Called by any thread of a worker.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Protocol

__all__ = ["log_throttled", "throttle"]

_EVERY_S = 10.0
_MAX_TEXTS = 100  # that are remembered; there are few, unless they hold names of files or users

_lock = threading.Lock()
_logged: dict[str, list[float]] = {}  # text to [when it was logged last, how often it was suppressed since]


class Log(Protocol):
    """The part of a logger that is used here."""

    @property
    def name(self) -> str: ...

    def error(self, message: str, /, *args: object) -> None: ...


def log_throttled(log: Log, text: str, where: str = "") -> None:
    """Log `text` as an error, unless it was logged within the last ten seconds.

    `where` says what it happened to this time; it does not count for the comparison.
    """
    more = throttle(f"{log.name}: {text}")
    if more is not None:
        log.error("%s%s%s", f"{where}: " if where else "", text, more)


def throttle(text: str) -> str | None:
    """Return None if `text` must not be logged now, else what to append to it: "" or " (12 times more in 10 s)"."""
    now_s = time.monotonic()
    with _lock:
        known = _logged.get(text)
        if known is not None and now_s - known[0] < _EVERY_S:
            known[1] += 1
            return None
        if len(_logged) >= _MAX_TEXTS:
            _logged.clear()
        _logged[text] = [now_s, 0]
    return f" ({known[1]:.0f} times more in {now_s - known[0]:.0f} s)" if known is not None and known[1] else ""


def _reset_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _logged.clear()


os.register_at_fork(after_in_child=_reset_in_child)
