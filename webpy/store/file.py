"""A store of files in a directory, one for each key, for all processes of one machine.

Owns the methods of the mapping, which are described in `base`. `directory` has the files and locks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ..statedir import register_private
from .base import Store, add, check_key, check_value, end_ms, fill, left_s
from .directory import Directory, Entry, digest_of

__all__ = ["FileStore"]

_ABSENT: Any = object()


class FileStore(Store):
    """`file:///DIR`: made at the first use, with mode 700, in a directory that must exist. Each value is the end of a
    file.

    A write that has returned survives `kill -9` of any or all processes. A power loss may undo the last writes, unless
    `durable=True`: then every write waits for an fsync of the file and of its folder.

    Iteration, `len` and `purge` open every file, and iteration has all keys in memory; `update` and `clear` are not
    atomic as a whole. For more than some 100,000 keys SQLite is better. The directory must be on a file system of this
    machine, as `flock` needs it.

    Measured as in `SQLiteStore`: 63,000 to 170,000 reads/s and 1,400 to 5,500 writes/s, as ext4 begins to write a
    file to the disk when it is renamed over another; 8,500 writes/s on tmpfs.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout_s: float = 5.0, durable: bool = False) -> None:
        self.path = os.path.abspath(path)
        register_private(self.path, "store")
        self._directory = Directory(self.path, timeout_s=timeout_s, durable=durable)

    def __repr__(self) -> str:
        return f"FileStore({self._directory.path!r})"

    # The mapping

    def __getitem__(self, key: str) -> bytes:
        entry = self._entry(key)
        if entry is None:
            raise KeyError(key)
        return entry.value

    def get(self, key: str, default: Any = None) -> Any:
        entry = self._entry(key)
        return default if entry is None else entry.value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._entry(key) is not None

    def __len__(self) -> int:
        return sum(1 for _ in self._names())

    def __iter__(self) -> Iterator[str]:
        return map(_decode, sorted(self._names()))

    def _scan(self) -> Iterator[tuple[str, bytes]]:
        for key in self:
            entry = self._entry(key)
            if entry is not None:
                yield key, entry.value

    def set(self, key: str, value: bytes, *, expires_s: float | None = None) -> None:
        digest, entry = _new(key, value, expires_s)
        with self._directory.locked(digest) as folder:
            self._directory.put(folder, digest, entry)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def setdefault(self, key: str, default: Any = None) -> bytes:
        while True:
            entry = self._entry(key)
            if entry is not None:
                return entry.value
            if self.cas(key, None, check_value(default)):
                return check_value(default)

    def pop(self, key: str, default: Any = _ABSENT) -> Any:
        digest = digest_of(_encode(key))
        with self._directory.locked(digest) as folder:
            entry = self._directory.read(digest)
            if entry is not None:
                self._directory.remove(folder, digest)
                return entry.value
        if default is _ABSENT:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[str, bytes]:
        for name in self._names():
            value = self.pop(key := _decode(name), None)
            if value is not None:
                return key, value
        raise KeyError("popitem(): the store is empty")

    def update(self, other: Any = (), /, **more: bytes) -> None:
        for digest, entry in [_new(key, value, None) for key, value in dict(other, **more).items()]:
            with self._directory.locked(digest) as folder:
                self._directory.put(folder, digest, entry)

    def clear(self) -> None:
        for name in self._names():
            self.pop(_decode(name), None)

    # What a mapping does not have

    def incr(self, key: str, by: int = 1, *, expires_s: float | None = None) -> int:
        digest, new = _new(key, b"", expires_s)
        with self._directory.locked(digest) as folder:
            old = self._directory.read(digest)
            total = add(key, old.value if old else None, by)
            self._directory.put(folder, digest, Entry(new.name, b"%d" % total, (old or new).end_ms))
            return total

    def pour(self, key: str, amount_us: int, capacity_us: int) -> tuple[bool, int]:
        digest = digest_of(_encode(key))
        with self._directory.locked(digest) as folder:
            old = self._directory.read(digest)
            bucket = fill(old.value if old else None, amount_us, capacity_us)
            if bucket.poured:
                self._directory.put(folder, *_new(key, bucket.value, bucket.life_s))
            return bucket.poured, bucket.level_us

    def cas(self, key: str, expected: bytes | None, new: bytes | None, *, expires_s: float | None = None) -> bool:
        digest, entry = _new(key, b"" if new is None else new, expires_s)
        wanted = None if expected is None else check_value(expected)
        with self._directory.locked(digest) as folder:
            old = self._directory.read(digest)
            if (old.value if old else None) != wanted:
                return False
            if new is not None:
                self._directory.put(folder, digest, entry)
            elif old is not None:
                self._directory.remove(folder, digest)
            return True

    def expires_s(self, key: str) -> float | None:
        entry = self._entry(key)
        if entry is None:
            raise KeyError(key)
        return None if entry.end_ms is None else left_s(entry.end_ms)

    def purge(self) -> int:
        return sum(map(self._directory.drop_if_over, self._directory.digests()))

    def close(self) -> None:
        self._directory.close()

    # Keys and files

    def _entry(self, key: object) -> Entry | None:
        return self._directory.read(digest_of(_encode(key)))

    def _names(self) -> Iterator[bytes]:
        for digest in self._directory.digests():
            entry = self._directory.read(digest, value=False)
            if entry is not None:
                yield entry.name


def _new(key: object, value: Any, expires_s: float | None) -> tuple[str, Entry]:
    name = _encode(key)
    return digest_of(name), Entry(name, check_value(value), end_ms(expires_s))


def _encode(key: object) -> bytes:
    return check_key(key).encode("utf-8", "surrogatepass")


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")
