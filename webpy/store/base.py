"""What every store promises, whatever keeps it.

Owns the interface, the checks of keys, values and counters, and when a lifetime ends. Knows no file, no server
and no process. The modules beside it implement it; handlers see only this.
"""

from __future__ import annotations

import math
import re
import time
from abc import abstractmethod
from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from types import TracebackType
from typing import Any, Self

from ..framework.errors import Unavailable

__all__ = ["Store", "StoreError", "StoreTimeout"]


class StoreError(Unavailable):
    """The store cannot do what was asked (disk full, server down, no permission); the message names it.

    A handler that lets it through answers 503. A write that a server has not confirmed may have been done."""


class StoreTimeout(StoreError, TimeoutError):
    """The store was busy or silent for longer than its `timeout_s`. Nothing was changed, unless it is a server
    that did not answer."""


class Store(MutableMapping[str, bytes]):
    """A mapping of str to bytes. Safe for threads and processes: each method is atomic by itself, and a
    change is seen by all once the method has returned. Values may be any bytes-like object and come back as
    bytes.

    A key may be given a lifetime, `expires_s` in seconds (more than 0; milliseconds count): from its end on
    the key is absent to every method. A write without `expires_s` makes it last; only `incr` keeps what the
    key had. Where a lifetime is kept as the time of its end, a clock that is set moves that as well.

    Iteration is in the order of the keys' code points and without a lock: what changes meanwhile may show or
    not."""

    path: str | None = None
    """Where on this machine it is kept, absolute: a file or a directory. None: in memory, or elsewhere."""

    @abstractmethod
    def set(self, key: str, value: bytes, *, expires_s: float | None = None) -> None:
        """As `store[key] = value`, for `expires_s` seconds if given."""

    @abstractmethod
    def incr(self, key: str, by: int = 1, *, expires_s: float | None = None) -> int:
        """Adds `by` to the decimal number at `key` (absent: 0); returns the sum, which is kept as ASCII
        digits. A number that was there keeps its lifetime; `expires_s` is for one that this call makes.

        Raises ValueError if the value is no number, OverflowError if the sum does not fit 64 bits; then
        nothing has changed."""

    @abstractmethod
    def cas(self, key: str, expected: bytes | None, new: bytes | None, *, expires_s: float | None = None) -> bool:
        """Compare and set: if the value is `expected` (None: absent), makes it `new` (None: deletes it), for
        `expires_s` seconds if given. Says whether it was."""

    @abstractmethod
    def expires_s(self, key: str) -> float | None:
        """The seconds that `key` has left, None if it lasts. Raises KeyError if it is absent."""

    @abstractmethod
    def purge(self) -> int:
        """Frees what expired keys still occupy; returns how many there were. Writes do it on the way, some
        each, so no one has to call this; Redis and memcached do it themselves, and this returns 0."""

    def __setitem__(self, key: str, value: bytes) -> None:
        self.set(key, value)

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


# As Redis has them: no sign but "-", no leading zeros.
_COUNTER = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_LONGEST_S = 1e10  # three centuries: nobody means more, and milliseconds of it fit everywhere


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


def check_lifetime(expires_s: float | None) -> int | None:
    """A lifetime in whole milliseconds, at least 1; None for a key that lasts."""
    if expires_s is None:
        return None
    if isinstance(expires_s, bool) or not isinstance(expires_s, int | float):
        raise TypeError(f"expires_s: got {type(expires_s).__name__}: {expires_s!r:.60}; wanted seconds or None")
    if not 0 < expires_s <= _LONGEST_S:
        raise ValueError(f"expires_s: got {expires_s!r}; wanted seconds, more than 0 and at most {_LONGEST_S:g}")
    return math.ceil(expires_s * 1000)


def now_ms() -> int:
    """Since 1970, for lifetimes of which processes or machines have to know the end."""
    return time.time_ns() // 1_000_000


def end_ms(expires_s: float | None) -> int | None:
    """The `now_ms()` at which a lifetime that begins now is over: never early. None for a key that lasts."""
    life_ms = check_lifetime(expires_s)
    return None if life_ms is None else now_ms() + 1 + life_ms


def left_s(end_ms: int) -> float:
    """How long until then."""
    return max(end_ms / 1000 - time.time(), 0.0)


def add(key: str, value: bytes | None, by: int) -> int:
    """The sum that `Store.incr` is to store."""
    if value is not None and not _COUNTER.fullmatch(value):
        raise ValueError(f"store key {key!r:.60}: wanted a decimal number to add {by} to, got {value!r:.60}")
    total = int(value or 0) + by
    if not -(2**63) <= total < 2**63:
        raise OverflowError(f"store key {key!r:.60}: {value!r} + {by} does not fit 64 bits")
    return total
