"""This process's connections to an SQLite store: lent to one operation at a time, closed before a fork.

Owns waiting, errors and forks. Knows no statements, and leaves the file to `sqlitefile`. `sqlite` calls it, from any
thread.

An operation borrows an idle connection or opens one, so there are as many as operations ever ran at once, none belongs
to a thread, and readers do not wait. Writers of one process queue for a lock; those of different processes try again in
short steps, because SQLite's own waiting starts at 1 ms and grows to 100 ms, while a write locks the file for 20 µs. No
connection crosses a fork, as SQLite demands: idle ones are closed before it, and the child opens its own.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from ..atfork import AtFork
from .base import StoreError, StoreTimeout
from .sqlitefile import check, connect

__all__ = ["Connections", "T", "Work"]

T = TypeVar("T")
Work: TypeAlias = Callable[[sqlite3.Connection], T]

_FIRST_NAP_S = 0.00005
_MAX_NAP_S = 0.002


class Connections(AtFork):
    """Lends connections to `path`, an absolute path.

    Raises, when made and when used: FileNotFoundError if the directory does not exist, StoreError if the file is a link
    or not a store.
    """

    def __init__(self, path: str, *, timeout_s: float, durable: bool) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self.durable = durable
        self._idle: list[sqlite3.Connection] = []
        self._lent = 0
        self._resting = False  # a fork is under way
        self._broken = False
        self._closed = False
        self._guard = threading.Lock()  # of the five above
        self._changed = threading.Condition(self._guard)
        self._writing = threading.Lock()
        check(path)
        weakref.finalize(self, _close_each, self._idle)  # for a store that is never closed
        super().__init__()

    def run(self, work: Work[T]) -> T:
        """Run `work` on a connection that it has alone, again and again while the file is busy; return its result.

        Raises StoreTimeout after `timeout_s`, StoreError, and ValueError after `close`.
        """
        return self._run(work, time.monotonic() + self.timeout_s)

    def run_alone(self, work: Work[T]) -> T:
        """Do what `run` does, while no other thread of this process writes."""
        deadline = time.monotonic() + self.timeout_s
        lock = self._writing
        if not lock.acquire(timeout=max(self.timeout_s, 0.0)):
            raise self._timeout()
        try:
            return self._run(work, deadline)
        finally:
            lock.release()

    def close(self) -> None:
        """Close all connections; those that are in use, once they are given back."""
        with self._guard:
            self._closed = True
            _close_each(self._idle)

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
            nap_s = min(nap_s * 2, _MAX_NAP_S)

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
        with self._guard:
            while self._resting:
                self._changed.wait()
            if self._closed:
                raise ValueError(f"store {self.path!r} is closed")
            if self._broken:
                raise StoreError(f"store {self.path!r}: this process was forked in the middle of a write")
            self._lent += 1
            if self._idle:
                return self._idle.pop()
        try:
            return connect(self.path, durable=self.durable)
        except BaseException:
            self._give_back(None)
            raise

    def _give_back(self, connection: sqlite3.Connection | None) -> None:
        with self._guard:
            self._lent -= 1
            if connection is not None:
                self._idle.append(connection)
            if self._resting:
                self._changed.notify_all()
            if self._closed:
                _close_each(self._idle)

    # SQLite keeps what its connections have locked in the process's own memory: a copy of it in a child would say that
    # locks are held which are not. So a fork waits until no connection is in use, and closes them all.

    def before_fork(self) -> None:
        """Wait, at most `timeout_s`, until no connection is lent; none is lent until the fork is over."""
        self._guard.acquire()
        self._resting = True
        self._changed.wait_for(lambda: self._lent == 0, self.timeout_s)
        _close_each(self._idle)

    def after_fork_in_parent(self) -> None:
        """Lend connections again."""
        self._resting = False
        self._changed.notify_all()
        self._guard.release()

    def after_fork_in_child(self) -> None:
        """Lend connections of the child's own; none at all if one of the parent's was in use at the fork."""
        self._broken = self._broken or self._lent > 0 or bool(self._idle)
        self._lent = 0
        self._resting = False
        self._guard = threading.Lock()
        self._changed = threading.Condition(self._guard)
        self._writing = threading.Lock()

    def _timeout(self) -> StoreTimeout:
        return StoreTimeout(f"store {self.path!r}: kept busy by others for {self.timeout_s} s")


# PROTOCOL: too many processes tried to get the WAL's locks at once
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def _is_busy(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


def _close_each(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()
