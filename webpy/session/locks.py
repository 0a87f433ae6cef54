"""Lets one request at a time have a session on one machine, by a lock file beside the store, or by locks in memory.

Owns the file. Knows no sessions and no stores: a name is a str. Offers `hold`, as `leases` does for stores on servers.
The kernel frees the POSIX locks of a killed worker at once (see `webpy.framework.atomic`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial
from typing import Protocol

from ..atfork import ForkSafeLock
from ..framework.atomic import ResourceLocks
from ..store import StoreError

__all__ = ["FileLocks", "Locks", "MemoryLocks"]


class Locks(Protocol):
    """A lock for each name, which one thread of all processes holds at a time."""

    def hold(self, name: str, timeout_s: float) -> Callable[[], None]:
        """Wait for the lock of `name`; return the function that frees it. Raises TimeoutError, StoreError."""
        ...


class MemoryLocks:
    """Locks for the threads of this process, and of processes forked from it."""

    def __init__(self) -> None:
        self._locks = ResourceLocks()

    def hold(self, name: str, timeout_s: float) -> Callable[[], None]:
        """Do what `Locks.hold` does."""
        return partial(self._locks.release, self._locks.acquire(name, True, timeout_s))


class FileLocks:
    """Locks for all processes that use the same file, which is made at the first use, with mode 600, and stays."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._locks: ResourceLocks | None = None

    def hold(self, name: str, timeout_s: float) -> Callable[[], None]:
        """Do what `Locks.hold` does; raises StoreError for a bad lock file."""
        locks = self._locks
        if locks is None:
            locks = self._locks = _open(self._path)
        return partial(locks.release, locks.acquire(name, True, timeout_s))


# One for each file, by its inode: closing a descriptor would free all locks of the process on its file, and with two
# ResourceLocks on one file two threads could hold the same lock. So none is ever closed.
_OPEN: dict[tuple[int, int], ResourceLocks] = {}
_opening = ForkSafeLock()


def _open(path: str) -> ResourceLocks:
    """Return the locks of the file at `path`, which is made if it does not exist. Raises StoreError."""
    with _opening:
        try:
            there = os.lstat(path)
            known = _OPEN.get((there.st_dev, there.st_ino))
            if known is not None:
                return known
        except FileNotFoundError:
            pass
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"lock file {path!r}: {error.strerror}") from error
        opened = os.fstat(fd)
        if not stat.S_ISREG(opened.st_mode):
            os.close(fd)
            raise StoreError(f"lock file {path!r}: wanted a regular file, found {stat.filemode(opened.st_mode)}")
        return _OPEN.setdefault((opened.st_dev, opened.st_ino), ResourceLocks(fd=fd))
