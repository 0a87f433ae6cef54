"""Checks of the numbers that a worker has written into shared memory, as it may be in an attacker's hands.

Owns the limits: a number beyond them cannot be true and is read as 0. Knows nothing of what the numbers mean. Used in
every process that reads the scoreboard.
"""

from __future__ import annotations

import time

__all__ = ["count", "counts", "past_time"]

_MAX = 1 << 53  # a double, and so every reader of JSON, holds integers up to here exactly
_AHEAD_S = 1.0


def count(number: int) -> int:
    """Return a count that another process wrote, or 0 if it is too large to be one."""
    return number if number < _MAX else 0


def counts(numbers: memoryview[int]) -> list[int]:
    """Return a list of the numbers, each checked as by `count`."""
    read: list[int] = numbers.tolist()
    return read if max(read, default=0) < _MAX else [count(number) for number in read]


def past_time(seconds: float) -> float:
    """Return a time that another process took with time.monotonic(), or 0.0 if it lies in the future or is not a time
    (NaN, infinite, negative)."""
    return seconds if 0.0 < seconds < time.monotonic() + _AHEAD_S else 0.0
