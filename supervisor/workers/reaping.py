"""The dead: why a worker died, in words, and the records of what it took with it.

Owns those who are not reaped yet: their rows are freed when their rings are empty, and every request that was
running gets its record then. Knows nothing of slots or of what a record says. Runs in the master; used by `fleet`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..processes.causes import UNWANTED, Cause, describe, judge
from ..scoreboard.layout import CLOSED, LINE_BYTES, MasterCell
from .crashes import Crashes, requests_on
from .memory import OomWatch

if TYPE_CHECKING:
    from .generation import Services
    from .worker import Worker

__all__ = ["Reaper"]

_MEANT = frozenset({Cause.RECYCLE, Cause.OPERATOR, Cause.RELOAD, Cause.SCALE, Cause.STOP})
_NO_RESTART = frozenset({Cause.SCALE, Cause.STOP})


class Reaper:
    """`take_in` takes in a worker that has died, `reap` lets go of those that can be."""

    def __init__(self, services: Services, oom: OomWatch) -> None:
        self.dead: list[Worker] = []
        self.crashes = Crashes(services.loop, services.errors.say)
        self._scoreboard = services.scoreboard
        self._errors = services.errors
        self._events = services.events
        self._oom = oom

    def take_in(self, worker: Worker) -> str:
        """Log the death and count it; give its cause in words."""
        child = worker.child
        self._scoreboard.load[worker.row.index] = CLOSED
        self.dead.append(worker)
        oom = self._was_out_of_memory(worker)
        cause = worker.cause = judge(
            child.status, planned=worker.cause, killed_for=child.cause, killed=child.killed, oom=oom
        )
        words = self._words(worker, cause)
        orderly = cause in _MEANT or (cause is Cause.EXIT and child.status == 0)
        text = f"{child.title} [{child.pid or '?'}] {words}"
        if orderly or cause not in UNWANTED:
            self._errors.say("info" if orderly else "error", text)
        else:
            self.crashes.died(text, requests_on(worker.row), worker.generation.number)
        if cause in UNWANTED:
            self._scoreboard.master[MasterCell.DEATHS] += 1
        if cause not in _NO_RESTART:
            self._events.count(cause)
        self._events.add(
            "death", f"{child.title} {words}", slot=worker.slot.index, pid=child.pid or 0, cause=str(cause)
        )
        return words

    def _was_out_of_memory(self, worker: Worker) -> bool:
        child = worker.child
        if child.pid is None:
            return False
        of_sigkill = child.status is not None and os.waitstatus_to_exitcode(child.status) == -signal.SIGKILL
        claimed = of_sigkill and not child.killed and self._oom.claim(child.pid)
        self._oom.forget(child.pid)
        return claimed

    def _words(self, worker: Worker, cause: Cause) -> str:
        child = worker.child
        if child.pid is None and cause is not Cause.UNREADY:
            return "could not be forked"
        words = child.reason or describe(child.status)
        if cause is Cause.OOM:
            words += ": the kernel ended it, its control group is out of memory"
        if worker.leaving and not words.startswith("hung: "):
            words += f" ({worker.leaving})"
        return words

    def reap(self) -> tuple[list[bytes], list[Worker]]:
        """Clear the rows of the dead whose rings are empty; give a record for everything they were doing, and them."""
        reaped = [worker for worker in self.dead if not worker.row.pending_bytes]
        records: list[bytes] = []
        for worker in reaped:
            self.dead.remove(worker)
            records += self._lost_records(worker)
            self._scoreboard.retire(worker.row)
        self._scoreboard.master[MasterCell.KILLED_REQUESTS] += len(records)
        return records, reaped

    def _lost_records(self, worker: Worker) -> Iterator[bytes]:
        for started, line in zip(worker.row.starts(), worker.row.lines, strict=True):
            if not started:
                continue
            text = bytes(line.text[:LINE_BYTES]).rstrip(b"\0")
            try:
                record = worker.generation.application.lost(text, started, worker.row)
            except Exception as error:
                doing = f"what {worker.child.title} was doing: {text!r}"
                self._errors.say("error", f"no record of {doing}: {error!r}")
                continue
            if record:
                yield record
