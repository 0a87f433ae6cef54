"""This process's connections to an SQLite store: lent to one operation at a time, closed before a fork.

Owns the file (mode, WAL, layout), waiting, and errors. Knows no statement of the store's but its table.
`sqlite` calls it.

An operation borrows an idle connection or opens one, so there are as many as operations ever ran at once,
threads come and go without a trace, and readers wait for nobody. Writers of one process queue for a lock;
those of different processes try again in short steps, because SQLite's own waiting starts at 1 ms and grows
to 100 ms, where a write holds the file for 20 µs. No connection crosses a fork, as SQLite demands: idle ones
are closed before it, and the child opens its own.
"""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import threading
import time
import weakref
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from .base import StoreError, StoreTimeout

__all__ = ["Connections", "T", "Work"]

T = TypeVar("T")
Work: TypeAlias = Callable[[sqlite3.Connection], T]

_APPLICATION_ID = 0x77627079  # "wbpy": how a file says it is ours, and file(1) may
_LAYOUT = 1  # user_version: the layout of the table below
_TABLE = "CREATE TABLE webpy_store (key BLOB PRIMARY KEY, value BLOB NOT NULL)"
_WAL_KEPT_BYTES = 64 << 20  # what a burst may leave behind in the -wal file

_FIRST_NAP_S = 0.00005
_LONGEST_NAP_S = 0.002


class Connections:
    """Lends connections to `path`, an absolute path. Raises, when made and when used: FileNotFoundError where
    the directory does not exist, StoreError where the file is a link or no store."""

    def __init__(self, path: str, *, timeout_s: float, durable: bool) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self.durable = durable
        self._idle: list[sqlite3.Connection] = []
        self._lent = 0
        self._resting = False  # a fork is under way
        self._broken = False
        self._closed = False
        self._changed = threading.Condition()  # guards the five above
        self._writing = threading.Lock()
        self._look()
        _EVERY[id(self)] = self

    def run(self, work: Work[T]) -> T:
        """`work` on a connection of its own; again, in short steps, while the file is busy."""
        return self._run(work, time.monotonic() + self.timeout_s)

    def run_alone(self, work: Work[T]) -> T:
        """As `run`, and alone among the writers of this process."""
        deadline = time.monotonic() + self.timeout_s
        lock = self._writing
        if not lock.acquire(timeout=max(self.timeout_s, 0.0)):
            raise self._timeout()
        try:
            return self._run(work, deadline)
        finally:
            lock.release()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._close_idle()

    def _run(self, work: Work[T], deadline: float) -> T:
        nap_s = _FIRST_NAP_S
        while True:
            try:
                return self._once(work)
            except sqlite3.Error as error:
                if not _is_busy(error):
                    raise StoreError(f"store {self.path!r}: {error}") from error
                if time.monotonic() >= deadline:
                    raise self._timeout() from error
            time.sleep(nap_s * random.uniform(0.5, 1.5))
            nap_s = min(nap_s * 2, _LONGEST_NAP_S)

    def _once(self, work: Work[T]) -> T:
        connection = self._borrow()
        try:
            result = work(connection)
        except BaseException as error:
            sound = _is_busy(error) or not isinstance(error, sqlite3.Error)
            try:
                if not sound:
                    connection.close()
                elif connection.in_transaction:
                    connection.rollback()
            finally:
                self._give_back(connection if sound else None)
            raise
        self._give_back(connection)
        return result

    def _borrow(self) -> sqlite3.Connection:
        with self._changed:
            while self._resting:
                self._changed.wait()
            if self._closed:
                raise ValueError(f"store {self.path!r} is closed")
            if self._broken:
                raise StoreError(f"store {self.path!r}: this process was forked in the middle of a write to it")
            self._lent += 1
            if self._idle:
                return self._idle.pop()
        try:
            return self._connect()
        except BaseException:
            self._give_back(None)
            raise

    def _give_back(self, connection: sqlite3.Connection | None) -> None:
        with self._changed:
            self._lent -= 1
            if connection is not None:
                self._idle.append(connection)
            if self._resting:
                self._changed.notify_all()
            if self._closed:
                self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _rest(self) -> None:
        """Before a fork: waits until nothing is lent, for as long as for anything; nothing will be until `_resume`."""
        self._changed.acquire()
        self._resting = True
        self._changed.wait_for(lambda: self._lent == 0, self.timeout_s)
        self._close_idle()

    def _resume(self) -> None:
        self._resting = False
        self._changed.notify_all()
        self._changed.release()

    def _start_anew(self) -> None:
        """In a forked child, where no other thread is."""
        self._broken = self._broken or self._lent > 0 or bool(self._idle)
        self._lent = 0
        self._resting = False
        self._changed = threading.Condition()
        self._writing = threading.Lock()

    def _timeout(self) -> StoreTimeout:
        return StoreTimeout(f"store {self.path!r}: kept busy by others for {self.timeout_s} s")

    def _look(self) -> None:
        """Never opens the file: closing it again would drop this process's locks on it, SQLite's (POSIX)."""
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"store {self.path!r}: there is no directory {folder!r}")
        try:
            mode = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISLNK(mode):
            raise StoreError(f"store {self.path!r}: is a symbolic link; wanted a regular file")
        if not stat.S_ISREG(mode):
            raise StoreError(f"store {self.path!r}: wanted a regular file, found mode {stat.filemode(mode)}")

    def _connect(self) -> sqlite3.Connection:
        with _CREATING:
            self._look()
            try:  # SQLite gives the -wal and -shm files the same mode
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
            except FileExistsError:
                pass
            except OSError as error:
                raise StoreError(f"store {self.path!r}: {error.strerror}") from error
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if _marks(connection) == (0, 0):
            connection.execute("BEGIN IMMEDIATE")
            if _marks(connection) == (0, 0):
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise StoreError(f"store {self.path!r}: is another program's; wanted a store or no file")
                connection.execute(_TABLE)
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {_LAYOUT}")
            connection.execute("COMMIT")
        if (found := _marks(connection)) != (wanted := (_APPLICATION_ID, _LAYOUT)):
            raise StoreError(f"store {self.path!r}: has application id and version {found}; wanted {wanted}")
        (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if journal != "wal":
            raise StoreError(f"store {self.path!r}: got journal mode {journal!r}; wanted 'wal'")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self.durable else 'NORMAL'}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")


# PROTOCOL: too many processes raced for the WAL's locks
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def _is_busy(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    return application, layout


# SQLite keeps what its connections have locked in the process's own memory: a copy of it in a child would say that
# locks are held which are not. So a fork waits until none is in use, and closes them all.

_EVERY: weakref.WeakValueDictionary[int, Connections] = weakref.WeakValueDictionary()
_CREATING = threading.Lock()
_FORKING = threading.Lock()
_at_rest: list[Connections] = []


def _before_fork() -> None:
    _FORKING.acquire()
    for connections in list(_EVERY.values()):
        connections._rest()
        _at_rest.append(connections)


def _after_fork_in_parent() -> None:
    while _at_rest:
        _at_rest.pop()._resume()
    _FORKING.release()


def _after_fork_in_child() -> None:
    global _CREATING, _FORKING
    _CREATING = threading.Lock()
    _FORKING = threading.Lock()
    _at_rest.clear()
    for connections in list(_EVERY.values()):
        connections._start_anew()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
