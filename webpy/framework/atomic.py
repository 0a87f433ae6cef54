"""One writer or many readers of a resource at a time, across all workers: the locks behind `atomic = True`.

Owns the locks and the waiting for them. Knows no handler and no request: a resource is a str. The worker takes a lock
around each atomic handler. One `ResourceLocks` is made before the first fork, in the master, so that the workers of
all generations share it.

A resource is two bytes, at an offset hashed from its name, in an unlinked file that every worker inherits. They are
locked with POSIX record locks, which belong to processes: the kernel frees them when a process is killed, and a forked
child does not have them. Which threads of this process hold what is kept in a table. The second byte is the resource
itself, locked shared or exclusively. The first is a turnstile: readers pass it on the way to the second, and a waiting
writer holds it, so that ever new readers cannot starve a writer. Two names with the same hash (62 bits) exclude each
other without need; nothing worse happens.

POSIX locks cannot be waited for with a timeout. So the threads of a process that wait for a resource queue up, and only
the first tries again: when another thread of the process has released it, or after a nap that gets longer with the time
waited.

Without contention, taking and releasing a lock costs 3.5 µs, exclusive or shared (timeit, CPython 3.11, a shared
2-core VM). Writers that sleep 0.2 ms while they hold one resource make 3,000 changes/s, be they 8 threads of one
process or 32 of four.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import random
import tempfile
import threading
import time
from types import TracebackType

from ..atfork import AtFork

__all__ = ["Held", "ResourceLocks"]

_SHORTEST_NAP_S = 0.00005
_LONGEST_NAP_S = 0.005


class ResourceLocks(AtFork):
    """Locks on names. Make it before forking: parent and children then exclude each other, and so do their threads.

    timeout_s: the longest wait. fd: the file of an earlier `ResourceLocks` (its `fileno()`), for a program that has
    replaced itself. Not reentrant: a thread that asks for a lock it holds waits until the timeout.
    """

    def __init__(self, *, timeout_s: float = 30.0, fd: int | None = None) -> None:
        self.timeout_s = timeout_s
        self._fd = _lock_file() if fd is None else fd
        self._mutex = threading.Lock()
        self._table: dict[int, _Resource] = {}
        super().__init__()

    def fileno(self) -> int:
        return self._fd

    def read(self, key: str) -> _Guard:
        """Return a context manager that holds the resource as a reader: beside other readers, but no writer."""
        return _Guard(self, key, False)

    def write(self, key: str) -> _Guard:
        """Return a context manager that holds the resource as a writer: alone."""
        return _Guard(self, key, True)

    def acquire(self, key: str, exclusive: bool, timeout_s: float | None = None) -> Held:
        """Wait for the lock and take it. Pass the result to `release`, in any thread of this process.

        timeout_s: the longest wait; None for that of all locks. Raises TimeoutError, naming the key.
        """
        if timeout_s is None:
            timeout_s = self.timeout_s
        offset = _offset(key)
        with self._mutex:
            table = self._table
            resource = table.get(offset)
            if resource is None:
                resource = table[offset] = _Resource(offset)
            resource.users += 1
            if not resource.waiting and self._try(resource, exclusive):
                return Held(table, resource, exclusive)
            queue = resource.queue = resource.queue or _Queue(self._mutex)
            resource.waiting += 1
        taken = False
        try:
            taken = self._wait(resource, queue, exclusive, timeout_s)
        finally:
            with self._mutex:
                resource.waiting -= 1
                if not taken:
                    self._drop(table, resource)
        if not taken:
            use = "writing" if exclusive else "reading"
            raise TimeoutError(f"resource {key!r}: not free for {use} within {timeout_s} s")
        return Held(table, resource, exclusive)

    def release(self, held: Held) -> None:
        """Release the lock. Does nothing in a child that was forked meanwhile, as it does not hold the lock.

        Raises ValueError if the lock has been released already.
        """
        table, resource = held._table, held._resource
        with self._mutex:
            if held._table is None:
                raise ValueError("this lock has been released already")
            held._table = None
            if table is not self._table:
                return
            if held.exclusive:
                resource.written = False
            else:
                resource.readers -= 1
            if not resource.readers:
                fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, resource.offset + 1)
            if resource.queue is not None:
                resource.queue.freed.notify()
            self._drop(self._table, resource)

    def _drop(self, table: dict[int, _Resource], resource: _Resource) -> None:
        resource.users -= 1
        if not resource.users:
            del table[resource.offset]

    def _wait(self, resource: _Resource, queue: _Queue, exclusive: bool, timeout_s: float) -> bool:
        """Wait for the lock; return whether it was taken before the timeout."""
        start = time.monotonic()
        if not queue.turn.acquire(timeout=timeout_s):
            return False
        try:
            with self._mutex:
                napping_since = start
                try:
                    while not self._try(resource, exclusive):
                        now = time.monotonic()
                        if now - start >= timeout_s:
                            return False
                        if resource.next and napping_since == start:
                            napping_since = now  # all that is left to wait for is those inside
                        nap_s = min(max((now - napping_since) / 4, _SHORTEST_NAP_S), _LONGEST_NAP_S)
                        queue.freed.wait(nap_s * random.uniform(0.5, 1.0))
                    return True
                finally:
                    if resource.next:
                        self._leave_turnstile(resource)
        finally:
            queue.turn.release()

    def _try(self, resource: _Resource, exclusive: bool) -> bool:
        """Try to take the lock, and return whether it was taken. The caller holds the mutex.

        After a failure a writer may hold the turnstile: then `resource.next` is True.
        """
        # Locks of one process never conflict in the kernel: the table must keep its threads apart
        kept_apart = not resource.written and not (exclusive and resource.readers)
        if kept_apart and self._lock(fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, resource.offset, 2):
            self._leave_turnstile(resource)
            if exclusive:
                resource.written = True
            else:
                resource.readers += 1
            return True
        if exclusive and not resource.next:
            resource.next = self._lock(fcntl.LOCK_EX, resource.offset, 1)
        return False

    def _leave_turnstile(self, resource: _Resource) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, resource.offset)
        resource.next = False

    def _lock(self, kind: int, offset: int, length_bytes: int) -> bool:
        try:
            fcntl.lockf(self._fd, kind | fcntl.LOCK_NB, length_bytes, offset)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: POSIX leaves the choice to the system
            return False
        return True

    def after_fork_in_child(self) -> None:
        """The child holds none of the locks."""
        self._mutex = threading.Lock()
        self._table = {}


class Held:
    """A lock that is held: `acquire` returns it, `release` takes it."""

    __slots__ = ("_resource", "_table", "exclusive")

    def __init__(self, table: dict[int, _Resource], resource: _Resource, exclusive: bool) -> None:
        self._table: dict[int, _Resource] | None = table
        self._resource = resource
        self.exclusive = exclusive


class _Resource:
    """A resource that threads of this process hold or wait for. Changed only while the mutex is held."""

    __slots__ = ("next", "offset", "queue", "readers", "users", "waiting", "written")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.users = 0  # threads that hold it or wait for it; at 0 it leaves the table
        self.waiting = 0
        self.readers = 0
        self.written = False
        self.next = False  # a writer of this process holds the turnstile, and is next
        self.queue: _Queue | None = None  # made when the first has to wait


class _Queue:
    """Where the threads of this process wait for a resource."""

    __slots__ = ("freed", "turn")

    def __init__(self, mutex: threading.Lock) -> None:
        self.turn = threading.Lock()  # held by the first in the queue
        self.freed = threading.Condition(mutex)  # the first waits on it


class _Guard:
    """The context manager that takes and releases a lock."""

    __slots__ = ("_exclusive", "_held", "_key", "_locks")

    def __init__(self, locks: ResourceLocks, key: str, exclusive: bool) -> None:
        self._locks = locks
        self._key = key
        self._exclusive = exclusive

    def __enter__(self) -> None:
        self._held = self._locks.acquire(self._key, self._exclusive)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._locks.release(self._held)


@functools.lru_cache(4096)
def _offset(key: str) -> int:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 2 << 1


def _lock_file() -> int:
    """Return the descriptor of a new file without a name. Nothing is written to it; the locks are past its end."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("webpy-atomic")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
