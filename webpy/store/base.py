"""What every store offers, wherever it keeps its values.

Owns the interface, the checks of keys, values and counters, and when a lifetime ends. Knows no files, no servers and
no processes. The modules beside it implement it; handlers see only this.
"""

from __future__ import annotations

import math
import re
import time
from abc import abstractmethod
from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from types import TracebackType
from typing import Any, NamedTuple, Self

from ..framework.errors import Unavailable

__all__ = ["Store", "StoreError", "StoreTimeout"]


class StoreError(Unavailable):
    """The store cannot do what was asked (disk full, server down, no permission); the message names the store.

    A handler that does not catch it answers 503. A write that a server has not confirmed may have been done.
    """


class StoreTimeout(StoreError, TimeoutError):
    """The store was busy or silent for longer than its `timeout_s`.

    Nothing has changed, except perhaps in a server that did not answer.
    """


class Store(MutableMapping[str, bytes]):
    """A mapping of str to bytes, for any thread and process: each method is atomic, and once it has returned, all
    see the change. Values may be any bytes-like object, and are returned as bytes. Every method raises StoreError.

    A key may have a lifetime, `expires_s` in seconds (more than 0, with a precision of milliseconds), after which it is
    absent for every method. A write without `expires_s` makes it last forever; only `incr` keeps the key's lifetime,
    and `pour` sets it. Stores that keep the time of a lifetime's end move it when the system's clock is set.

    Iteration is in the order of the keys' code points and takes no lock: it may show a change that is made meanwhile,
    or not.
    """

    path: str | None = None
    """The absolute path of the file or directory on this machine that keeps it. None: in memory, or on a server."""

    @abstractmethod
    def set(self, key: str, value: bytes, *, expires_s: float | None = None) -> None:
        """Do `store[key] = value`, for `expires_s` seconds if given."""

    @abstractmethod
    def incr(self, key: str, by: int = 1, *, expires_s: float | None = None) -> int:
        """Add `by` to the decimal number at `key` (0 if absent); return the sum, which is kept as ASCII digits.

        A number that exists keeps its lifetime; `expires_s` is for one that this call makes. Raises ValueError if the
        value is not a number, OverflowError if the sum does not fit 64 bits; then nothing has changed.
        """

    @abstractmethod
    def pour(self, key: str, amount_us: int, capacity_us: int) -> tuple[bool, int]:
        """Pour `amount_us` into the leaky bucket at `key`, unless that would make it hold more than `capacity_us`.

        A bucket leaks by itself, a microsecond of its content in each microsecond. Returns whether it was poured, and
        what the bucket holds now, in microseconds. It is kept as the time at which it will be empty, in microseconds
        since 1970 as ASCII digits, and is absent from then on; any other value counts as an empty bucket. This is the
        Generic Cell Rate Algorithm (ITU-T I.371), for limits of rates: see `webpy.ratelimit`. Raises ValueError unless
        0 < amount_us <= capacity_us.
        """

    @abstractmethod
    def cas(self, key: str, expected: bytes | None, new: bytes | None, *, expires_s: float | None = None) -> bool:
        """Compare and set: if the value is `expected` (None: absent), make it `new` (None: delete it) and return True.

        expires_s: the lifetime of the new value in seconds. Returns False, and changes nothing, if the value differs.
        """

    @abstractmethod
    def expires_s(self, key: str) -> float | None:
        """Return the seconds that `key` has left, None if it lasts forever. Raises KeyError if it is absent."""

    @abstractmethod
    def purge(self) -> int:
        """Delete expired keys; return how many there were.

        Calling it is optional, as each write deletes a few. Redis and memcached delete them themselves: returns 0.
        """

    def __setitem__(self, key: str, value: bytes) -> None:
        self.set(key, value)

    @abstractmethod
    def close(self) -> None:
        """Close this process's connections. Any later use raises ValueError; another close does nothing."""

    @abstractmethod
    def _scan(self) -> Iterator[tuple[str, bytes]]:
        """Yield all pairs in the order of the keys."""

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
_END_US = re.compile(rb"[0-9]{1,18}")
_MAX_BUCKET_US = 10**15  # 31 years: with the present time it is exact in Lua, whose numbers have 53 bits
_MAX_LIFETIME_S = 1e10  # three centuries: more is a mistake, and milliseconds of it fit everywhere


def check_key(key: object) -> str:
    """Return the key. Raises TypeError if it is not a str."""
    if not isinstance(key, str):
        raise TypeError(f"store keys are str, got {type(key).__name__}: {key!r:.60}")
    return key


def check_value(value: Any) -> bytes:
    """Return the value as bytes. Raises TypeError if it is not a bytes-like object."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    hint = "; encode it first" if isinstance(value, str) else ""
    raise TypeError(f"store values are bytes, got {type(value).__name__}: {value!r:.60}{hint}")


def check_lifetime(expires_s: float | None) -> int | None:
    """Return a lifetime in whole milliseconds, at least 1, None for a key that lasts forever. Raises TypeError,
    ValueError.
    """
    if expires_s is None:
        return None
    if isinstance(expires_s, bool) or not isinstance(expires_s, int | float):
        raise TypeError(f"expires_s: got {type(expires_s).__name__}: {expires_s!r:.60}; wanted seconds or None")
    if not 0 < expires_s <= _MAX_LIFETIME_S:
        raise ValueError(f"expires_s: got {expires_s!r}; wanted seconds, more than 0 and at most {_MAX_LIFETIME_S:g}")
    return math.ceil(expires_s * 1000)


def now_ms() -> int:
    """Return the time in ms since 1970, for lifetimes whose end several processes or machines have to know."""
    return time.time_ns() // 1_000_000


def end_ms(expires_s: float | None) -> int | None:
    """Return the `now_ms()` at which a lifetime that begins now is over, never too early; None if it lasts forever."""
    life_ms = check_lifetime(expires_s)
    return None if life_ms is None else now_ms() + 1 + life_ms


def now_us() -> int:
    """Return the time in microseconds since 1970, for buckets."""
    return time.time_ns() // 1000


class Bucket(NamedTuple):
    """What `Store.pour` found: whether it may pour, what the bucket holds then, and the value to keep."""

    poured: bool
    level_us: int
    value: bytes

    @property
    def life_s(self) -> float:
        """The lifetime of the value."""
        return self.level_us / 1e6


def fill(value: bytes | None, amount_us: int, capacity_us: int) -> Bucket:
    """Return what becomes of a bucket that is kept as `value` (None: absent). Raises ValueError as `Store.pour`.

    A level above the capacity comes of a clock that was set back, or of settings that have changed: the bucket is full
    then, and not for as long as the clock was set back.
    """
    check_bucket(amount_us, capacity_us)
    now = now_us()
    end = int(value) if value is not None and _END_US.fullmatch(value) else 0
    level = min(max(end - now, 0), capacity_us)
    if level + amount_us > capacity_us:
        return Bucket(False, level, b"")
    level += amount_us
    return Bucket(True, level, b"%d" % (now + level))


def check_bucket(amount_us: int, capacity_us: int) -> None:
    """Raise ValueError for an amount or a capacity that no bucket can have."""
    if not 0 < amount_us <= capacity_us <= _MAX_BUCKET_US:
        wanted = f"more than 0, at most the bucket's {capacity_us!r}, which is at most {_MAX_BUCKET_US}"
        raise ValueError(f"amount_us: got {amount_us!r}, wanted {wanted}")


def left_s(end_ms: int) -> float:
    """Return the seconds until `end_ms`, 0 if it is past."""
    return max(end_ms / 1000 - time.time(), 0.0)


def add(key: str, value: bytes | None, by: int) -> int:
    """Return the sum that `Store.incr` is to store. Raises ValueError, OverflowError as that does."""
    if value is not None and not _COUNTER.fullmatch(value):
        raise ValueError(f"store key {key!r:.60}: wanted a decimal number to add {by} to, got {value!r:.60}")
    total = int(value or 0) + by
    if not -(2**63) <= total < 2**63:
        raise OverflowError(f"store key {key!r:.60}: {value!r} + {by} does not fit 64 bits")
    return total
