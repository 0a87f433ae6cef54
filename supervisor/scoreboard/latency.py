"""The scale of the latency histograms: microseconds to buckets and back.

Log-linear: exact below 16 µs, then eight buckets to every power of two, so a bucket is never wider than an
eighth of what it counts. Knows nothing of the scoreboard that holds the counters, nor of what is being timed.
Called by workers for every request (`BUCKET_OF` below 4096 µs) and by whatever reports (`bucket_bounds`).
"""

from __future__ import annotations

__all__ = ["BUCKETS", "BUCKET_OF", "CLASSES", "bucket", "bucket_bounds"]

CLASSES = 6
"""Histograms of a lane: 0 for anything odd, 1 to 5 for what the worker classifies (a server: status //
100)."""

BUCKETS = 208
"""Buckets of one histogram; the last one also takes everything from 2**28 µs (268 s) up."""

_EXACT = 16
_LONGEST_US = (1 << 28) - 1


def _bucket(us: int) -> int:
    if us < _EXACT:
        return us
    octave = us.bit_length() - 4
    return octave * 8 + (us >> octave)


BUCKET_OF = bytes(_bucket(us) for us in range(4096))
"""`BUCKET_OF[us]` for 0 <= us < 4096: a table look-up costs a fifth of the call."""


def bucket(us: int) -> int:
    """Give the bucket (0 to BUCKETS - 1) that counts a duration of `us` microseconds; out of range is
    clamped."""
    if us > _LONGEST_US:
        return BUCKETS - 1
    return _bucket(us) if us > 0 else 0


def bucket_bounds() -> list[tuple[int, int]]:
    """Give, for every bucket in order, the first and the last duration in µs that it counts."""
    firsts = [
        index if index < _EXACT else (8 + index % 8) << (index // 8 - 1)
        for index in range(BUCKETS)
    ]
    lasts = [first - 1 for first in firsts[1:]]
    return list(zip(firsts, [*lasts, _LONGEST_US], strict=True))
