"""Dead workers: why each died, in words, and the records of the requests that died with it.

Owns the workers that are dead and whose rows are not free yet. A row is freed once its rings are empty: then each
request that was running gets its record. Also logs what a worker does before the master kills it. Knows nothing of
slots, nor of what a record says. Used by `fleet`, in the master.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

from ..processes.causes import UNWANTED, Cause, describe, judge
from ..processes.stacks import Stacks
from ..scoreboard.layout import CLOSED, TEXT_BYTES, MasterCell
from ..scoreboard.work import describe_work
from ..services import Services
from .crashes import Crashes, requests_on
from .memory import OomWatch
from .worker import Worker

__all__ = ["Reaper"]

_PLANNED = frozenset({Cause.RECYCLE, Cause.OPERATOR, Cause.RELOAD, Cause.SCALE, Cause.STOP})
_NO_RESTART = frozenset({Cause.SCALE, Cause.STOP})
_STACKS_LOGGED_S = 10.0  # stacks that were logged so lately are not logged again as a worker is killed


class Reaper:
    """`note_death` for a worker that has died, then `free_rows` until its row is free."""

    def __init__(self, services: Services, stacks: Stacks, oom: OomWatch) -> None:
        self.dead: list[Worker] = []
        self.crashes = Crashes(services.loop, services.errors.say)
        self._loop = services.loop
        self._scoreboard = services.scoreboard
        self._errors = services.errors
        self._events = services.events
        self._stacks = stacks
        self._oom = oom

    def log_last_words(self, worker: Worker, done: Callable[[], None]) -> None:
        """Log what a worker does that is about to be killed, with its stacks, then call `done`."""
        child = worker.child
        logged_s = self._loop.time() - worker.stacks_logged_at

        def log(stacks: str) -> None:
            doing = describe_work(worker.row, time.monotonic())
            text = f"{child.title} [{child.pid}] {child.reason}; it is killed, and with it {doing}\n{stacks}"
            self._errors.say("error", text)
            done()

        if logged_s < _STACKS_LOGGED_S:
            self._loop.after(0.0, lambda: log(f"Its stacks of {logged_s:.1f} s ago are above."))
        else:
            self._stacks.take(child, log, force=True)

    def note_death(self, worker: Worker) -> str:
        """Find out why a worker died, log and count it; return the cause in words."""
        child = worker.child
        self._scoreboard.load[worker.row.index] = CLOSED
        self.dead.append(worker)
        oom = self._was_out_of_memory(worker)
        cause = worker.cause = judge(
            child.status, planned=worker.cause, killed_for=child.cause, killed=child.killed, oom=oom
        )
        words = self._words(worker, cause)
        orderly = cause in _PLANNED or (cause is Cause.EXIT and child.status == 0)
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

    def free_rows(self) -> tuple[list[bytes], list[Worker]]:
        """Free the rows of dead workers whose rings are empty. Return a record for each request that died with them,
        and these workers."""
        gone = [worker for worker in self.dead if not worker.row.pending_bytes]
        records: list[bytes] = []
        for worker in gone:
            self.dead.remove(worker)
            records += self._lost_records(worker)
            self._scoreboard.retire(worker.row)
        self._scoreboard.master[MasterCell.KILLED_REQUESTS] += len(records)
        return records, gone

    def _lost_records(self, worker: Worker) -> Iterator[bytes]:
        for started, activity in zip(worker.row.starts(), worker.row.activities, strict=True):
            if not started:
                continue
            text = bytes(activity.text[:TEXT_BYTES]).rstrip(b"\0")
            try:
                record = worker.generation.application.lost(text, started, worker.row)
            except Exception as error:
                doing = f"what {worker.child.title} was doing: {text!r}"
                self._errors.say("error", f"no record of {doing}: {error!r}")
                continue
            if record:
                yield record
