"""The scoreboard: one mapping in shared memory in which every process of the tree says how it is doing.

Owns the mapping: the rows (`row`), the totals of rows that were cleared, the master's own cells, and the doorbell that
wakes a sleeping master. The mapping outlives its writers, so what a worker was doing and had logged when it was killed
is still there. Knows nothing of processes beyond the numbers in the cells, and nothing of what an activity or a record
says. Made by the master before its first fork; read by everything that reports.

A worker may be in an attacker's hands, and can write to all of the mapping, other rows included. So nothing in it is
believed: numbers are read through `untrusted`, and what only the master writes and reads (its own cells, the totals)
is in the master's own memory. The mapping is sealed, so no process can make it smaller, which would kill every process
that touches the missing part.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import mmap
import os
from collections.abc import Mapping
from typing import Any

from ..descriptors import DescriptorHandoff
from .lane import lane_bytes
from .latency import BUCKETS, CLASSES
from .layout import (
    ACTIVITY_STRIDE,
    CACHE_LINE,
    CLOSED,
    COUNTERS,
    MASTER_CELLS,
    PAGE,
    QUEUE_ACTIVITIES,
    ROW_CELLS,
    SHARED_BYTES,
    SHARED_KEY_BYTES,
    Cell,
)
from .row import RingSizes, Row
from .untrusted import counts

__all__ = ["Scoreboard"]

_BELL_BYTES = 1 << 16
_MAX_TOTAL = 2**64 - 1


class Scoreboard:
    """The whole mapping.

    `rows` is the number of processes it holds at a time, `threads` the number of threads that each of them may have
    (see `Row.activities`), `ring_bytes` and `pool_ring_bytes` are the sizes of a row's two rings. The system takes
    memory only as it is touched.
    """

    master: memoryview[int]
    """The master's numbers, indexed by MasterCell; other processes see them as they were at their fork."""
    totals: memoryview[int]
    """Sums of what processes that have ended counted, indexed by Cell; only the master's are up to date."""
    totals_latency: memoryview[int]
    """Their latency counters, CLASSES x BUCKETS; only the master's are up to date."""

    def __init__(
        self,
        rows: int,
        threads: int,
        ring_bytes: int = 1 << 20,
        pool_ring_bytes: int = 1 << 18,
        *,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        """`kept` is for `adopt` only. Raises ValueError for a size below 1."""
        if rows < 1 or threads < 1 or ring_bytes < 1 or pool_ring_bytes < 1:
            sizes = f"{rows} rows, {threads} threads, {ring_bytes} and {pool_ring_bytes} bytes"
            raise ValueError(f"a scoreboard of {sizes}: at least 1 of each is wanted")
        self._sizes = (rows, threads, ring_bytes, pool_ring_bytes)
        self.threads = threads
        rings = RingSizes(ring_bytes, pool_ring_bytes)
        activities = threads + 2 + QUEUE_ACTIVITIES
        fixed_bytes = _round_up(ROW_CELLS * 8 + 2 * lane_bytes() + activities * ACTIVITY_STRIDE, PAGE)
        row_bytes = _round_up(fixed_bytes + sum(rings), PAGE)
        head_bytes = _round_up(CACHE_LINE + rows * 8, PAGE)
        shared_start = head_bytes + rows * row_bytes
        size = shared_start + SHARED_BYTES
        self.memory_fd = _shared_memory(size) if kept is None else int(kept["memory"])
        """Descriptor of the mapping, by which it is kept through an exec; -1 where the system has no such thing."""
        mapping = mmap.mmap(self.memory_fd, size) if self.memory_fd >= 0 else mmap.mmap(-1, size)
        memory: memoryview[int] = memoryview(mapping)
        self.asleep = memory[0:8].cast("Q")
        """[0] is 1 while the master sleeps and has to be woken by the doorbell."""
        self.load = memory[CACHE_LINE : CACHE_LINE + rows * 8].cast("Q")
        """One cell a row: its open connections, or CLOSED while its process accepts none."""
        self.shared = memory[shared_start:]
        """SHARED_BYTES for what the workers of all generations share; the master leaves them alone. At first all is
        zero but for the key at the beginning."""
        own = (MASTER_CELLS, ROW_CELLS, CLASSES * BUCKETS)
        self.master, self.totals, self.totals_latency = (memoryview(bytearray(8 * cells)).cast("Q") for cells in own)
        if kept is not None:
            for part, numbers in zip((self.master, self.totals, self.totals_latency), kept["own"], strict=True):
                part[:] = memoryview(array.array("Q", numbers))
        bells: tuple[int, int] = _doorbell() if kept is None else tuple(kept["doorbell"])
        self.doorbell, self.doorbell_reader = bells
        self.rows = [
            Row(index, memory[start : start + row_bytes], activities, rings, self.ring)
            for index, start in enumerate(range(head_bytes, shared_start, row_bytes))
        ]
        if kept is None:
            self.shared[:SHARED_KEY_BYTES] = os.urandom(SHARED_KEY_BYTES)
            for index in range(rows):
                self.load[index] = CLOSED

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any]:
        """Return the scoreboard as JSON data for the program that replaces the master's (upgrade); the descriptor of
        the memory is handed over too."""
        doorbell = [handoff.keep(descriptor) for descriptor in (self.doorbell, self.doorbell_reader)]
        own = [part.tolist() for part in (self.master, self.totals, self.totals_latency)]
        return {"sizes": self._sizes, "memory": handoff.keep(self.memory_fd), "doorbell": doorbell, "own": own}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Scoreboard:
        """Return the scoreboard that `keep` described, with everything in it (called in the new program)."""
        return cls(*state["sizes"], kept=state)

    def wake(self) -> None:
        """Ring the doorbell if the master sleeps (from any process)."""
        if self.asleep[0]:
            self.ring()

    def ring(self) -> None:
        """Ring the doorbell: wake the master (from any process)."""
        with contextlib.suppress(BlockingIOError):  # the pipe is full, so it rings already
            os.write(self.doorbell, b"!")

    def silence(self) -> None:
        """Empty the doorbell's pipe, so that it can ring again (in the master)."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.doorbell_reader, _BELL_BYTES)  # one read: a process may ring without end

    def retire(self, row: Row) -> None:
        """Add what a dead process counted to the totals, and clear its row (in the master, when its rings are
        empty)."""
        waits = row.lead.waits + row.pool.waits
        dropped = row.lead.dropped + row.pool.dropped
        beside = {Cell.LOG_WAITS: waits, Cell.LOG_DROPPED: dropped}
        for cell in COUNTERS:
            number = row.count(cell) + beside.get(cell, 0)
            self.totals[cell] = min(self.totals[cell] + number, _MAX_TOTAL)
        for latency in (row.lead.latency, row.pool.latency):
            for index, number in enumerate(counts(latency)):
                if number:
                    self.totals_latency[index] = min(self.totals_latency[index] + number, _MAX_TOTAL)
        self.load[row.index] = CLOSED
        row.reset()

    def abandon(self) -> None:
        """Close the descriptors that only the master needs (in a forked child)."""
        for descriptor in {self.memory_fd, self.doorbell_reader} - {-1}:
            os.close(descriptor)
        self.memory_fd = self.doorbell_reader = -1

    def close(self) -> None:
        """Close all descriptors (the mapping itself goes with its last process)."""
        for descriptor in {self.doorbell, self.doorbell_reader, self.memory_fd} - {-1}:
            os.close(descriptor)
        self.doorbell = self.doorbell_reader = self.memory_fd = -1


def _round_up(value: int, step: int) -> int:
    return (value + step - 1) // step * step


def _shared_memory(size: int) -> int:
    """Return the descriptor of a sealed memory file of `size` bytes, -1 where that cannot be made."""
    if not hasattr(os, "memfd_create"):
        return -1
    try:
        descriptor = os.memfd_create("supervisor-scoreboard", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:  # a sandbox forbids it: an anonymous mapping does all but an upgrade in place
        return -1
    try:
        os.ftruncate(descriptor, size)
        # any process could change the size otherwise: mmap.mmap keeps a descriptor in each of them
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:  # without seals an anonymous mapping is safer
        os.close(descriptor)
        return -1
    return descriptor


def _doorbell() -> tuple[int, int]:
    """Return a pipe as (descriptor to write to, descriptor to read from).

    A pipe and not an eventfd: only the master must hold the end that is read, as a process that holds it could empty
    it, or make reading block.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return writer, reader
