"""What every store promises, whatever keeps it.

Owns the interface and the checks of keys, values and counters. Knows no file, no server and no process. The
modules beside it implement it; handlers see only this.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from types import TracebackType
from typing import Any, Self

__all__ = ["Store", "StoreError", "StoreTimeout"]


class StoreError(Exception):
    """The store cannot do what was asked (disk full, not a store, no permission); the message names it."""


class StoreTimeout(StoreError, TimeoutError):
    """Others kept the store busy for longer than its `timeout_s`; nothing was changed."""


class Store(MutableMapping[str, bytes]):
    """A mapping of str to bytes. Safe for threads and processes: each method is atomic by itself, and a
    change is seen by all once the method has returned. Values may be any bytes-like object and come back as
    bytes.

    Iteration is in the order of the keys' code points, without a lock and without loading all: what changes
    meanwhile may show or not."""

    @abstractmethod
    def incr(self, key: str, by: int = 1) -> int:
        """Adds `by` to the decimal number at `key` (absent: 0); returns the sum, which is kept as ASCII
        digits.

        Raises ValueError if the value is no number, OverflowError if the sum does not fit 64 bits; then
        nothing has changed."""

    @abstractmethod
    def cas(self, key: str, expected: bytes | None, new: bytes | None) -> bool:
        """Compare and set: if the value is `expected` (None: absent), makes it `new` (None: deletes it). Says
        whether it was."""

    @abstractmethod
    def close(self) -> None:
        """Frees this process's connections. Use after it raises ValueError; another close does nothing."""

    @abstractmethod
    def _scan(self) -> Iterator[tuple[str, bytes]]:
        """All pairs in the keys' order."""

    def items(self) -> ItemsView[str, bytes]:
        return _Items(self)

    def values(self) -> ValuesView[bytes]:
        return _Values(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Items(ItemsView[str, bytes]):
    _mapping: Store

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return self._mapping._scan()


class _Values(ValuesView[bytes]):
    _mapping: Store

    def __iter__(self) -> Iterator[bytes]:
        return (value for _, value in self._mapping._scan())


_COUNTER = re.compile(rb"-?[0-9]{1,19}")


def check_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"store keys are str, got {type(key).__name__}: {key!r:.60}")
    return key


def check_value(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    hint = "; encode it first" if isinstance(value, str) else ""
    raise TypeError(f"store values are bytes, got {type(value).__name__}: {value!r:.60}{hint}")


def add(key: str, value: bytes | None, by: int) -> int:
    """The sum that `Store.incr` is to store."""
    if value is not None and not _COUNTER.fullmatch(value):
        raise ValueError(f"store key {key!r:.60}: wanted a decimal number to add {by} to, got {value!r:.60}")
    total = int(value or 0) + by
    if not -(2**63) <= total < 2**63:
        raise OverflowError(f"store key {key!r:.60}: {value!r} + {by} does not fit 64 bits")
    return total
