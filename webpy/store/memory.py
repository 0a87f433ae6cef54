"""A store in this process's memory, for one worker and for tests.

Owns a dict and its lock. What a fork inherits is a copy: processes do not see each other's changes.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any

from .base import Store, add, check_key, check_value

__all__ = ["MemoryStore"]

_ABSENT: Any = object()


class MemoryStore(Store):
    """`memory:`: for one worker only."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] | None = {}
        self._lock = threading.Lock()
        _OPEN[id(self)] = self

    def _open(self) -> dict[str, bytes]:
        if self._data is None:
            raise ValueError("store memory: is closed")
        return self._data

    def __getitem__(self, key: str) -> bytes:
        return self._open()[check_key(key)]

    def __setitem__(self, key: str, value: bytes) -> None:
        with self._lock:
            self._open()[check_key(key)] = check_value(value)

    def __delitem__(self, key: str) -> None:
        with self._lock:
            del self._open()[check_key(key)]

    def __contains__(self, key: object) -> bool:
        return key in self._open()

    def __len__(self) -> int:
        return len(self._open())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._open().copy()))

    def _scan(self) -> Iterator[tuple[str, bytes]]:
        return iter(sorted(self._open().copy().items()))

    def pop(self, key: str, default: Any = _ABSENT) -> Any:
        with self._lock:
            data = self._open()
            return data.pop(check_key(key)) if default is _ABSENT else data.pop(check_key(key), default)

    def popitem(self) -> tuple[str, bytes]:
        with self._lock:
            return self._open().popitem()

    def setdefault(self, key: str, default: Any = None) -> bytes:
        with self._lock:
            data = self._open()
            if check_key(key) not in data:
                data[key] = check_value(default)
            return data[key]

    def update(self, other: Any = (), /, **more: bytes) -> None:
        pairs = {check_key(k): check_value(v) for k, v in dict(other, **more).items()}
        with self._lock:
            self._open().update(pairs)

    def clear(self) -> None:
        with self._lock:
            self._open().clear()

    def incr(self, key: str, by: int = 1) -> int:
        with self._lock:
            data = self._open()
            total = add(key, data.get(check_key(key)), by)
            data[key] = b"%d" % total
            return total

    def cas(self, key: str, expected: bytes | None, new: bytes | None) -> bool:
        wanted = None if expected is None else check_value(expected)
        value = None if new is None else check_value(new)
        with self._lock:
            data = self._open()
            if data.get(check_key(key)) != wanted:
                return False
            if value is not None:
                data[key] = value
            elif wanted is not None:
                del data[key]
            return True

    def close(self) -> None:
        with self._lock:
            self._data = None


_OPEN: weakref.WeakValueDictionary[int, MemoryStore] = weakref.WeakValueDictionary()


def _renew_locks() -> None:
    for store in _OPEN.values():
        store._lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_locks)
