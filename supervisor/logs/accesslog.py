"""The log of records: takes what workers left in their rings to one file, in whole lines.

Owns the file and the point up to which each ring is written. A ring is only given back its room up to the end
of a record that is in the file, so a write that broke off is resumed, or repeated whole in a file opened
since, before another ring's turn. Knows nothing of what a record says, nor of when to drain (`drainer`). Runs
in the master.
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
_ROUNDS = 4
_DAMAGE_TOLD_S = 60.0
_OWN_BYTES = 1 << 20  # of the master's own records that wait


class DrainOutcome(Enum):
    """How a drain went."""

    IDLE = "nothing waited"
    WROTE = "all that waited was written"
    BLOCKED = "the target takes no more now"
    FAILED = "the target cannot be written, a full disk perhaps: the rest waits"


class AccessLog:
    """`target` is PATH, "-" or "off"; `report(level, text)` is told of trouble. OSError when it cannot be
    opened."""

    def __init__(self, target: str, report: Callable[[str, str], None]) -> None:
        self._report = report
        self._target = target
        self._destination = _open(target)
        self._half: Lane | _Own | None = None  # whose record broke off in the file
        self._half_bytes = 0
        self._half_end = 0  # the file's size then: it tells whether the half is still at its end
        self._turn = 0
        self._failing = ""
        self._own = _Own()
        self.bytes = 0
        """Bytes written since the start."""
        self.stalls = 0
        """Writes that failed and were tried again."""
        self.damaged = 0
        """How often a ring was found whose head or tail somebody had written over."""
        self._damage_told_at = -_DAMAGE_TOLD_S
        self.dropped = 0
        """Records of the master's own that found no room."""

    @property
    def destination(self) -> Destination | None:
        return self._destination

    @property
    def pending_bytes(self) -> int:
        """Bytes of the master's own records that wait."""
        return self._own.pending_bytes

    def add(self, record: bytes) -> None:
        """Have the master itself log a record; it is written by the next drain. With no room left it is dropped."""
        if len(self._own.records) + len(record) > _OWN_BYTES:
            self.dropped += 1
        else:
            self._own.records += record

    def waiting_lines(self, rows: Iterable[Row]) -> int:
        """Give how many records wait: in the rings of `rows`, and of the master's own."""
        sources: list[Lane | _Own] = [self._own, *(lane for row in rows for lane in (row.lead, row.pool))]
        return sum(bytes(view).count(b"\n") for source in sources for view in source.pending())

    def is_half_written(self, row: Row) -> bool:
        """Return whether a record of this row broke off in the file: it is to be finished there."""
        return self._half is not None and (self._half is row.lead or self._half is row.pool)

    def drain(self, rows: Iterable[Row]) -> DrainOutcome:
        """Write out whatever waits in the rings of `rows`, and what was added."""
        outcome = DrainOutcome.IDLE
        queue: list[Lane | _Own] = [self._own]
        for row in rows:
            self._mend(row)
            queue.append(row.lead)
            queue.append(row.pool)
        turn = self._turn % len(queue)
        queue = queue[turn:] + queue[:turn]
        if self._half is not None:
            queue.insert(0, self._half)
            # logrotate's copytruncate, for example, has cut the file
            if self._destination is not None and self._destination.size() < self._half_end:
                self._half_bytes = 0
        for source in queue:
            if source.pending_bytes:
                outcome = self._empty(source)
                if outcome is not DrainOutcome.WROTE:
                    self._turn += 1  # so that nobody waits for ever for what a slow target does take
                    return outcome
        return DrainOutcome.WROTE if outcome is DrainOutcome.WROTE else DrainOutcome.IDLE

    def _mend(self, row: Row) -> None:
        for lane in (row.lead, row.pool):
            if not lane.repair():
                continue
            if lane is self._half:
                self._drop_half()
            self.damaged += 1
            if time.monotonic() - self._damage_told_at >= _DAMAGE_TOLD_S:
                self._damage_told_at = time.monotonic()
                text = "a worker has written over shared memory: log records that waited there are lost"
                self._report("error", f"{text} (row {row.index}, {self.damaged} times so far)")

    def _drop_half(self) -> None:
        """Take the half of a record that will not be completed out of the file again, if that can be done."""
        if self._destination is not None and self._half_bytes and self._destination.size() == self._half_end:
            self._destination.truncate_by(self._half_bytes)
        self._half, self._half_bytes, self._half_end = None, 0, 0

    def _empty(self, source: Lane | _Own) -> DrainOutcome:
        for _ in range(_ROUNDS):  # others are to have their turn, however fast this one is filled
            views = source.pending()
            if not views:
                break
            waiting = sum(map(len, views))
            if self._half_bytes >= waiting:  # half a record is more than all that waits: its ring was written over
                self._drop_half()
            if self._destination is None:
                source.advance(waiting)
                continue
            try:
                written = self._destination.write(_from(views, self._half_bytes))
            except BlockingIOError:
                return DrainOutcome.BLOCKED
            except OSError as error:
                if self._has_gone(error):
                    continue
                return DrainOutcome.FAILED
            if self._failing:
                self._failing = ""
                self._report("warning", f"access log {self._target!r} is written again")
            self.bytes += written
            written += self._half_bytes
            whole = written if written == waiting else _last_end(views, written)
            source.advance(whole)
            self._half_bytes = written - whole
            self._half = source if self._half_bytes else None
            self._half_end = self._destination.size() if self._half_bytes else 0
            if written < waiting:
                return DrainOutcome.BLOCKED
        return DrainOutcome.WROTE

    def _has_gone(self, error: OSError) -> bool:
        """Note a failure; True if it is one for good, and the log is off now."""
        if self._target == "-" and error.errno in _GONE:
            self._report("error", f"standard output has gone ({error.strerror}): the access log is off now")
            self._destination = None
            return True
        self.stalls += 1
        if self._failing != str(error.strerror):
            self._failing = str(error.strerror)
            self._report("error", f"cannot write access log {self._target!r}: {error.strerror}; lines wait in memory")
        return False

    def reopen(self) -> None:
        """Open the file anew; OSError leaves everything as it was."""
        self.use(self._target, self.open(self._target))

    @staticmethod
    def open(target: str) -> Destination | None:
        """Open what `target` names, for `use`; OSError when it cannot be."""
        return _open(target)

    def use(self, target: str, destination: Destination | None) -> None:
        """Write to `destination`, which `open` gave for `target`, from now on."""
        old, self._destination = self._destination, destination
        self._target = target
        if self._half is not None and (old is None or destination is None or not destination.is_same(old)):
            if old is not None and self._half_bytes and old.size() == self._half_end:
                old.truncate_by(self._half_bytes)  # the record stands whole in the new file, and nowhere else
            self._half, self._half_bytes, self._half_end = None, 0, 0
        if old is not None:
            old.close()

    def close(self) -> None:
        if self._destination is not None:
            self._destination.close()
            self._destination = None


class _Own:
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


def _open(target: str) -> Destination | None:
    return None if target == "off" else Destination(target, _STANDARD_OUTPUT)


def _from(views: list[memoryview[int]], start: int) -> list[memoryview[int]]:
    if not start:
        return views
    first = min(start, len(views[0]))
    return [view for view in (views[0][first:], *(rest[start - first :] for rest in views[1:])) if len(view)]


def _last_end(views: list[memoryview[int]], written: int) -> int:
    """Give the end of the last whole record within the first `written` bytes."""
    return b"".join(views)[:written].rfind(b"\n") + 1
