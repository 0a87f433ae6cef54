"""A store in a Redis server (or Valkey), for workers on several machines too.

Owns the commands and the names of keys. The package `redis` has the sockets and their pool; the methods are described
in `base`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .base import Store, StoreError, StoreTimeout, add, check_bucket, check_key, check_lifetime, check_value

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError as error:
    raise ImportError("a store in Redis needs the package redis: pip install 'webpy[redis]'") from error

__all__ = ["RedisStore"]

# Options of a URL beside the prefix; timeouts are set by `timeout_s` only.
_OPTIONS = {"db", "ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}
_PREFIX = "webpy:"
_BATCH = 500
_ITEMS_BATCH = 50
_ABSENT: Any = object()

_CAS = """
local value = redis.call('GET', KEYS[1])
if value ~= ARGV[1] then return 0 end
if ARGV[2] == 'delete' then redis.call('DEL', KEYS[1])
elseif ARGV[4] == '0' then redis.call('SET', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
return 1
"""
# Returns a string: numbers of Lua are exact to 53 bits only.
_INCR_FOR_A_TIME = """
local there = redis.call('EXISTS', KEYS[1])
redis.call('INCRBY', KEYS[1], ARGV[1])
if there == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
"""
# As `fill` in `base`, by the server's clock.
_POUR = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local amount, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call('GET', KEYS[1])
local ends = kept and #kept <= 18 and string.match(kept, '^%d+$') and tonumber(kept) or 0
local level = math.min(math.max(ends - now, 0), capacity)
if level + amount > capacity then return {0, level} end
level = level + amount
redis.call('SET', KEYS[1], string.format('%.0f', now + level), 'PX', math.ceil(level / 1000))
return {1, level}
"""


class RedisStore(Store):
    """`redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]`, `rediss://…` (TLS), `unix:///PATH/OF/SOCKET[?db=DB]`.

    The names of its keys begin with `webpy:`, or with the value of `?prefix=`, so that other programs may use the same
    database; values are kept unchanged. Other options: `ssl_ca_certs`, `ssl_cert_reqs`, `ssl_certfile`,
    `ssl_check_hostname`, `ssl_keyfile`. Redis 6.2 or newer, one server or a primary; no cluster.

    Each process has connections of its own, as many as its threads ever used at once, made at the first use, and again
    after the server was restarted. `timeout_s` limits the wait for each answer. Nothing is sent twice: without an
    answer, the write may have been done.

    The server's settings (`appendonly`, `appendfsync`) decide how safe a write is; with a `maxmemory-policy` other than
    `noeviction`, keys may be dropped at any time. Iteration, `len` and `clear` go over all names of the database, not
    at one instant, and have those with the prefix in memory.

    Measured as in `SQLiteStore`, with Redis 7.0 on the same 2 cores: 22,000 to 34,000 reads/s, as many writes/s
    and incr/s.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        self._prefix = options.pop("prefix", _PREFIX).encode("utf-8", "surrogateescape")
        self._name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"  # without a password
        if unknown := sorted(options.keys() - _OPTIONS):
            raise ValueError(f"store {self._name}: unknown option {unknown[0]!r}; wanted {', '.join(sorted(_OPTIONS))}")
        if parts.scheme != "unix" and not re.fullmatch(r"/?\d*", parts.path):
            raise ValueError(f"store {self._name}: got database {parts.path[1:]!r}; wanted a number")
        self.timeout_s = timeout_s
        try:
            pool = redis.ConnectionPool.from_url(
                f"{url.partition('?')[0]}?{urlencode(options)}",
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
            )
        except ValueError as error:
            raise ValueError(f"store {self._name}: {error}") from None
        self._client: Any = redis.Redis(connection_pool=pool)

    def __repr__(self) -> str:
        return f"RedisStore({self._name!r})"

    # The mapping

    def __getitem__(self, key: str) -> bytes:
        value: bytes | None = self._ask("GET", self._encode(key))
        if value is None:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        value = self._ask("GET", self._encode(key))
        return default if value is None else value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and bool(self._ask("EXISTS", self._encode(key)))

    def __len__(self) -> int:
        return len({name for names in self._batches() for name in names})

    def __iter__(self) -> Iterator[str]:
        return map(self._decode, self._sorted())

    def _scan(self) -> Iterator[tuple[str, bytes]]:
        names = self._sorted()
        for start in range(0, len(names), _ITEMS_BATCH):
            batch = names[start : start + _ITEMS_BATCH]
            for name, value in zip(batch, self._ask("MGET", *batch), strict=True):
                if value is not None:
                    yield self._decode(name), value

    def set(self, key: str, value: bytes, *, expires_s: float | None = None) -> None:
        self._ask("SET", self._encode(key), check_value(value), *_px(expires_s))

    def __delitem__(self, key: str) -> None:
        if not self._ask("DEL", self._encode(key)):
            raise KeyError(key)

    def setdefault(self, key: str, default: Any = None) -> bytes:
        while True:
            value: bytes | None = self.get(key)
            if value is not None:
                return value
            if self.cas(key, None, check_value(default)):
                return check_value(default)

    def pop(self, key: str, default: Any = _ABSENT) -> Any:
        value = self._ask("GETDEL", self._encode(key))
        if value is not None:
            return value
        if default is _ABSENT:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[str, bytes]:
        for names in self._batches():
            for name in names:
                value = self._ask("GETDEL", name)
                if value is not None:
                    return self._decode(name), value
        raise KeyError("popitem(): the store is empty")

    def update(self, other: Any = (), /, **more: bytes) -> None:
        """Set all pairs in one command: others see none or all of the changes."""
        pairs = [part for k, v in dict(other, **more).items() for part in (self._encode(k), check_value(v))]
        if pairs:
            self._ask("MSET", *pairs)

    def clear(self) -> None:
        for names in self._batches():
            if names:
                self._ask("UNLINK", *names)

    # What a mapping does not have

    def incr(self, key: str, by: int = 1, *, expires_s: float | None = None) -> int:
        name = self._encode(key)
        life_ms = check_lifetime(expires_s)
        try:
            if life_ms is None:
                return int(self._ask("INCRBY", name, by))
            return int(self._ask("EVAL", _INCR_FOR_A_TIME, 1, name, by, life_ms))
        except StoreError as error:
            if isinstance(error.__cause__, redis.ResponseError):
                add(key, self.get(key), by)  # raises if the number is the reason
            raise

    def pour(self, key: str, amount_us: int, capacity_us: int) -> tuple[bool, int]:
        name = self._encode(key)
        check_bucket(amount_us, capacity_us)
        poured, level_us = self._ask("EVAL", _POUR, 1, name, amount_us, capacity_us)
        return bool(poured), int(level_us)

    def cas(self, key: str, expected: bytes | None, new: bytes | None, *, expires_s: float | None = None) -> bool:
        name = self._encode(key)
        life_ms = check_lifetime(expires_s)
        if expected is not None:
            expected = check_value(expected)
            change = ("delete", b"") if new is None else ("set", check_value(new))
            return bool(self._ask("EVAL", _CAS, 1, name, expected, *change, life_ms or 0))
        if new is None:
            return key not in self
        return bool(self._ask("SET", name, check_value(new), "NX", *_px(expires_s)))

    def expires_s(self, key: str) -> float | None:
        left_ms = self._ask("PTTL", self._encode(key))
        if left_ms == -2:
            raise KeyError(key)
        return None if left_ms == -1 else left_ms / 1000

    def purge(self) -> int:
        return 0

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.connection_pool.disconnect()

    # Commands and names

    def _ask(self, *command: Any) -> Any:
        if self._client is None:
            raise ValueError(f"store {self._name} is closed")
        try:
            return self._client.execute_command(*command)
        except redis.TimeoutError as error:
            raise StoreTimeout(f"store {self._name}: no answer within {self.timeout_s} s") from error
        except (redis.RedisError, OSError) as error:
            raise StoreError(f"store {self._name}: {error}") from error

    def _batches(self) -> Iterator[list[bytes]]:
        """Yield all names, some of them twice."""
        pattern = b"".join(b"\\" + bytes((c,)) if c in b"*?[]\\" else bytes((c,)) for c in self._prefix) + b"*"
        cursor = 0
        while True:
            cursor, names = self._ask("SCAN", cursor, "MATCH", pattern, "COUNT", _BATCH)
            yield names
            if not int(cursor):
                return

    def _sorted(self) -> list[bytes]:
        return sorted({name for names in self._batches() for name in names})

    def _encode(self, key: object) -> bytes:
        return self._prefix + check_key(key).encode("utf-8", "surrogatepass")

    def _decode(self, name: bytes) -> str:
        try:
            return name[len(self._prefix) :].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise StoreError(f"store {self._name}: {name!r:.60} is not of this store; give it a prefix") from None


def _px(expires_s: float | None) -> tuple[str, int] | tuple[()]:
    life_ms = check_lifetime(expires_s)
    return () if life_ms is None else ("PX", life_ms)
