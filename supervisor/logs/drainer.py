"""Decides when the workers' log rings are drained: every 20 ms while records come, not at all while none do.

Owns the schedule and the scoreboard's `asleep` cell; the doorbell ends the sleep. A worker that wrote just as the
master fell asleep may not have seen that yet, and not have rung: so the master drains once more by a timer before it
sleeps until the doorbell. Knows nothing of files. Runs in the master.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..eventloop import EventLoop, Timer
from ..scoreboard.layout import Cell, MasterCell
from ..scoreboard.row import Row
from ..scoreboard.scoreboard import Scoreboard
from .accesslog import AccessLog, DrainOutcome
from .dropreport import DropReport

__all__ = ["Drainer"]

BUSY_S = 0.02  # between two drains while records come
LAST_LOOK_S = 0.05  # until the last drain before sleep
FAILED_S = 0.25  # until the next try after a failed write
_LAST_S = 5.0  # at the master's end, for a log that accepts little at a time
_NO_PROGRESS_S = 1.0  # and for one that accepts nothing


class Drainer:
    """Drains `log` on `loop`'s timers.

    `rows` returns the rows whose rings may hold records. `killed_records` is called after every drain and returns the
    master's own records, about requests that died with a worker.
    """

    def __init__(
        self,
        loop: EventLoop,
        scoreboard: Scoreboard,
        log: AccessLog,
        rows: Callable[[], Iterable[Row]],
        killed_records: Callable[[], Iterable[bytes]],
    ) -> None:
        self._loop = loop
        self._scoreboard = scoreboard
        self._log = log
        self._rows = rows
        self._killed_records = killed_records
        self._drop_report = DropReport(loop, self.dropped, log.report)
        self._timer: Timer | None = None
        self._watched = -1
        self._stuck = False  # the destination accepts no more for now
        loop.watch(scoreboard.doorbell_reader, self._rung)
        self.drain()

    def drain(self, *, last_look: bool = False) -> DrainOutcome:
        """Drain now, and schedule the next drain by the outcome. `last_look`: sleep if nothing waits."""
        self._unschedule()
        outcome = self._log.drain(self._rows())
        if self._add_killed_records() and outcome in (DrainOutcome.IDLE, DrainOutcome.WROTE):
            outcome = self._log.drain(())
        self._scoreboard.master[MasterCell.LOG_BYTES] = self._log.bytes
        self._scoreboard.master[MasterCell.LOG_STALLS] = self._log.stalls
        self._scoreboard.asleep[0] = 1 if outcome is DrainOutcome.IDLE else 0
        self._stuck = outcome in (DrainOutcome.BLOCKED, DrainOutcome.FAILED)
        self._drop_report.update(writable=not self._stuck)
        destination = self._log.destination
        if outcome is DrainOutcome.WROTE:
            self._timer = self._loop.after(BUSY_S, self._again)
        elif outcome is DrainOutcome.FAILED:
            self._timer = self._loop.after(FAILED_S, self._again)
        elif outcome is DrainOutcome.IDLE:
            if not last_look:
                self._timer = self._loop.after(LAST_LOOK_S, self._look_again)
        elif destination is not None and destination.can_be_watched:
            self._watched = destination.fd
            self._timer = self._loop.after(FAILED_S, self._again)  # to notice what is dropped meanwhile
            try:
                self._loop.watch(destination.fd, self._again, write=True)
            except (OSError, ValueError, KeyError):  # /dev/null and the like cannot be watched
                self._watched = -1
                self._timer.cancel()
                self._timer = self._loop.after(BUSY_S, self._again)
        else:
            self._timer = self._loop.after(BUSY_S, self._again)
        return outcome

    def drain_last(self) -> None:
        """Drain until nothing waits (at the master's end, when its loop has ended).

        Gives up after 5 s, or after 1 s in which the log accepts nothing, and reports how many lines were discarded.
        """
        end_s = time.monotonic() + _LAST_S
        moved_s, left = time.monotonic(), -1
        while self.drain() is not DrainOutcome.IDLE and self.pending_bytes():
            now_s = time.monotonic()
            if self.pending_bytes() != left:
                moved_s, left = now_s, self.pending_bytes()
            if now_s > min(end_s, moved_s + _NO_PROGRESS_S):
                break
            time.sleep(0.01)
        self._drop_report.close(self._log.waiting_lines(self._rows()))

    def dropped(self) -> int:
        """Return how many records found no room since the start."""
        rows = sum(row.dropped for row in self._rows())
        return self._scoreboard.totals[Cell.LOG_DROPPED] + rows + self._log.dropped

    def keep(self) -> dict[str, Any]:
        """Return what was reported of dropped records as JSON data, for the program that replaces the master's."""
        return {"dropped": self._log.dropped, "losses": self._drop_report.keep()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `keep` returned (once the rows are there)."""
        self._log.dropped = state["dropped"]
        self._drop_report.restore(state["losses"])

    def _add_killed_records(self) -> bool:
        before = self._log.pending_bytes
        for record in self._killed_records():
            self._log.add(record)
        return self._log.pending_bytes > before

    def pending_bytes(self) -> int:
        """Return the number of bytes that wait to be written."""
        return self._log.pending_bytes + sum(row.pending_bytes for row in self._rows())

    def _again(self) -> None:
        self.drain()

    def _look_again(self) -> None:
        self.drain(last_look=True)

    def _rung(self) -> None:
        self._scoreboard.silence()
        if self._scoreboard.asleep[0] or not self._stuck:  # the master was awake, so a writer waits for room
            self.drain()

    def _unschedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watched >= 0:
            self._loop.forget(self._watched)
            self._watched = -1
