"""The scoreboard: one mapping in shared memory in which every process of the tree says how it is doing.

Owns the layout: rows (one a process, with a single writer each and no locks), the totals of rows that were
cleared, the master's own cells, and the doorbell that wakes a sleeping master. It outlives whoever wrote in
it, so what a worker was doing and had logged when it was killed is still there. Knows nothing of processes
beyond the numbers in the cells, and nothing of what a line or a record says. Made by the master before its
first fork; read by anything that reports.

A worker may be in an attacker's hands, and it can write to all of the mapping, other rows among it. So nothing
there is believed: numbers are read by way of `strangers`, and what only the master writes and reads (its own
cells, the totals) is in its own memory. The mapping is sealed: nobody can make it smaller,
which would kill whoever touches what is missing.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import mmap
import os
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from .lane import Lane, lane_bytes
from .latency import BUCKETS, CLASSES
from .untrusted import count, counts, moment

if TYPE_CHECKING:
    from ..upgrade.handoff import Handoff

__all__ = [
    "CLOSED",
    "LINE_BYTES",
    "QUEUE_LINES",
    "SENDING",
    "Cell",
    "Line",
    "MasterCell",
    "Row",
    "Scoreboard",
    "layout",
]

CLOSED = 2**64 - 1
"""In `Scoreboard.load`: the process of that row does not accept connections."""

LINE_BYTES = 232
"""Size of a line's text; the writer always assigns all of it."""

QUEUE_LINES = 128
"""Lines of a row beside those of its threads, for work that no thread does: it waits for one, or is being sent."""

SENDING = 1
"""In `Line.ident`, while no thread does the work: it waits for its peer, to send or to take what is sent."""

_PAGE = mmap.PAGESIZE
_CACHE_LINE = 64
_LINE_STRIDE = 256
_ROW_CELLS = 64
_MASTER_CELLS = 64
_BELL_BYTES = 1 << 16
_MOST_TOTAL = 2**64 - 1


class Cell(IntEnum):
    """The numbers of a row. The supervisor writes those up to READY_NS and MEMORY_BYTES, the row's process the
    others."""

    PID = 0
    GENERATION = 1
    SLOT = 2
    STATE = 3  # a ChildState's value, as the master has it
    STARTED_NS = 4  # time.monotonic_ns() of the fork
    READY_NS = 5  # and of READY, 0 before
    DEATH_NS = 6  # and of the death of the worker before it in its slot, 0 if none died by itself
    HEARTBEAT_NS = 8  # time.monotonic_ns(), written by the worker's loop as it goes round
    CONNECTIONS = 9
    THREADS = 10
    BUSY_THREADS = 11
    QUEUED = 12
    MEMORY_BYTES = 13  # what the process does not share, 0 if that was not measured yet
    ACCEPTED = 16  # from here on counters, which Scoreboard.retire carries over into the totals
    CLOSED_IDLE = 17
    BYTES_SENT = 18
    BYTES_RECEIVED = 19
    REQUESTS = 20
    TIMEOUTS = 21
    HANDED_OVER = 22
    FAILURES = 23
    LOG_WAITS = 24
    LOG_DROPPED = 25
    CLOSED_FOR_NEW = 30  # idle connections that made way for new ones
    REFUSED = 31  # connections of clients that had as many as they may


_COUNTERS = tuple(cell for cell in Cell if cell >= Cell.ACCEPTED)


class MasterCell(IntEnum):
    """The numbers of the master, in `Scoreboard.master`."""

    PID = 0
    GENERATION = 1
    WORKERS = 2  # as wanted
    STARTED_NS = 3  # time.monotonic_ns()
    STOPPING = 4
    RELOADS = 5
    RELOADS_FAILED = 6
    DEATHS = 7
    KILLED_REQUESTS = 8
    LOG_BYTES = 9
    LOG_STALLS = 10  # writes to the access log that failed and were tried again
    STARTED_AT_S = 12  # Unix time


class Line:
    """One piece of work of a process: when it began, a text about it, and the thread that does it, if one does."""

    __slots__ = ("ident", "start", "text", "thread")

    start: memoryview[float]
    """[0]: time.monotonic() when the work began, 0.0 while idle. Written after the text, cleared at the
    end."""
    text: memoryview[int]
    """LINE_BYTES bytes, padded with NUL; the writer assigns all of it at once."""
    thread: memoryview[int]
    """[0]: threading.get_native_id() of the thread that does the work; 0 while none does: it waits for one, or
    the loop sends."""
    ident: memoryview[int]
    """[0]: that thread's threading.get_ident(), which is how a dump of stacks names it; 0 if the work moves on from
    time to time, and `start` says when it last did. Where no thread does the work, 0 says that it waits for one, and
    SENDING that it waits for its peer."""

    def __init__(self, memory: memoryview[int]) -> None:
        self.start = memory[0:8].cast("d")
        self.thread = memory[8:16].cast("Q")
        self.ident = memory[16:24].cast("Q")
        self.text = memory[24 : 24 + LINE_BYTES]


class Row:
    """One process's part of the scoreboard."""

    __slots__ = ("_lines", "_lines_memory", "cells", "index", "lead", "pool")

    index: int
    cells: memoryview[int]
    """Numbers, indexed by Cell."""
    lead: Lane
    """For the thread that leads the loop."""
    pool: Lane
    """For all other threads, under a lock of the worker's own."""

    def __init__(
        self, scoreboard: Scoreboard, index: int, memory: memoryview[int], lines: int, ring_bytes: int
    ) -> None:
        cells_end = _ROW_CELLS * 8
        lead_end = cells_end + lane_bytes()
        pool_end = lead_end + lane_bytes()
        rings = len(memory) - scoreboard.rings_bytes
        self.index = index
        self.cells = memory[:cells_end].cast("Q")
        self.lead = Lane(scoreboard, memory[cells_end:lead_end], memory[rings : rings + ring_bytes])
        self.pool = Lane(scoreboard, memory[lead_end:pool_end], memory[rings + ring_bytes :])
        self._lines_memory = memory[pool_end : pool_end + lines * _LINE_STRIDE]
        self._lines: list[Line] | None = None

    def attach(self, channel: int, *, waits: bool = False) -> None:
        """Make this process the row's writer; `channel` is its descriptor to the master, waits: see Lane.attach (in
        the worker, once)."""
        self.lead.attach(channel, waits=waits)
        self.pool.attach(channel, waits=waits)

    @property
    def lines(self) -> list[Line]:
        """One for each thread the scoreboard was made for, two more, and QUEUE_LINES."""
        if self._lines is None:  # a process looks at few rows' lines, so they are not made for all of them
            memory = self._lines_memory
            starts = range(0, len(memory), _LINE_STRIDE)
            self._lines = [Line(memory[start : start + _LINE_STRIDE]) for start in starts]
        return self._lines

    def starts(self) -> Sequence[float]:
        """Give `start[0]` of every line; 0.0 for what is no time that has come."""
        times = self._lines_memory.cast("d")[:: _LINE_STRIDE // 8].tolist()
        return [moment(time) if time else 0.0 for time in times]

    @property
    def pending_bytes(self) -> int:
        """Bytes of records that the master has not taken out yet."""
        return self.lead.pending_bytes + self.pool.pending_bytes

    def count(self, cell: Cell) -> int:
        """Give a number of the row's; 0 if it cannot be one."""
        return count(self.cells[cell])

    @property
    def answered(self) -> bool:
        """Whether its process has answered anything, as the latencies say."""
        return any(self.lead.latency) or any(self.pool.latency)

    @property
    def dropped(self) -> int:
        """Records that found no room in the rings, or were given up with them."""
        return self.count(Cell.LOG_DROPPED) + self.lead.dropped + self.pool.dropped

    def give_up(self) -> None:
        """Drop the records that wait in the rings, and count them (in the master, when the row's process is dead)."""
        self.cells[Cell.LOG_DROPPED] = self.count(Cell.LOG_DROPPED) + self.lead.give_up() + self.pool.give_up()

    def reset(self) -> None:
        """Clear everything for the next process (in the master, when both rings are empty)."""
        self.cells[:] = memoryview(bytes(self.cells.nbytes)).cast("Q")
        self.lead.reset()
        self.pool.reset()
        self._lines_memory[:] = bytes(len(self._lines_memory))


class Scoreboard:
    """The whole mapping.

    `rows` is how many processes it holds at a time, `threads` how many threads each of them may have (see
    `Row.lines`), `ring_bytes` and `pool_ring_bytes` the sizes of a row's two rings. Memory is only
    taken as it is touched.
    """

    master: memoryview[int]
    """The master's numbers, indexed by MasterCell; other processes have them as they were at the fork."""
    totals: memoryview[int]
    """What processes that are gone counted, indexed by Cell; the master's alone too."""
    totals_latency: memoryview[int]
    """Their latencies, CLASSES x BUCKETS; the master's alone too."""

    def __init__(
        self,
        rows: int,
        threads: int,
        ring_bytes: int = 1 << 20,
        pool_ring_bytes: int = 1 << 18,
        *,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        """kept: see `adopt`."""
        if rows < 1 or threads < 1 or ring_bytes < 1 or pool_ring_bytes < 1:
            sizes = f"{rows} rows, {threads} threads, {ring_bytes} and {pool_ring_bytes} bytes"
            raise ValueError(f"a scoreboard of {sizes}: at least 1 of each is wanted")
        self._sizes = (rows, threads, ring_bytes, pool_ring_bytes)
        self.threads = threads
        self.rings_bytes = ring_bytes + pool_ring_bytes
        lines = threads + 2 + QUEUE_LINES
        fixed_bytes = _round_up(_ROW_CELLS * 8 + 2 * lane_bytes() + lines * _LINE_STRIDE, _PAGE)
        row_bytes = _round_up(fixed_bytes + self.rings_bytes, _PAGE)
        head_bytes = _round_up(_CACHE_LINE + rows * 8, _PAGE)
        size = head_bytes + rows * row_bytes
        self.memory_fd = _shared_memory(size) if kept is None else int(kept["memory"])
        """Descriptor of the mapping, so that it can be kept through an exec; -1 where the system has none."""
        mapping = mmap.mmap(self.memory_fd, size) if self.memory_fd >= 0 else mmap.mmap(-1, size)
        memory: memoryview[int] = memoryview(mapping)
        self.asleep = memory[0:8].cast("Q")
        """[0] is 1 while the master sleeps and wants the doorbell."""
        self.load = memory[_CACHE_LINE : _CACHE_LINE + rows * 8].cast("Q")
        """One cell a row: open connections, or CLOSED where that process does not accept."""
        own = (_MASTER_CELLS, _ROW_CELLS, CLASSES * BUCKETS)
        self.master, self.totals, self.totals_latency = (memoryview(bytearray(8 * cells)).cast("Q") for cells in own)
        if kept is not None:
            for part, numbers in zip((self.master, self.totals, self.totals_latency), kept["own"], strict=True):
                part[:] = memoryview(array.array("Q", numbers))
        bells: tuple[int, int] = _doorbell() if kept is None else tuple(kept["doorbell"])
        self.doorbell, self.doorbell_reader = bells
        self.rows = [
            Row(self, index, memory[start : start + row_bytes], lines, ring_bytes)
            for index, start in enumerate(range(head_bytes, size, row_bytes))
        ]
        if kept is None:
            for index in range(rows):
                self.load[index] = CLOSED

    def keep(self, handoff: Handoff) -> dict[str, Any]:
        """Give it as JSON takes it, for the program that replaces the master's; the memory goes along."""
        doorbell = [handoff.keep(descriptor) for descriptor in (self.doorbell, self.doorbell_reader)]
        own = [part.tolist() for part in (self.master, self.totals, self.totals_latency)]
        return {"sizes": self._sizes, "memory": handoff.keep(self.memory_fd), "doorbell": doorbell, "own": own}

    @classmethod
    def adopt(cls, kept: Mapping[str, Any]) -> Scoreboard:
        """Take on what `keep` gave, with all that is in it."""
        return cls(*kept["sizes"], kept=kept)

    def wake(self) -> None:
        """Ring the doorbell if the master sleeps (any process)."""
        if self.asleep[0]:
            self.ring()

    def ring(self) -> None:
        """Ring the doorbell (any process)."""
        with contextlib.suppress(BlockingIOError):  # it has been ringing for long
            os.write(self.doorbell, b"!")

    def silence(self) -> None:
        """Take the doorbell's ringing (in the master)."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.doorbell_reader, _BELL_BYTES)  # once: somebody may be ringing without end

    def retire(self, row: Row) -> None:
        """Add what a dead process counted to the totals and clear its row (in the master, its rings being
        empty)."""
        waits = row.lead.waits + row.pool.waits
        dropped = row.lead.dropped + row.pool.dropped
        beside = {Cell.LOG_WAITS: waits, Cell.LOG_DROPPED: dropped}
        for cell in _COUNTERS:
            number = row.count(cell) + beside.get(cell, 0)
            self.totals[cell] = min(self.totals[cell] + number, _MOST_TOTAL)
        for latency in (row.lead.latency, row.pool.latency):
            for index, number in enumerate(counts(latency)):
                if number:
                    self.totals_latency[index] = min(self.totals_latency[index] + number, _MOST_TOTAL)
        self.load[row.index] = CLOSED
        row.reset()

    def abandon(self) -> None:
        """Close what only the master needs (in a forked child)."""
        for descriptor in {self.memory_fd, self.doorbell_reader} - {-1}:
            os.close(descriptor)
        self.memory_fd = self.doorbell_reader = -1

    def close(self) -> None:
        """Close the descriptors (the mapping goes with its last process)."""
        for descriptor in {self.doorbell, self.doorbell_reader, self.memory_fd} - {-1}:
            os.close(descriptor)
        self.doorbell = self.doorbell_reader = self.memory_fd = -1


def layout() -> dict[str, int]:
    """Give the measures that processes of two programs must share to use one scoreboard."""
    return {
        "own": 1,  # the master's cells and the totals are not in the mapping
        "page": _PAGE,
        "line": _LINE_STRIDE,
        "text": LINE_BYTES,
        "queue": QUEUE_LINES,
        "cells": _ROW_CELLS,
        "master": _MASTER_CELLS,
        "lane": lane_bytes(),
        "classes": CLASSES,
        "buckets": BUCKETS,
    }


def _round_up(value: int, step: int) -> int:
    return (value + step - 1) // step * step


def _shared_memory(size: int) -> int:
    if not hasattr(os, "memfd_create"):
        return -1
    try:
        descriptor = os.memfd_create("supervisor-scoreboard", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:  # a sandbox that forbids it: an anonymous mapping does, but for an upgrade in place
        return -1
    try:
        os.ftruncate(descriptor, size)
        # every process has a descriptor of it: mmap.mmap keeps one
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:  # what is not sealed is better not a file
        os.close(descriptor)
        return -1
    return descriptor


def _doorbell() -> tuple[int, int]:
    """Give the descriptor to write to and the one to read from: a pipe's two ends, as nobody but the master is to hold
    the one that it reads (whoever holds it can make reading wait, and take what comes)."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return writer, reader
