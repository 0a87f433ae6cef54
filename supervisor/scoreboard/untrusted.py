"""What a worker has written where others read it, made harmless: it may be in an attacker's hands.

Owns the bounds of what is believed. A number beyond them is read as 0: it was written by nobody who counts. Knows
nothing of what the numbers are about. Used by whoever reads the scoreboard.
"""

from __future__ import annotations

import time

__all__ = ["count", "counts", "moment"]

_MOST = 1 << 53  # what a double, and so every reader of JSON, holds exactly
_AHEAD_S = 1.0


def count(number: int) -> int:
    """Give a count that another process wrote; 0 if it is too large to be one."""
    return number if number < _MOST else 0


def counts(numbers: memoryview[int]) -> list[int]:
    """Give each of them as `count` does."""
    read: list[int] = numbers.tolist()
    return read if max(read, default=0) < _MOST else [count(number) for number in read]


def moment(seconds: float) -> float:
    """Give a time that another process took with time.monotonic(); 0.0 if it cannot have come yet, or is no time (NaN,
    infinite, negative)."""
    return seconds if 0.0 < seconds < time.monotonic() + _AHEAD_S else 0.0
