"""A store in this process's memory, for one worker and for tests.

Owns a dict, its lock and the order in which keys expire. A forked process has a copy: processes do not see each other's
changes.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterator
from typing import Any

from ..atfork import AtFork
from ..singleworker import forget, require_single_worker
from .base import Store, add, check_key, check_lifetime, check_value, fill

__all__ = ["MemoryStore"]

_ABSENT: Any = object()
_NEVER = float("inf")
_PURGED_PER_WRITE = 8
_SPARE_ENDS = 64


class MemoryStore(AtFork, Store):
    """`memory:`: for one worker only; all values are lost when it ends.

    A server with several workers refuses to start, as each would have a store of its own; `per_worker=True` allows
    that, for a cache for example. Raises SingleWorkerError (a ValueError) when it is made in one of several workers.
    """

    def __init__(self, *, per_worker: bool = False) -> None:
        self._data: dict[str, tuple[bytes, float]] | None = {}  # value, and its end on the monotonic clock
        self._ends: list[tuple[float, str]] = []  # a heap; may contain old ends of keys, beside the present ones
        self._lock = threading.Lock()
        super().__init__()
        if not per_worker:
            require_single_worker(self, "store (memory:)")

    def __repr__(self) -> str:
        return "MemoryStore()"

    # The mapping

    def __getitem__(self, key: str) -> bytes:
        value = self._live(check_key(key))
        if value is None:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        value = self._live(check_key(key))
        return default if value is None else value

    def __contains__(self, key: object) -> bool:
        return self._live(key) is not None

    def __len__(self) -> int:
        now = time.monotonic()
        with self._lock:
            return sum(end > now for _, end in self._open().values())

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self._scan())

    def _scan(self) -> Iterator[tuple[str, bytes]]:
        now = time.monotonic()
        with self._lock:
            pairs = [(key, value) for key, (value, end) in self._open().items() if end > now]
        return iter(sorted(pairs))

    def set(self, key: str, value: bytes, *, expires_s: float | None = None) -> None:
        life_ms = check_lifetime(expires_s)
        with self._lock:
            self._put(check_key(key), check_value(value), life_ms)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def pop(self, key: str, default: Any = _ABSENT) -> Any:
        with self._lock:
            value = self._live(check_key(key))
            if value is not None:
                del self._open()[key]
                return value
        if default is _ABSENT:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[str, bytes]:
        with self._lock:
            data = self._open()
            while data:
                key, (value, end) = data.popitem()
                if end > time.monotonic():
                    return key, value
        raise KeyError("popitem(): the store is empty")

    def setdefault(self, key: str, default: Any = None) -> bytes:
        with self._lock:
            value = self._live(check_key(key))
            if value is None:
                self._put(key, value := check_value(default), None)
            return value

    def update(self, other: Any = (), /, **more: bytes) -> None:
        pairs = {check_key(k): check_value(v) for k, v in dict(other, **more).items()}
        with self._lock:
            for key, value in pairs.items():
                self._put(key, value, None)

    def clear(self) -> None:
        with self._lock:
            self._open().clear()
            self._ends.clear()

    # What a mapping does not have

    def incr(self, key: str, by: int = 1, *, expires_s: float | None = None) -> int:
        life_ms = check_lifetime(expires_s)
        with self._lock:
            value = self._live(check_key(key))
            total = add(key, value, by)
            if value is None:
                self._put(key, b"%d" % total, life_ms)
            else:
                data = self._open()
                data[key] = b"%d" % total, data[key][1]
            return total

    def pour(self, key: str, amount_us: int, capacity_us: int) -> tuple[bool, int]:
        with self._lock:
            bucket = fill(self._live(check_key(key)), amount_us, capacity_us)
            if bucket.poured:
                self._put(key, bucket.value, check_lifetime(bucket.life_s))
            return bucket.poured, bucket.level_us

    def cas(self, key: str, expected: bytes | None, new: bytes | None, *, expires_s: float | None = None) -> bool:
        wanted = None if expected is None else check_value(expected)
        value = None if new is None else check_value(new)
        life_ms = check_lifetime(expires_s)
        with self._lock:
            if self._live(check_key(key)) != wanted:
                return False
            if value is not None:
                self._put(key, value, life_ms)
            elif wanted is not None:
                del self._open()[key]
            return True

    def expires_s(self, key: str) -> float | None:
        with self._lock:
            if self._live(check_key(key)) is None:
                raise KeyError(key)
            end = self._open()[key][1]
        return None if end == _NEVER else max(end - time.monotonic(), 0.0)

    def purge(self) -> int:
        with self._lock:
            return self._purge(len(self._ends))

    def close(self) -> None:
        forget(self)
        with self._lock:
            self._data = None
            self._ends.clear()

    def after_fork_in_child(self) -> None:
        """Make a new lock, in a forked child: a thread of the parent may have held the old one."""
        self._lock = threading.Lock()

    # Called with the lock held, except for `_live` of a key that is only read

    def _open(self) -> dict[str, tuple[bytes, float]]:
        if self._data is None:
            raise ValueError("store memory: is closed")
        return self._data

    def _live(self, key: Any) -> bytes | None:
        found = self._open().get(key)
        return found[0] if found and (found[1] == _NEVER or found[1] > time.monotonic()) else None

    def _put(self, key: str, value: bytes, life_ms: int | None) -> None:
        data = self._open()
        end = _NEVER if life_ms is None else time.monotonic() + life_ms / 1000
        data[key] = value, end
        if self._ends:
            self._purge(_PURGED_PER_WRITE)
        if life_ms is not None:
            heapq.heappush(self._ends, (end, key))
            if len(self._ends) > 2 * len(data) + _SPARE_ENDS:  # keys were set again and again: drop old ends
                self._ends = [(end, key) for key, (_, end) in data.items() if end != _NEVER]
                heapq.heapify(self._ends)

    def _purge(self, max_count: int) -> int:
        """Delete keys whose lifetime has ended, checking at most `max_count`; return how many were deleted."""
        data, now, gone = self._open(), time.monotonic(), 0
        while max_count > 0 and self._ends and self._ends[0][0] <= now:
            max_count -= 1
            end, key = heapq.heappop(self._ends)
            if key in data and data[key][1] == end:
                del data[key]
                gone += 1
        return gone
