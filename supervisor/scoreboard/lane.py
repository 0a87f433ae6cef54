"""One lane of the scoreboard: a ring of log records and the counters that go with them, with one writer at a time.

Owns the layout of a lane and both ends of its ring: a worker writes records, the master reads them out. A record is
bytes that end in a newline and hold no NUL; this module does not know what it says. The writer copies a record into the
ring and then moves the head past it, so a killed worker leaves only whole records behind. A record that finds no room
is dropped and counted, or its writer waits for room, as chosen in `attach`.

The master writes out everything between tail and head at once, without looking at single records. On x86 stores become
visible in the order they were made, so the head never moves before its record is there. On other processors the reader
verifies: it fills what it has read with NULs before it gives the room back, so a byte that is not visible yet reads as
NUL, and the reader stops at the last newline before the first NUL. That costs the writer nothing.
"""

from __future__ import annotations

import platform
import select
import threading
from collections.abc import Callable

from .latency import BUCKETS, CLASSES
from .untrusted import count

__all__ = ["Lane", "lane_bytes"]

STORES_ARE_ORDERED = platform.machine().lower() in ("x86_64", "amd64", "i686", "i386")

_HEAD, _WAITS, _WAITING, _DROPPED = 0, 1, 2, 3  # cells that the worker writes
_TAIL = 8  # the master's, in a cache line of its own
_HEADER_CELLS = 16
_WAIT_MS = 1
_NEWLINE = ord("\n")
_MAX_HEAD = 1 << 62  # bytes; no writer gets that far


def lane_bytes() -> int:
    """Return the bytes that a lane takes in the scoreboard beside its ring."""
    return 8 * (_HEADER_CELLS + CLASSES * BUCKETS)


class Lane:
    """A ring of records and latency counters, for one writer (a thread of a worker) and one reader (the master).

    `header` and `ring` are the lane's parts of the mapping; `doorbell` wakes the master. `attach` replaces `write`:
    take it into a local name only afterwards.
    """

    __slots__ = ("_barrier", "_cells", "_channel", "_ordered", "_ring", "_ring_doorbell", "_waits", "latency", "write")

    write: Callable[[bytes], None]
    """Copy one record (bytes that end in a newline) into the ring; see `attach`. One larger than the ring is
    dropped."""

    latency: memoryview[int]
    """CLASSES x BUCKETS counters: `latency[class * BUCKETS + bucket(us)] += 1`."""

    def __init__(self, header: memoryview[int], ring: memoryview[int], doorbell: Callable[[], None]) -> None:
        cells = header.cast("Q")
        self._ring_doorbell = doorbell
        self._cells = cells[:_HEADER_CELLS]
        self.latency = cells[_HEADER_CELLS:]
        self._ring = ring
        self._ordered = STORES_ARE_ORDERED
        self._barrier = threading.Lock()
        self._channel: int | None = None
        self.attach()

    # -- the writer: a worker --------------------------------------------------------------------------------

    def attach(self, channel: int | None = None, *, waits: bool = False) -> None:
        """Become the lane's writer (called once, in the worker, before its first record).

        With `waits` the writer waits while the ring is full; otherwise a record that finds no room is dropped and
        counted. `channel` is a descriptor whose other end the master holds: a writer that waits for room stops waiting
        when the master has died, and the record is lost, as no process is left to write it out.
        """
        self._channel = channel
        self._waits = waits
        self.write = self._writer()

    def _writer(self) -> Callable[[bytes], None]:
        # a closure over local numbers takes 0.16 µs for 120 bytes on CPython 3.11, half of what attributes take
        ring = self._ring
        head = self._cells[_HEAD:]
        tail = self._cells[_TAIL:]
        size = len(ring)
        lap = head[0] // size * size  # the head is lap + at; it counts bytes since the scoreboard was made
        at = head[0] - lap
        limit = at  # there is room up to here, as far as is known: none yet
        half = size if self._waits else size // 2 + 1

        def write_after_asking_for_room(record: bytes) -> None:
            nonlocal lap, at, limit
            length = len(record)
            if length > size:  # waiting would make no room for it
                self._cells[_DROPPED] += 1
                return
            if lap + at + length - tail[0] > size and not self._find_room(lap + at + length - size):
                return
            if at + length > size:
                first = size - at
                ring[at:] = record[:first]
                ring[: length - first] = record[first:]
                lap += size
                at = length - first
            else:
                ring[at : at + length] = record
                at += length
            head[0] = lap + at
            limit = min(tail[0] + size - lap, size, at + half)
            if lap + at - tail[0] >= half:
                self._ring_doorbell()  # before records find no room

        def write(record: bytes) -> None:
            nonlocal at
            end = at + len(record)
            if end > limit:
                write_after_asking_for_room(record)
                return
            ring[at:end] = record
            head[0] = lap + end
            at = end

        return write

    def _find_room(self, wanted_tail: int) -> bool:
        """Return True if the master has read out everything before `wanted_tail`.

        A lane that waits blocks until it has, and returns False if the master has died. Another lane counts the record
        as dropped and returns False.
        """
        if not self._waits:
            self._cells[_DROPPED] += 1
            return False
        self._cells[_WAITS] += 1
        poll = select.poll()
        if self._channel is not None:
            poll.register(self._channel, 0)  # reports only that the other end was closed
        self._cells[_WAITING] = 1
        while self._cells[_TAIL] < wanted_tail:
            self._ring_doorbell()  # asleep or not: the writer must not wait for the master's next drain
            if poll.poll(_WAIT_MS):
                return False
        self._cells[_WAITING] = 0
        return True

    # -- the reader: the master ------------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """Bytes written into the ring since the scoreboard was made."""
        return self._cells[_HEAD]

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait in the ring to be written out; 0 while head and tail contradict each other (`repair`)."""
        waiting: int = self._cells[_HEAD] - self._cells[_TAIL]
        return waiting if 0 <= waiting <= len(self._ring) else 0

    @property
    def is_waited_for(self) -> bool:
        """Whether the writer waits for room while records wait in the ring: the log cannot be written."""
        return bool(self._cells[_WAITING] and self.pending_bytes)

    @property
    def waits(self) -> int:
        """How often a writer found the ring full and waited, since the row was last cleared."""
        return count(self._cells[_WAITS])

    def repair(self) -> bool:
        """Empty the ring if its head and tail contradict each other, so that records written later come out again.

        Returns True if it was damaged: some process has written over it, and what waited in it is lost. Called in the
        master.
        """
        head, tail = self._cells[_HEAD], self._cells[_TAIL]
        size = len(self._ring)
        possible = 0 <= head - tail <= size and head < _MAX_HEAD
        if possible and (head == tail or not self._ordered or self._ring[(head - 1) % size] == _NEWLINE):
            return False
        if head >= _MAX_HEAD:  # the next writer could not go on from there
            head = self._cells[_HEAD] = 0
        if not self._ordered:
            self._ring[:] = bytes(size)
            with self._barrier:
                pass
        self._cells[_TAIL] = head
        return True

    @property
    def dropped(self) -> int:
        """How many records found no room and were dropped, since the row was last cleared."""
        return count(self._cells[_DROPPED])

    def discard_pending(self) -> int:
        """Drop what waits in the ring; return the number of records (in the master, when the writer is dead)."""
        self.repair()
        views = self.pending()
        self._cells[_TAIL] = self._cells[_HEAD]
        return sum(bytes(view).count(b"\n") for view in views)

    def pending(self) -> list[memoryview[int]]:
        """Return what waits in the ring, in order, as at most two views of the mapping (in the master).

        The end of the last view is the end of a record. Call `advance` with the number of bytes written out.
        """
        waiting = self.pending_bytes
        if not waiting:
            return []
        size = len(self._ring)
        start = self._cells[_TAIL] % size
        end = start + waiting
        views = [self._ring[start:end]] if end <= size else [self._ring[start:], self._ring[: end - size]]
        return views if self._ordered else _verified(views)

    def advance(self, taken_bytes: int) -> None:
        """Free the room of the first `taken_bytes` of what `pending` returned, for the writer (in the master)."""
        tail = self._cells[_TAIL] % _MAX_HEAD
        if not self._ordered:
            self._clear(tail % len(self._ring), taken_bytes)
        self._cells[_TAIL] = tail + taken_bytes

    def _clear(self, start: int, length: int) -> None:
        first = min(length, len(self._ring) - start)
        self._ring[start : start + first] = bytes(first)
        self._ring[: length - first] = bytes(length - first)
        with self._barrier:  # the zeros must be visible before the tail that frees the room
            pass

    def reset(self) -> None:
        """Clear the counters for the row's next process (in the master, when the ring is empty)."""
        self.repair()
        self._cells[_WAITS] = self._cells[_WAITING] = self._cells[_DROPPED] = 0
        self.latency[:] = memoryview(bytes(self.latency.nbytes)).cast("Q")


def _verified(views: list[memoryview[int]]) -> list[memoryview[int]]:
    """Return the part of `views` that is visible already: whole records before the first NUL."""
    run = b"".join(views)
    hole = run.find(0)
    if hole < 0:
        return views
    length = run.rfind(b"\n", 0, hole) + 1
    first = views[0][:length]
    rest = [view[: length - len(first)] for view in views[1:]]
    return [view for view in (first, *rest) if len(view)]
