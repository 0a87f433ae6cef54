"""The access log: writes the records that workers left in their rings to one file, in whole lines.

Owns the file and how far each ring is written. A ring gets its room back only up to the end of a record that is
completely in the file. So a record that was written in part is completed before another ring has its turn, or written
again as a whole if another file was opened meanwhile. Knows nothing of what a record says, nor of when to drain
(`drainer`). Runs in the master.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable
from enum import Enum

from ..scoreboard.lane import Lane
from ..scoreboard.row import Row
from .destination import Destination

__all__ = ["AccessLog", "DrainOutcome"]

_GONE = (errno.EPIPE, errno.EBADF, errno.EIO, errno.ENXIO, errno.ECONNRESET)
_STANDARD_OUTPUT = 1
_MAX_ROUNDS = 4  # writes of one ring before the others have their turn
_DAMAGE_REPORT_S = 60.0
_MAX_OWN_BYTES = 1 << 20  # of the master's own records while they wait


class DrainOutcome(Enum):
    """How a drain ended."""

    IDLE = "nothing waited"
    WROTE = "all that waited was written"
    BLOCKED = "the destination accepts no more for now"
    FAILED = "the destination cannot be written, as on a full disk: the rest waits"


class AccessLog:
    """The access log at `where`: PATH, "-" (standard output) or "off". Raises OSError when it cannot be opened.

    `report(level, text)` writes to the error log.
    """

    def __init__(self, where: str, report: Callable[[str, str], None]) -> None:
        self.report = report
        self._where = where
        self._destination = _open(where)
        self._partial: Lane | _OwnRecords | None = None  # the source whose record is in the file in part
        self._partial_bytes = 0
        self._partial_end = 0  # the file's size after that part: shows whether it is still at the end
        self._first = 0  # rotates which source is written first
        self._failing = ""
        self._own = _OwnRecords()
        self.bytes = 0
        """Bytes written since the start."""
        self.stalls = 0
        """Number of writes that failed and were tried again."""
        self.damaged = 0
        """Number of times that a ring was found damaged: a worker had written over its head or tail."""
        self._damage_reported_at = -_DAMAGE_REPORT_S
        self.dropped = 0
        """Number of the master's own records that found no room."""

    @property
    def destination(self) -> Destination | None:
        return self._destination

    @property
    def pending_bytes(self) -> int:
        """Bytes of the master's own records that wait to be written."""
        return self._own.pending_bytes

    def add(self, record: bytes) -> None:
        """Add a record of the master itself, to be written by the next drain; without room it is dropped."""
        if len(self._own.records) + len(record) > _MAX_OWN_BYTES:
            self.dropped += 1
        else:
            self._own.records += record

    def waiting_lines(self, rows: Iterable[Row]) -> int:
        """Return how many records wait, in the rings of `rows` and of the master's own."""
        sources: list[Lane | _OwnRecords] = [self._own, *(lane for row in rows for lane in (row.lead, row.pool))]
        return sum(bytes(view).count(b"\n") for source in sources for view in source.pending())

    def is_half_written(self, row: Row) -> bool:
        """Return True if a record of this row is in the file in part: the row must stay until it is complete."""
        return self._partial is not None and (self._partial is row.lead or self._partial is row.pool)

    def drain(self, rows: Iterable[Row]) -> DrainOutcome:
        """Write what waits in the rings of `rows`, and what was added."""
        outcome = DrainOutcome.IDLE
        queue: list[Lane | _OwnRecords] = [self._own]
        for row in rows:
            self._repair(row)
            queue.append(row.lead)
            queue.append(row.pool)
        first = self._first % len(queue)
        queue = queue[first:] + queue[:first]
        if self._partial is not None:
            queue.insert(0, self._partial)
            # logrotate's copytruncate, for example, has cut the file
            if self._destination is not None and self._destination.size() < self._partial_end:
                self._partial_bytes = 0
        for source in queue:
            if source.pending_bytes:
                outcome = self._write_source(source)
                if outcome is not DrainOutcome.WROTE:
                    self._first += 1  # so that each source has its turn at a slow destination
                    return outcome
        return DrainOutcome.WROTE if outcome is DrainOutcome.WROTE else DrainOutcome.IDLE

    def _repair(self, row: Row) -> None:
        """Repair the row's rings if they are damaged; report it at most once a minute."""
        for lane in (row.lead, row.pool):
            if not lane.repair():
                continue
            if lane is self._partial:
                self._drop_partial()
            self.damaged += 1
            if time.monotonic() - self._damage_reported_at >= _DAMAGE_REPORT_S:
                self._damage_reported_at = time.monotonic()
                text = "a worker has written over shared memory: log records that waited there are lost"
                self.report("error", f"{text} (row {row.index}, {self.damaged} times so far)")

    def _drop_partial(self) -> None:
        """Cut the part of a record that will not be completed off the file's end, if it is still there."""
        if self._destination is not None and self._partial_bytes and self._destination.size() == self._partial_end:
            self._destination.truncate_by(self._partial_bytes)
        self._partial, self._partial_bytes, self._partial_end = None, 0, 0

    def _write_source(self, source: Lane | _OwnRecords) -> DrainOutcome:
        """Write what waits in one source."""
        for _ in range(_MAX_ROUNDS):
            views = source.pending()
            if not views:
                break
            waiting = sum(map(len, views))
            if self._partial_bytes >= waiting:  # the part is longer than all that waits: the ring was written over
                self._drop_partial()
            if self._destination is None:
                source.advance(waiting)
                continue
            try:
                written = self._destination.write(_views_from(views, self._partial_bytes))
            except BlockingIOError:
                return DrainOutcome.BLOCKED
            except OSError as error:
                if self._has_gone(error):
                    continue
                return DrainOutcome.FAILED
            if self._failing:
                self._failing = ""
                self.report("warning", f"access log {self._where!r} is written again")
            self.bytes += written
            written += self._partial_bytes
            whole = written if written == waiting else _end_of_last_record(views, written)
            source.advance(whole)
            self._partial_bytes = written - whole
            self._partial = source if self._partial_bytes else None
            self._partial_end = self._destination.size() if self._partial_bytes else 0
            if written < waiting:
                return DrainOutcome.BLOCKED
        return DrainOutcome.WROTE

    def _has_gone(self, error: OSError) -> bool:
        """Report a failed write; return True if it is final, and turn the log off."""
        if self._where == "-" and error.errno in _GONE:
            self.report("error", f"standard output has gone ({error.strerror}): the access log is off now")
            self._destination = None
            return True
        self.stalls += 1
        if self._failing != str(error.strerror):
            self._failing = str(error.strerror)
            self.report("error", f"cannot write access log {self._where!r}: {error.strerror}; lines wait in memory")
        return False

    def reopen(self) -> None:
        """Open the file again. After an OSError everything is as it was."""
        self.use(self._where, self.open(self._where))

    @staticmethod
    def open(where: str) -> Destination | None:
        """Return the open destination for `use`, None for "off". Raises OSError when it cannot be opened."""
        return _open(where)

    def use(self, where: str, destination: Destination | None) -> None:
        """Write to `destination`, which `open(where)` returned, from now on."""
        old, self._destination = self._destination, destination
        self._where = where
        if self._partial is not None and (old is None or destination is None or not destination.is_same(old)):
            if old is not None and self._partial_bytes and old.size() == self._partial_end:
                old.truncate_by(self._partial_bytes)  # the new file gets the whole record
            self._partial, self._partial_bytes, self._partial_end = None, 0, 0
        if old is not None:
            old.close()

    def close(self) -> None:
        if self._destination is not None:
            self._destination.close()
            self._destination = None


class _OwnRecords:
    """The master's own records, drained like a lane."""

    __slots__ = ("records",)

    def __init__(self) -> None:
        self.records = b""

    @property
    def pending_bytes(self) -> int:
        return len(self.records)

    def pending(self) -> list[memoryview[int]]:
        return [memoryview(self.records)] if self.records else []

    def advance(self, taken_bytes: int) -> None:
        self.records = self.records[taken_bytes:]


def _open(where: str) -> Destination | None:
    return None if where == "off" else Destination(where, _STANDARD_OUTPUT)


def _views_from(views: list[memoryview[int]], start: int) -> list[memoryview[int]]:
    """Return `views` without their first `start` bytes."""
    if not start:
        return views
    first = min(start, len(views[0]))
    return [view for view in (views[0][first:], *(rest[start - first :] for rest in views[1:])) if len(view)]


def _end_of_last_record(views: list[memoryview[int]], written: int) -> int:
    """Return the end of the last whole record within the first `written` bytes."""
    return b"".join(views)[:written].rfind(b"\n") + 1
