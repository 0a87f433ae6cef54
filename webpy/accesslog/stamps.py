"""Time stamps of log lines: the brackets of the common log format, and ISO 8601 with milliseconds for json.

Both are local time with the zone's offset. Called in a worker, and in the master for requests that died with theirs.
"""

from __future__ import annotations

import time

from ..protocol.grammar import MONTHS

__all__ = ["precise", "stamp_clf", "stamp_iso"]


def stamp_clf(now: float) -> bytes:
    """Return the Unix time `now` as `[21/Nov/2026:21:15:31 +0000]`."""
    t = time.localtime(now)
    month = MONTHS[t.tm_mon - 1]
    return time.strftime(f"[%d/{month}/%Y:%H:%M:%S %z]", t).encode("ascii")


def stamp_iso(now: float) -> bytes:
    """Return the Unix time `now` as `2026-11-21T21:15:31.250+00:00`."""
    now_ms = int(now * 1000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S|%z", time.localtime(now_ms // 1000))
    moment, _, zone = text.partition("|")
    return f"{moment}.{now_ms % 1000:03}{zone[:-2]}:{zone[-2:]}".encode("ascii")


_MS = [b"%03d" % ms for ms in range(1000)]
_precise_cache: tuple[bytes, float, bytes, bytes] = (b"", 0.0, b"", b"")


def precise(stamp: bytes) -> bytes:
    """Return the present time as `stamp_iso` does, made from `stamp` if that is of this second."""
    global _precise_cache
    now = time.time()
    known, second, head, tail = _precise_cache
    if stamp is not known:
        second = now - now % 60 + int(stamp[17:19])
        head, tail = stamp[:20], stamp[23:]
        _precise_cache = (stamp, second, head, tail)
    past_s = now - second
    return head + _MS[int(past_s * 1000)] + tail if 0 <= past_s < 1 else stamp_iso(now)
