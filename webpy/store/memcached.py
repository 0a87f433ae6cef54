"""A store in a memcached server: a cache, which may drop keys.

Owns the commands, and the names and lifetimes of keys. `clients` has the connections; the methods are described in
`base`.

A value is kept with the end of its lifetime before it, in milliseconds: memcached counts whole seconds, does not tell
how many are left, and its own counters have no sign.
"""

from __future__ import annotations

import hashlib
import random
import re
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl, urlsplit

from .base import Store, StoreError, StoreTimeout, add, check_key, check_value, end_ms, fill, left_s, now_ms
from .clients import Client, Clients, MemcacheError

__all__ = ["MemcachedStore"]

T = TypeVar("T")

_PREFIX = "webpy:"
_DEFAULT_PORT = 11211
_MAX_NAME_LENGTH = 250
_PLAIN = re.compile(r"[!-~]*")
_END = struct.Struct(">q")  # ms since 1970; _LASTS for a key that lasts forever
_LASTS = 2**63 - 1
_MAX_EXPIRY = 2**31 - 1  # s since 1970; keys that end later have their end in `_END` only
_NOW = -1  # an expiry that is over at once: there is no command to delete a key only if it has not changed
_MAX_NAP_S = 0.005
_ABSENT: Any = object()


class MemcachedStore(Store):
    """`memcached://HOST[:PORT]`, or `memcached:///PATH/OF/SOCKET`.

    The names of its keys begin with `webpy:`, or with the value of `?prefix=`; a key that memcached cannot have as a
    name (too long, or not printable ASCII) is kept under its SHA-256. Keys cannot be listed: iteration, `len`,
    `popitem` and `clear` raise StoreError. It is a cache: values are lost if memory runs out or the server restarts. A
    value over the server's limit (`-I`, 1 MB) raises StoreError, and the old value is lost. The clocks of several
    machines have to agree, as lifetimes end by them.

    Each process has connections of its own, as many as its threads ever used at once, made at the first use, and again
    after the server was restarted. `timeout_s` limits the wait for each answer, and how long `incr` and `cas` try again
    while others change the key. Nothing is sent twice: without an answer, the write may have been done.

    Measured as in `SQLiteStore`, with memcached 1.6 on the same 2 cores: 35,000 to 60,000 reads/s, as many
    writes/s, 12,000 to 20,000 incr/s.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        self._prefix = options.pop("prefix", _PREFIX)
        self._name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        if unknown := sorted(options):
            raise ValueError(f"store {self._name}: unknown option {unknown[0]!r}; wanted prefix")
        if not _PLAIN.fullmatch(self._prefix) or len(self._prefix) > _MAX_NAME_LENGTH // 2:
            raise ValueError(f"store {self._name}: got prefix {self._prefix!r}; wanted printable ASCII, at most 125")
        try:
            address = (parts.hostname or "", parts.port or _DEFAULT_PORT) if parts.netloc else parts.path
        except ValueError as error:
            raise ValueError(f"store {self._name}: {error}") from None
        if "@" in parts.netloc:
            raise ValueError(f"store {self._name}: got a user or password; wanted none, as memcached asks for none")
        if (not parts.hostname and not parts.path.strip("/")) or (parts.netloc and parts.path not in ("", "/")):
            raise ValueError(f"store {self._name}: wanted memcached://HOST:PORT or memcached:///PATH")
        self.timeout_s = timeout_s
        self._clients = Clients(self._name, address, timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"MemcachedStore({self._name!r})"

    # The mapping

    def __getitem__(self, key: str) -> bytes:
        value: bytes | None = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        name = self._encode(key)
        value, _ = _live(self._ask(lambda client: client.get(name)))
        return default if value is None else value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __len__(self) -> int:
        self._cannot_list()

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        self._cannot_list()

    def _scan(self) -> Iterator[tuple[str, bytes]]:
        self._cannot_list()

    def popitem(self) -> tuple[str, bytes]:
        self._cannot_list()

    def clear(self) -> None:
        self._cannot_list()

    def set(self, key: str, value: bytes, *, expires_s: float | None = None) -> None:
        name = self._encode(key)
        packed, expiry = _pack(check_value(value), _end_ms(expires_s))
        self._ask(lambda client: client.set(name, packed, expiry))

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def setdefault(self, key: str, default: Any = None) -> bytes:
        def change(value: bytes | None, end: int) -> tuple[bytes, int, bytes]:
            return (check_value(default), _LASTS, check_value(default)) if value is None else (value, end, value)

        return self._change(key, change)

    def pop(self, key: str, default: Any = _ABSENT) -> Any:
        value: bytes | None = self._change(key, lambda value, end: (None, _LASTS, value))
        if value is not None:
            return value
        if default is _ABSENT:
            raise KeyError(key)
        return default

    # What a mapping does not have

    def incr(self, key: str, by: int = 1, *, expires_s: float | None = None) -> int:
        new_end = _end_ms(expires_s)

        def change(value: bytes | None, end: int) -> tuple[bytes, int, int]:
            total = add(key, value, by)
            return b"%d" % total, new_end if value is None else end, total

        return self._change(key, change)

    def pour(self, key: str, amount_us: int, capacity_us: int) -> tuple[bool, int]:
        def change(value: bytes | None, end: int) -> tuple[bytes | None, int, tuple[bool, int]]:
            bucket = fill(value, amount_us, capacity_us)
            result = bucket.poured, bucket.level_us
            return (bucket.value, _end_ms(bucket.life_s), result) if bucket.poured else (value, end, result)

        return self._change(key, change)

    def cas(self, key: str, expected: bytes | None, new: bytes | None, *, expires_s: float | None = None) -> bool:
        wanted = None if expected is None else check_value(expected)
        changed = None if new is None else check_value(new)
        new_end = _end_ms(expires_s)

        def change(value: bytes | None, end: int) -> tuple[bytes | None, int, bool]:
            return (changed, new_end, True) if value == wanted else (value, end, False)

        return self._change(key, change)

    def expires_s(self, key: str) -> float | None:
        name = self._encode(key)
        value, end = _live(self._ask(lambda client: client.get(name)))
        if value is None:
            raise KeyError(key)
        return None if end == _LASTS else left_s(end)

    def purge(self) -> int:
        return 0

    def close(self) -> None:
        self._clients.close()

    # Changing a value that others may change too

    def _change(self, key: str, change: Callable[[bytes | None, int], tuple[bytes | None, int, T]]) -> T:
        """Change the value of a key; return the result of `change`.

        change: takes the value (None: absent) and its end, and returns the new value, its end, and the result. It is
        called again if another process has changed the key meanwhile. Raises StoreTimeout after `timeout_s`.
        """
        name = self._encode(key)
        deadline = time.monotonic() + self.timeout_s
        nap_s = 0.0001
        while True:
            packed, token = self._ask(lambda client: client.gets(name))
            before = value, end = _live(packed)
            after, after_end, result = change(value, end)
            if (after, after_end) == before or (after is None and value is None):
                return result
            if self._swap(name, token, after, after_end):
                return result
            if time.monotonic() >= deadline:
                raise StoreTimeout(f"store {self._name}: kept busy by others for {self.timeout_s} s")
            time.sleep(nap_s * random.uniform(0.5, 1.5))
            nap_s = min(nap_s * 2, _MAX_NAP_S)

    def _swap(self, name: str, token: bytes | None, value: bytes | None, end: int) -> bool:
        packed, expiry = (b"", _NOW) if value is None else _pack(value, end)
        if token is None:
            return bool(self._ask(lambda client: client.add(name, packed, expiry)))
        return bool(self._ask(lambda client: client.cas(name, packed, token, expiry)))

    def _cannot_list(self) -> NoReturn:
        raise StoreError(f"store {self._name}: memcached does not say which keys it has")

    # Commands and names

    def _ask(self, command: Callable[[Client], T]) -> T:
        try:
            return self._clients.run(command)
        except TimeoutError as error:
            raise StoreTimeout(f"store {self._name}: no answer within {self.timeout_s} s") from error
        except (MemcacheError, OSError) as error:
            raise StoreError(f"store {self._name}: {str(error) or type(error).__name__}") from error

    def _encode(self, key: object) -> str:
        name = check_key(key)
        # "=" and "#" distinguish plain names from digests.
        if _PLAIN.fullmatch(name) and len(self._prefix) + len(name) < _MAX_NAME_LENGTH:
            return f"{self._prefix}={name}"
        return f"{self._prefix}#{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _end_ms(expires_s: float | None) -> int:
    end = end_ms(expires_s)
    return _LASTS if end is None else end


def _pack(value: bytes, end: int) -> tuple[bytes, int]:
    """Return the bytes that memcached keeps and their expiry in whole seconds, rounded up, plus one for its clock."""
    expiry = end // 1000 + 2
    return _END.pack(end) + value, expiry if expiry <= _MAX_EXPIRY else 0


def _live(packed: bytes | None) -> tuple[bytes | None, int]:
    """Return the value and its end; the value is None if there is none or its lifetime has ended."""
    if packed is None or len(packed) < _END.size:
        return None, _LASTS
    (end,) = _END.unpack_from(packed)
    return (packed[_END.size :], end) if end > now_ms() else (None, _LASTS)
