"""The workers: so many slots, each held by one worker of the generation that is wanted.

Owns slots, workers and rows, and one idempotent step, `reconcile`, which brings what is nearer to what is
wanted: forks into empty slots, and replaces workers one slot at a time, the replacement first: those of
another generation, and those that were found to hang, have served enough, or are to go as somebody asked.
Reload, roll-back, scaling and `replace` all are a changed wish and a `reconcile`. Knows nothing of settings,
signals or log files, nor of how a hang is found. Runs in the master.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..processes.causes import Cause
from ..processes.stacks import Stacks
from ..processes.states import ChildState, Event
from ..scoreboard.layout import Cell, MasterCell
from ..scoreboard.row import Row
from ..scoreboard.work import describe_work
from .crashes import requests_on
from .generation import Generation, Services
from .memory import OomWatch
from .reaping import Reaper
from .worker import FIRST_PAUSE_S, Slot, Worker, capacity, has_served, keep_worker, rows_for, serves, urgency

if TYPE_CHECKING:
    from ..upgrade.handoff import Handoff

__all__ = ["Fleet", "FleetKeeper", "Slot", "Worker", "capacity", "rows_for"]

_HOPELESS_FAILURES = 4
_STACKS_TOLD_S = 10.0  # stacks that were logged so lately are not logged again as a worker is killed


class FleetKeeper(Protocol):
    """Who is told of the workers."""

    def fleet_settled(self) -> None:
        """Every slot is held by a READY worker of the generation wanted (told at every such `reconcile`)."""

    def worker_failed(self, worker: Worker, cause: str) -> None:
        """A worker died before READY or soon after."""

    def worker_ready(self, worker: Worker) -> None:
        """A worker serves from now on."""

    def worker_gone(self, worker: Worker) -> None:
        """A worker has gone, however."""

    def fleet_hopeless(self, cause: str) -> None:
        """Several tries, and no worker ever became ready."""

    def records_left(self) -> None:
        """A dead worker's rings, and the requests it took with it, are to be written."""


class Fleet:
    """`wanted` workers of generation `target`; change either and `reconcile`, or `replace` one of them."""

    def __init__(self, services: Services, stacks: Stacks, keeper: FleetKeeper) -> None:
        self.wanted = 0
        self.target: Generation | None = None
        self.slots: list[Slot] = []
        self.oom = OomWatch()
        """To be shown the living now and then."""
        self.ever_ready = False
        self.half_written: Callable[[Row], bool] = lambda _: False
        """Tells whether a record of this row broke off in the access log: it is not to be given up."""
        self._loop = services.loop
        self._scoreboard = services.scoreboard
        self._errors = services.errors
        self._events = services.events
        self._stacks = stacks
        self._keeper = keeper
        self._reaper = Reaper(services, self.oom)
        self._workers: set[Worker] = set()
        self._free = [row.index for row in reversed(services.scoreboard.rows)]
        self._closed = False

    # -- what is ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._workers)

    def __iter__(self) -> Iterator[Worker]:
        """Give all workers that have not died, those that drain among them."""
        return iter(tuple(self._workers))

    def find(self, index: int) -> Worker | None:
        """Give the worker that holds a slot."""
        return self.slots[index].worker if 0 <= index < len(self.slots) else None

    def rows(self) -> Iterator[Row]:
        """Give the rows whose rings may hold records: of the living, and of the dead not reaped yet."""
        for worker in (*self._workers, *self._reaper.dead):
            yield worker.row

    def generations(self) -> set[Generation]:
        """Give the generations that have workers."""
        return {worker.generation for worker in self._workers}

    # -- towards what is wanted ------------------------------------------------------------------------------

    def reconcile(self) -> None:
        """Take every step towards what is wanted that can be taken now."""
        target = self.target
        if self._closed or target is None:
            return
        self._scoreboard.master[MasterCell.WORKERS] = self.wanted
        self._resize()
        for slot in self.slots:
            if slot.worker is None and slot.successor is None and slot.again is None:
                slot.worker = self._fork(slot, target)
        if not any(slot.successor for slot in self.slots):
            due = [slot for slot in self.slots if slot.again is None and urgency(slot, target)]
            if due:
                slot = max(due, key=lambda each: urgency(each, target))
                slot.successor = self._fork(slot, target)
        if all(serves(slot, target) for slot in self.slots):
            self._keeper.fleet_settled()

    def replace(self, worker: Worker, cause: Cause, reason: str) -> bool:
        """Have another worker take over from this one, as soon as no other slot is being replaced: the other first
        becomes READY, then this one is told to DRAIN. False when this one does not serve: it ends already, or has not
        begun. `reason` is for the log."""
        serves = worker.child.state in (ChildState.READY, ChildState.STUCK)
        if self._closed or worker.slot.worker is not worker or not serves:
            return False
        if not worker.leaving or cause is Cause.HANG:
            worker.cause, worker.leaving = cause, reason
        self.reconcile()
        return True

    def _resize(self) -> None:
        while len(self.slots) < self.wanted:
            self.slots.append(Slot(len(self.slots)))
        while len(self.slots) > self.wanted:
            slot = self.slots.pop()
            if slot.again is not None:
                slot.again.cancel()
            for worker in (slot.worker, slot.successor):
                if worker is not None:
                    self._dismiss(worker, Event.DRAIN, Cause.SCALE, "fewer workers are wanted")

    def _dismiss(self, worker: Worker, event: Event, cause: Cause, reason: str) -> None:
        told_nothing_yet = worker.child.state in (ChildState.BOOT, ChildState.READY)
        if worker.cause is None or (told_nothing_yet and cause is not Cause.RELOAD):
            worker.cause, worker.leaving = cause, reason
        worker.child.feed(event)

    def _fork(self, slot: Slot, generation: Generation) -> Worker | None:
        if not generation.can_fork or not (self._free or self._give_up_a_row(generation)):
            return None  # its being ready, or the reaper that frees a row, brings us here again
        row = self._scoreboard.rows[self._free[-1]]
        row.cells[Cell.GENERATION] = generation.number
        row.cells[Cell.SLOT] = slot.index
        row.cells[Cell.STATE] = ChildState.BOOT
        row.cells[Cell.STARTED_NS] = time.monotonic_ns()
        row.cells[Cell.DEATH_NS] = slot.death_ns
        try:
            child = generation.fork(slot.index, row.index, lambda _: self._changed(worker))
        except OSError as error:
            self._errors.say("error", f"worker {slot.index} cannot be forked: {error.strerror}")
            slot.again = self._loop.after(slot.backoff.failed(), lambda: self._try_again(slot))
            return None
        self._free.pop()
        worker = Worker(child, slot, generation, row)
        child.last_words = lambda go_on: self._last_words(worker, go_on)
        self._workers.add(worker)
        return worker

    def _last_words(self, worker: Worker, go_on: Callable[[], None]) -> None:
        """Log what a worker does that is about to be killed."""
        child = worker.child
        logged_s = self._loop.time() - worker.stacks_logged_at

        def told(stacks: str) -> None:
            doing = describe_work(worker.row, time.monotonic())
            text = f"{child.title} [{child.pid}] {child.reason}; it is killed, and with it {doing}\n{stacks}"
            self._errors.say("error", text)
            go_on()

        if logged_s < _STACKS_TOLD_S:
            self._loop.after(0.0, lambda: told(f"Its stacks of {logged_s:.1f} s ago are above."))
        else:
            self._stacks.take(child, told, force=True)

    # -- what happens to a worker ----------------------------------------------------------------------------

    def _changed(self, worker: Worker) -> None:
        state = worker.child.state
        worker.row.cells[Cell.STATE] = state
        worker.row.cells[Cell.PID] = worker.child.pid or 0
        if state is ChildState.READY:
            self._ready(worker)
        elif state is ChildState.GONE:
            self._gone(worker)

    def _ready(self, worker: Worker) -> None:
        slot, child = worker.slot, worker.child
        self.ever_ready = True
        worker.row.cells[Cell.READY_NS] = time.monotonic_ns()
        if not self._reaper.crashes.storm:
            self._errors.say("info", f"{child.title} [{child.pid}] is ready")
        self._events.add("ready", f"{child.title} is ready", slot=slot.index, pid=child.pid or 0)
        if child.pid is not None:
            self.oom.look(child.pid)
        self._loop.after(worker.generation.config.healthy_after_s, lambda: self._lived(worker))
        if slot.successor is worker:
            slot.successor = None
            old, slot.worker = slot.worker, worker
            if old is not None:
                text = f"generation {worker.generation.number} takes over"
                self._dismiss(old, Event.DRAIN, Cause.RELOAD, text)
        self._keeper.worker_ready(worker)
        self.reconcile()

    def _lived(self, worker: Worker) -> None:
        if worker.child.state is not ChildState.GONE:
            worker.slot.backoff.succeeded()

    def _gone(self, worker: Worker) -> None:
        self._workers.discard(worker)
        words = self._reaper.take_in(worker)
        slot = worker.slot
        if slot.successor is worker:
            slot.successor = None
        if slot.worker is worker:
            slot.worker, slot.successor = slot.successor, None
        if not worker.child.asked or worker.child.ready_at is None:
            self._fell(worker, words)
        if worker.cause is Cause.UNREADY and worker.child.pid is None:
            worker.generation.distrust(f"did not fork {worker.child.title}")
        self._keeper.records_left()
        self._keeper.worker_gone(worker)
        self.reconcile()

    def _fell(self, worker: Worker, cause: str) -> None:
        slot = worker.slot
        if self._closed or slot not in self.slots:
            return
        slot.death_ns = time.monotonic_ns()
        young = worker.child.died_young
        if young and not has_served(worker):
            delay_s = slot.backoff.failed()
        else:
            slot.backoff.succeeded()
            delay_s = self._pause_s(worker)
        if delay_s:
            slot.again = self._loop.after(delay_s, lambda: self._try_again(slot))
        number, requests = worker.generation.number, requests_on(worker.row)
        if young and not self._reaper.crashes.is_older_than(number, requests):
            self._keeper.worker_failed(worker, cause)
        if not self.ever_ready and slot.backoff.failures >= _HOPELESS_FAILURES:
            self._keeper.fleet_hopeless(f"{worker.child.title} {cause}")

    def _pause_s(self, worker: Worker) -> float:
        """Give how long the slot of a worker that has served stays empty: not at all, unless none serves and workers
        die as fast as they are made."""
        lived_s = 0.0 if worker.child.ready_at is None else time.monotonic() - worker.child.ready_at
        others = (slot.worker for slot in self.slots if slot.worker is not None)
        if lived_s >= FIRST_PAUSE_S or any(each.child.state is ChildState.READY for each in others):
            worker.slot.pause.succeeded()
            return 0.0
        return worker.slot.pause.failed()

    def _try_again(self, slot: Slot) -> None:
        slot.again = None
        self.reconcile()

    def _give_up_a_row(self, generation: Generation) -> bool:
        """Free the row of a dead worker whose records the log has not taken, unless the log is worth waiting for."""
        if generation.config.log_full == "wait":
            return False
        for worker in self._reaper.dead:
            if not self.half_written(worker.row):
                worker.row.discard_pending()
                self._keeper.records_left()
                return bool(self._free)
        return False

    # -- the dead --------------------------------------------------------------------------------------------

    def reap(self) -> list[bytes]:
        """Free the rows of the dead whose rings are empty; give a record for everything they were doing."""
        records, reaped = self._reaper.reap()
        if reaped and not self._free:
            self._loop.after(0.0, self.reconcile)  # it may have waited for a row
        self._free += (worker.row.index for worker in reaped)
        return records

    # -- an upgrade ------------------------------------------------------------------------------------------

    @property
    def has_dead(self) -> bool:
        """Whether there are dead whose records are not written yet."""
        return bool(self._reaper.dead)

    def keep(self, handoff: Handoff) -> dict[str, Any]:
        """Give it as JSON takes it, for the program that replaces the master's."""
        return {
            "wanted": self.wanted,
            "ever": [self.ever_ready, self.ever_ready],  # twice for programs that knew "healthy" beside it
            "slots": [self._keep_slot(slot) for slot in self.slots],
            "workers": [keep_worker(worker, handoff) for worker in self._workers],
        }

    def adopt(self, kept: Mapping[str, Any], generations: Mapping[int, Generation]) -> None:
        """Take on what `keep` gave (a fleet that is as it was made)."""
        self.wanted = kept["wanted"]
        self.ever_ready = kept["ever"][0]
        for entry in kept["slots"]:
            self.slots.append(self._adopt_slot(Slot(len(self.slots)), entry))
        for entry in kept["workers"]:
            self._adopt_worker(entry, generations[entry["generation"]])

    def _keep_slot(self, slot: Slot) -> dict[str, Any]:
        again_s = None if slot.again is None else slot.again.due - self._loop.time()
        return {"failures": slot.backoff.failures, "again_s": again_s}

    def _adopt_slot(self, slot: Slot, kept: Mapping[str, Any]) -> Slot:
        slot.backoff.failures = kept["failures"]
        if kept["again_s"] is not None:
            slot.again = self._loop.after(kept["again_s"], lambda: self._try_again(slot))
        return slot

    def _adopt_worker(self, kept: Mapping[str, Any], generation: Generation) -> None:
        slot = self.slots[kept["slot"]] if kept["place"] else Slot(kept["slot"])
        row = self._scoreboard.rows[kept["row"]]
        child = generation.resume_worker(kept["child"], lambda _: self._changed(worker))
        worker = Worker(child, slot, generation, row, kept["leaving"], kept["cause"] and Cause(kept["cause"]))
        child.last_words = lambda go_on: self._last_words(worker, go_on)
        if kept["place"] == "holder":
            slot.worker = worker
        elif kept["place"] == "successor":
            slot.successor = worker
        self._workers.add(worker)
        self._free.remove(row.index)
        if child.ready_at is not None:
            if child.pid is not None:
                self.oom.look(child.pid)
            left_s = generation.config.healthy_after_s - (time.monotonic() - child.ready_at)
            self._loop.after(max(0.0, left_s), lambda: self._lived(worker))

    # -- the end ---------------------------------------------------------------------------------------------

    def end(self, event: Event) -> None:
        """Let every worker have `event` (STOP or KILL); nothing is forked from here on."""
        self._closed = True
        for slot in self.slots:
            if slot.again is not None:
                slot.again.cancel()
        for worker in tuple(self._workers):
            self._dismiss(worker, event, Cause.STOP, "stopping")
