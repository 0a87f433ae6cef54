"""Says in the log what goes wrong again and again: at once the first time, then at most every ten seconds, with how
often it was in between.

A full disk or a store that is down fails every request alike: a line for each would fill the log, or its disk, and tell
nothing more. Owns the counts. Called by any thread of a worker.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Protocol

__all__ = ["log_throttled", "throttle"]

_EVERY_S = 10.0
_MOST = 100  # texts that are remembered; there are a few, unless names of files or users stand in them

_lock = threading.Lock()
_logged: dict[str, list[float]] = {}  # when each was said last, and how often it was not since


class Log(Protocol):
    """What is needed of a logger."""

    @property
    def name(self) -> str: ...

    def error(self, message: str, /, *args: object) -> None: ...


def log_throttled(log: Log, text: str, where: str = "") -> None:
    """Log `text` as an error, unless it was a short while ago; where: what it happened to this time."""
    more = throttle(f"{log.name}: {text}")
    if more is not None:
        log.error("%s%s%s", f"{where}: " if where else "", text, more)


def throttle(text: str) -> str | None:
    """Whether `text` shall be said now: None if not, else what to add to it, such as " (12 times more in 10 s)"."""
    now_s = time.monotonic()
    with _lock:
        known = _logged.get(text)
        if known is not None and now_s - known[0] < _EVERY_S:
            known[1] += 1
            return None
        if len(_logged) >= _MOST:
            _logged.clear()
        _logged[text] = [now_s, 0]
    return f" ({known[1]:.0f} times more in {now_s - known[0]:.0f} s)" if known is not None and known[1] else ""


def _start_anew_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _logged.clear()


os.register_at_fork(after_in_child=_start_anew_in_child)
