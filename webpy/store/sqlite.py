"""A store in an SQLite file in WAL mode, for all processes of one machine.

Owns the statements. `connections` handles connections, waiting and forks; the methods are described in `base`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ..statedir import register_private
from .base import Store, StoreError, add, check_key, check_value, end_ms, fill, left_s, now_ms
from .connections import Connections, T, Work

__all__ = ["SQLiteStore"]

_LIVES = "(expires IS NULL OR expires > ?)"
_GET = "SELECT value, expires FROM webpy_store WHERE key = ?"
_SET = (
    "INSERT INTO webpy_store (key, value, expires) VALUES (?, ?, ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires"
)
_ADD = _SET + " WHERE webpy_store.expires <= ?"
_CHANGE = "UPDATE webpy_store SET value = ? WHERE key = ?"
_SWAP = f"UPDATE webpy_store SET value = ?, expires = ? WHERE key = ? AND value = ? AND {_LIVES}"
_DELETE = f"DELETE FROM webpy_store WHERE key = ? AND {_LIVES}"
_DELETE_IF = f"DELETE FROM webpy_store WHERE key = ? AND value = ? AND {_LIVES}"
_COUNT = (
    "SELECT (SELECT count(*) FROM webpy_store)"
    " - (SELECT count(*) FROM webpy_store INDEXED BY webpy_store_expires WHERE expires <= ?)"
)
_FIRST = f"SELECT key, value FROM webpy_store WHERE {_LIVES} ORDER BY key LIMIT 1"
_KEYS = f"SELECT key FROM webpy_store WHERE key > ? AND {_LIVES} ORDER BY key LIMIT 500"
_ITEMS = f"SELECT key, value FROM webpy_store WHERE key > ? AND {_LIVES} ORDER BY key LIMIT 20"
_PURGE = (
    "DELETE FROM webpy_store WHERE rowid IN"
    " (SELECT rowid FROM webpy_store INDEXED BY webpy_store_expires WHERE expires <= ? LIMIT 500)"
)
_WRITES_PER_PURGE = 64

_ABSENT: Any = object()


class SQLiteStore(Store):
    """`sqlite:///PATH`: made at the first use, with mode 600, its `-wal` and `-shm` files beside it.

    A write that has returned survives `kill -9` of any or all processes. A power loss never damages the file, but may
    undo the last writes (those after the last checkpoint, which happens about every 1,000 pages), unless
    `durable=True`: then every write waits for an fsync (`PRAGMA synchronous=FULL`).

    Measured by 4 processes at once on 1,000 keys of 100 bytes (November 2026, CPython 3.11, a virtual machine of
    2 cores that others kept busy): 120,000 to 190,000 reads/s, 90,000 to 105,000 writes/s, 23,000 to 33,000 of
    keys that expire, 35,000 to 39,000 incr/s. Over HTTP, examples/notes.py on 4 workers: 30,000 GET/s and 6,000
    to 9,000 PUT/s. An fsync for each write took up to 2 ms, depending on the disk.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout_s: float = 5.0, durable: bool = False) -> None:
        self.path = os.path.abspath(path)
        register_private(self.path, "store")
        self._connections = Connections(self.path, timeout_s=timeout_s, durable=durable)
        self._writes = 0

    def __repr__(self) -> str:
        return f"SQLiteStore({self._connections.path!r})"

    # The mapping

    def __getitem__(self, key: str) -> bytes:
        value = self._value(_encode(key))
        if value is None:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        value = self._value(_encode(key))
        return default if value is None else value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._value(_encode(key)) is not None

    def __len__(self) -> int:
        count: int = self._read(_COUNT, now_ms())[0]
        return count

    def __iter__(self) -> Iterator[str]:
        return (_decode(key) for (key,) in self._pages(_KEYS))

    def _scan(self) -> Iterator[tuple[str, bytes]]:
        return ((_decode(key), value) for key, value in self._pages(_ITEMS))

    def set(self, key: str, value: bytes, *, expires_s: float | None = None) -> None:
        self._write(_SET, _encode(key), check_value(value), end_ms(expires_s))

    def __delitem__(self, key: str) -> None:
        if not self._write(_DELETE, _encode(key), now_ms()):
            raise KeyError(key)

    def setdefault(self, key: str, default: Any = None) -> bytes:
        name = _encode(key)
        value = self._value(name)
        while value is None:
            if self._add(name, check_value(default), None):
                return check_value(default)
            value = self._value(name)
        return value

    def pop(self, key: str, default: Any = _ABSENT) -> Any:
        name = _encode(key)

        def work(connection: sqlite3.Connection) -> bytes | None:
            value = _live(connection.execute(_GET, (name,)).fetchone())
            if value is not None:
                connection.execute(_DELETE, (name, 0))
            return value

        value = self._transaction(work)
        if value is not None:
            return value
        if default is _ABSENT:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[str, bytes]:
        def work(connection: sqlite3.Connection) -> Any:
            row = connection.execute(_FIRST, (now_ms(),)).fetchone()
            if row is not None:
                connection.execute(_DELETE, (row[0], 0))
            return row

        row = self._transaction(work)
        if row is None:
            raise KeyError("popitem(): the store is empty")
        return _decode(row[0]), row[1]

    def update(self, other: Any = (), /, **more: bytes) -> None:
        """Set all pairs in one transaction: others see none or all of the changes."""
        rows = [(_encode(k), check_value(v), None) for k, v in dict(other, **more).items()]
        self._transaction(lambda connection: connection.executemany(_SET, rows))

    def clear(self) -> None:
        self._write("DELETE FROM webpy_store")

    # What a mapping does not have

    def incr(self, key: str, by: int = 1, *, expires_s: float | None = None) -> int:
        name = _encode(key)
        end = end_ms(expires_s)

        def work(connection: sqlite3.Connection) -> int:
            value = _live(connection.execute(_GET, (name,)).fetchone())
            total = add(key, value, by)
            if value is None:
                connection.execute(_SET, (name, b"%d" % total, end))
            else:
                connection.execute(_CHANGE, (b"%d" % total, name))
            return total

        return self._transaction(work)

    def pour(self, key: str, amount_us: int, capacity_us: int) -> tuple[bool, int]:
        name = _encode(key)
        bucket = fill(self._value(name), amount_us, capacity_us)
        if not bucket.poured:  # so those who are over their limit take no lock, and write nothing
            return False, bucket.level_us

        def work(connection: sqlite3.Connection) -> tuple[bool, int]:
            bucket = fill(_live(connection.execute(_GET, (name,)).fetchone()), amount_us, capacity_us)
            if bucket.poured:
                connection.execute(_SET, (name, bucket.value, end_ms(bucket.life_s)))
            return bucket.poured, bucket.level_us

        return self._transaction(work)

    def cas(self, key: str, expected: bytes | None, new: bytes | None, *, expires_s: float | None = None) -> bool:
        name = _encode(key)
        end = end_ms(expires_s)
        if expected is None:
            return key not in self if new is None else self._add(name, check_value(new), end)
        if new is None:
            return self._write(_DELETE_IF, name, check_value(expected), now_ms()) == 1
        return self._write(_SWAP, check_value(new), end, name, check_value(expected), now_ms()) == 1

    def expires_s(self, key: str) -> float | None:
        row = self._read(_GET, _encode(key))
        if _live(row) is None:
            raise KeyError(key)
        return None if row[1] is None else left_s(row[1])

    def purge(self) -> int:
        total = 0
        while gone := self._purge():
            total += gone
        return total

    def close(self) -> None:
        self._connections.close()

    # One statement, or several in a transaction

    def _value(self, name: bytes) -> bytes | None:
        return _live(self._read(_GET, name))

    def _add(self, name: bytes, value: bytes, end: int | None) -> bool:
        return self._write(_ADD, name, value, end, now_ms()) == 1

    def _read(self, sql: str, *values: bytes | int) -> Any:
        return self._connections.run(lambda connection: connection.execute(sql, values).fetchone())

    def _write(self, sql: str, *values: bytes | int | None) -> int:
        """Run one statement; return how many rows it changed."""
        changed = self._connections.run_alone(lambda connection: connection.execute(sql, values).rowcount)
        self._purge_at_times()
        return changed

    def _transaction(self, work: Work[T]) -> T:
        """Run `work` in a transaction, while no other process writes. If it raises, nothing has changed."""

        def whole(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            connection.execute("COMMIT")
            return result

        result = self._connections.run_alone(whole)
        self._purge_at_times()
        return result

    def _purge_at_times(self) -> None:
        self._writes += 1  # without a lock: it need not be exact
        if self._writes % _WRITES_PER_PURGE == 0:
            with suppress(StoreError):  # the write itself is done
                self._purge()

    def _purge(self) -> int:
        now = now_ms()
        return self._connections.run_alone(lambda connection: connection.execute(_PURGE, (now,)).rowcount)

    def _pages(self, sql: str) -> Iterator[Any]:
        # No cursor stays open between pages: it would delay the checkpoint of the WAL.
        after: str | bytes = ""  # in SQLite's order any text comes before every blob, the empty one included
        while rows := self._page(sql, after):
            yield from rows
            after = rows[-1][0]

    def _page(self, sql: str, after: str | bytes) -> list[Any]:
        values = (after, now_ms())
        return self._connections.run(lambda connection: connection.execute(sql, values).fetchall())


def _live(row: Any) -> bytes | None:
    """Return the value of a row of `_GET`, None if there is none or its lifetime has ended."""
    if row is None or (row[1] is not None and row[1] <= now_ms()):
        return None
    value: bytes = row[0]
    return value


def _encode(key: object) -> bytes:
    return check_key(key).encode("utf-8", "surrogatepass")


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")
