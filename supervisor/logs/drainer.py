"""When the log is drained: every 20 ms while records come, not at all while none do.

Owns the rhythm and the scoreboard's `asleep` cell. The doorbell ends the sleep. A worker that wrote just as the
master went to sleep may not have seen it (its store still on the way): so the master looks once more, awake
by a timer, before it really sleeps. Knows nothing of files. Runs in the master.
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

BUSY_S = 0.02
LAST_LOOK_S = 0.05
FAILED_S = 0.25
_LAST_S = 5.0  # for a log that takes little, at the master's end
_NOTHING_S = 1.0  # and for one that takes nothing


class Drainer:
    """`rows` gives the rows whose rings may hold records.

    `left_behind` is asked after every drain for records of the master's own: of requests that died with a worker.
    """

    def __init__(
        self,
        loop: EventLoop,
        scoreboard: Scoreboard,
        log: AccessLog,
        rows: Callable[[], Iterable[Row]],
        left_behind: Callable[[], Iterable[bytes]],
        report: Callable[[str, str], None],
    ) -> None:
        """report: takes a level and a text for the error log."""
        self._loop = loop
        self._scoreboard = scoreboard
        self._log = log
        self._rows = rows
        self._left_behind = left_behind
        self._losses = DropReport(loop, self.dropped, report)
        self._timer: Timer | None = None
        self._watched = -1
        self._stuck = False  # whether trying again before the target takes more is in vain
        loop.watch(scoreboard.doorbell_reader, self._rung)
        self.drain()

    def drain(self, *, last_look: bool = False) -> DrainOutcome:
        """Drain now, and go on in the rhythm that its outcome asks for."""
        self._unschedule()
        outcome = self._log.drain(self._rows())
        if self._add_left_behind() and outcome in (DrainOutcome.IDLE, DrainOutcome.WROTE):
            outcome = self._log.drain(())
        self._scoreboard.master[MasterCell.LOG_BYTES] = self._log.bytes
        self._scoreboard.master[MasterCell.LOG_STALLS] = self._log.stalls
        self._scoreboard.asleep[0] = 1 if outcome is DrainOutcome.IDLE else 0
        self._stuck = outcome in (DrainOutcome.BLOCKED, DrainOutcome.FAILED)
        self._losses.look(works=not self._stuck)
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
            self._timer = self._loop.after(FAILED_S, self._again)  # to see what is dropped meanwhile
            try:
                self._loop.watch(destination.fd, self._again, write=True)
            except (OSError, ValueError, KeyError):  # /dev/null and its like cannot be
                self._watched = -1
                self._timer.cancel()
                self._timer = self._loop.after(BUSY_S, self._again)
        else:
            self._timer = self._loop.after(BUSY_S, self._again)
        return outcome

    def drain_last(self) -> None:
        """Drain until nothing waits, at the master's end, when its loop runs no more. A log that takes nothing for a
        second is given up, and the number of lines that were lost is said."""
        end_s = time.monotonic() + _LAST_S
        moved_s, left = time.monotonic(), -1
        while self.drain() is not DrainOutcome.IDLE and self.pending_bytes():
            now_s = time.monotonic()
            if self.pending_bytes() != left:
                moved_s, left = now_s, self.pending_bytes()
            if now_s > min(end_s, moved_s + _NOTHING_S):
                break
            time.sleep(0.01)
        self._losses.close(self._log.waiting_lines(self._rows()))

    def dropped(self) -> int:
        """Give how many records found no room since the start."""
        rows = sum(row.dropped for row in self._rows())
        return self._scoreboard.totals[Cell.LOG_DROPPED] + rows + self._log.dropped

    def keep(self) -> dict[str, Any]:
        """Give what has been told of dropped records as JSON takes it, for the program that replaces the master's."""
        return {"dropped": self._log.dropped, "losses": self._losses.keep()}

    def adopt(self, kept: Mapping[str, Any]) -> None:
        """Take on what `keep` gave, once the rows are there."""
        self._log.dropped = kept["dropped"]
        self._losses.adopt(kept["losses"])

    def _add_left_behind(self) -> bool:
        before = self._log.pending_bytes
        for record in self._left_behind():
            self._log.add(record)
        return self._log.pending_bytes > before

    def pending_bytes(self) -> int:
        """Give the bytes that wait to be written."""
        return self._log.pending_bytes + sum(row.pending_bytes for row in self._rows())

    def _again(self) -> None:
        self.drain()

    def _look_again(self) -> None:
        self.drain(last_look=True)

    def _rung(self) -> None:
        self._scoreboard.silence()
        if self._scoreboard.asleep[0] or not self._stuck:  # awake: a writer waits for room
            self.drain()

    def _unschedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watched >= 0:
            self._loop.forget(self._watched)
            self._watched = -1
