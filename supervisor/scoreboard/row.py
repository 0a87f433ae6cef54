"""One row of the scoreboard: the numbers, the activities and the log lanes of one process.

Owns where these parts lie in the row's memory. A row has a single writer at a time, so it needs no locks. Its process
writes it; the master, and whatever reports, reads it. As a worker may be in an attacker's hands, numbers are read
through `untrusted`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from .lane import Lane, lane_bytes
from .layout import ACTIVITY_STRIDE, ROW_CELLS, TEXT_BYTES, Cell
from .untrusted import count, past_time

__all__ = ["Activity", "Doorbell", "RingSizes", "Row"]

Doorbell: TypeAlias = Callable[[], None]
"""Wakes the master; see `Scoreboard.ring`."""


class RingSizes(NamedTuple):
    """Bytes of a row's two rings of log records."""

    lead_bytes: int
    pool_bytes: int


class Activity:
    """One piece of work of a process: when it began, what it is, and the thread that does it, if one does."""

    __slots__ = ("ident", "start", "text", "thread")

    start: memoryview[float]
    """[0]: time.monotonic() when the work began, 0.0 while there is none. Written after the text, reset at the end."""
    text: memoryview[int]
    """TEXT_BYTES bytes, padded with NUL; the writer assigns all of it at once."""
    thread: memoryview[int]
    """[0]: threading.get_native_id() of the thread that does the work; 0 while none does: it waits for a thread, or the
    loop sends its answer."""
    ident: memoryview[int]
    """[0]: that thread's threading.get_ident(), by which a dump of stacks names it; 0 if the work advances in steps,
    and `start` is the time of its last step. While no thread does the work: 0 if it waits for a thread, SENDING if it
    waits for the peer, AWAITED if the application ends it from elsewhere."""

    def __init__(self, memory: memoryview[int]) -> None:
        self.start = memory[0:8].cast("d")
        self.thread = memory[8:16].cast("Q")
        self.ident = memory[16:24].cast("Q")
        self.text = memory[24 : 24 + TEXT_BYTES]


class Row:
    """The part of the scoreboard that one process writes."""

    __slots__ = ("_activities", "_activities_memory", "cells", "index", "lead", "pool")

    index: int
    cells: memoryview[int]
    """The row's numbers, indexed by Cell."""
    lead: Lane
    """Log records of the thread that leads the worker's loop."""
    pool: Lane
    """Log records of all other threads, which write under a lock of the worker."""

    def __init__(self, index: int, memory: memoryview[int], count: int, rings: RingSizes, doorbell: Doorbell) -> None:
        """`memory` is the row's part of the mapping, `count` the number of its activities."""
        cells_end = ROW_CELLS * 8
        lead_end = cells_end + lane_bytes()
        pool_end = lead_end + lane_bytes()
        lead_ring = len(memory) - rings.lead_bytes - rings.pool_bytes
        pool_ring = lead_ring + rings.lead_bytes
        self.index = index
        self.cells = memory[:cells_end].cast("Q")
        self.lead = Lane(memory[cells_end:lead_end], memory[lead_ring:pool_ring], doorbell)
        self.pool = Lane(memory[lead_end:pool_end], memory[pool_ring:], doorbell)
        self._activities_memory = memory[pool_end : pool_end + count * ACTIVITY_STRIDE]
        self._activities: list[Activity] | None = None

    def attach(self, channel: int, *, waits: bool = False) -> None:
        """Make this process the row's writer (called once, in the worker). `channel` is its descriptor to the master;
        `waits`: see `Lane.attach`."""
        self.lead.attach(channel, waits=waits)
        self.pool.attach(channel, waits=waits)

    @property
    def activities(self) -> list[Activity]:
        """The row's activities: one for each thread the scoreboard was made for, two more, and QUEUE_ACTIVITIES."""
        if self._activities is None:  # a process uses the activities of few rows, so they are made at the first use
            memory = self._activities_memory
            starts = range(0, len(memory), ACTIVITY_STRIDE)
            self._activities = [Activity(memory[start : start + ACTIVITY_STRIDE]) for start in starts]
        return self._activities

    def starts(self) -> Sequence[float]:
        """Return `start[0]` of every activity, with 0.0 for a value that cannot be a past time."""
        times = self._activities_memory.cast("d")[:: ACTIVITY_STRIDE // 8].tolist()
        return [past_time(time) if time else 0.0 for time in times]

    @property
    def pending_bytes(self) -> int:
        """Bytes of log records that the master has not written out yet."""
        return self.lead.pending_bytes + self.pool.pending_bytes

    def count(self, cell: Cell) -> int:
        """Return the number in `cell`, or 0 if no worker can have counted that far."""
        return count(self.cells[cell])

    @property
    def answered(self) -> bool:
        """Whether the row's process has answered a request, by its latency counters."""
        return any(self.lead.latency) or any(self.pool.latency)

    @property
    def dropped(self) -> int:
        """Number of log records that found no room in the rings, or were discarded with them."""
        return self.count(Cell.LOG_DROPPED) + self.lead.dropped + self.pool.dropped

    def discard_pending(self) -> None:
        """Drop the records that wait in the rings and count them (called in the master, when the process is dead)."""
        discarded = self.lead.discard_pending() + self.pool.discard_pending()
        self.cells[Cell.LOG_DROPPED] = self.count(Cell.LOG_DROPPED) + discarded

    def reset(self) -> None:
        """Clear everything for the row's next process (called in the master, when both rings are empty)."""
        self.cells[:] = memoryview(bytes(self.cells.nbytes)).cast("Q")
        self.lead.reset()
        self.pool.reset()
        self._activities_memory[:] = bytes(len(self._activities_memory))
