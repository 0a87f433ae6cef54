"""The scale of the latency histograms: microseconds to buckets and back.

Log-linear: exact below 16 µs, then eight buckets to every power of two, so a bucket is never wider than an eighth of
the durations it counts. Knows nothing of the scoreboard that holds the counters, nor of what is timed. Used by workers
for every request (`BUCKET_OF` below 4096 µs) and by everything that reports (`bucket_bounds`).
"""

from __future__ import annotations

__all__ = ["BUCKETS", "BUCKET_OF", "CLASSES", "bucket", "bucket_bounds"]

CLASSES = 6
"""Histograms of a lane: 1 to 5 as the worker classifies (a web server: status // 100), 0 for everything else."""

BUCKETS = 208
"""Buckets of one histogram; the last one also counts everything from 2**28 µs (268 s) up."""

_EXACT = 16
_LONGEST_US = (1 << 28) - 1


def _bucket(us: int) -> int:
    if us < _EXACT:
        return us
    octave = us.bit_length() - 4
    return octave * 8 + (us >> octave)


BUCKET_OF = bytes(_bucket(us) for us in range(4096))
"""`BUCKET_OF[us]` is `bucket(us)` for 0 <= us < 4096: the look-up costs a fifth of the call."""


def bucket(us: int) -> int:
    """Return the bucket (0 to BUCKETS - 1) that counts a duration of `us` microseconds; values out of range are
    clamped."""
    if us > _LONGEST_US:
        return BUCKETS - 1
    return _bucket(us) if us > 0 else 0


def bucket_bounds() -> list[tuple[int, int]]:
    """Return, for every bucket in order, the first and the last duration in µs that it counts."""
    firsts = [
        index if index < _EXACT else (8 + index % 8) << (index // 8 - 1)
        for index in range(BUCKETS)
    ]
    lasts = [first - 1 for first in firsts[1:]]
    return list(zip(firsts, [*lasts, _LONGEST_US], strict=True))
