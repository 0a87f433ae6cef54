"""The workers: so many slots, each held by one worker of the generation that is wanted.

Owns slots, workers and free rows, and one idempotent step, `reconcile`, which brings what is there nearer to what is
wanted. It forks workers into empty slots, and replaces workers one slot at a time, the replacement first, if they are
of another generation, hang, have served enough, or an operator drains them. Slots that are too many drain at once,
without a replacement. Callers say what they want by `set_target` (a reload, its undoing, scaling) and `replace`. Knows
nothing of settings, signals or log files, nor of how a hang is found. Runs in the master.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..descriptors import DescriptorHandoff
from ..processes.causes import Cause
from ..processes.stacks import Stacks
from ..processes.states import ChildState, Event
from ..scoreboard.layout import Cell, MasterCell
from ..scoreboard.row import Row
from ..services import Services
from .crashes import requests_on
from .generation import Generation
from .memory import OomWatch
from .pauses import pause_s
from .reaping import Reaper
from .worker import Slot, Worker, serves, urgency

__all__ = ["Fleet", "Hooks"]

_HOPELESS_FAILURES = 4


def _nothing(*_: object) -> None:
    """The default of a hook."""


@dataclass(slots=True)
class Hooks:
    """What the fleet calls, in the master's loop, when something has happened to its workers."""

    settled: Callable[[], object] = _nothing
    """Every slot is held by a READY worker of the generation that is wanted; called at every such `reconcile`."""
    worker_ready: Callable[[Worker], object] = _nothing
    worker_failed: Callable[[Worker, str], object] = _nothing
    """A worker died before READY or soon after; with the cause in words."""
    worker_gone: Callable[[Worker], object] = _nothing
    """A worker has died, whatever of."""
    hopeless: Callable[[str], object] = _nothing
    """No worker ever became READY, in several tries; with the cause of the last death."""
    records_left: Callable[[], object] = _nothing
    """A dead worker left records in its rings, and requests unfinished: they are to be written."""


class Fleet:
    """`wanted` workers of generation `target`. Iterating gives all workers that have not died, also those that
    drain."""

    def __init__(self, services: Services, stacks: Stacks, hooks: Hooks) -> None:
        self.slots: list[Slot] = []
        self.oom = OomWatch()
        """`look` is to be called now and then for workers that live."""
        self.ever_ready = False
        """Whether a worker was ever READY."""
        self.half_written: Callable[[Row], bool] = lambda _: False
        """Returns whether the last record of this row in the access log is incomplete: the row must be kept then."""
        self._wanted = 0
        self._target: Generation | None = None
        self._loop = services.loop
        self._scoreboard = services.scoreboard
        self._errors = services.errors
        self._events = services.events
        self._hooks = hooks
        self._reaper = Reaper(services, stacks, self.oom)
        self._workers: set[Worker] = set()
        self._free = [row.index for row in reversed(services.scoreboard.rows)]
        self._closed = False

    # -- what is there ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._workers)

    def __iter__(self) -> Iterator[Worker]:
        return iter(tuple(self._workers))

    @property
    def wanted(self) -> int:
        """How many workers are wanted."""
        return self._wanted

    @property
    def target(self) -> Generation | None:
        """The generation whose workers are wanted; None before the first one has loaded."""
        return self._target

    @property
    def closed(self) -> bool:
        """Whether `end` was called: nothing is forked any more."""
        return self._closed

    @property
    def has_dead_rows(self) -> bool:
        """Whether rows of dead workers are not free yet, as their records are not written."""
        return bool(self._reaper.dead)

    def find(self, index: int) -> Worker | None:
        """Return the worker that holds a slot, None if there is none."""
        return self.slots[index].worker if 0 <= index < len(self.slots) else None

    def rows(self) -> Iterator[Row]:
        """Give the rows whose rings may hold records: of workers that live, and of dead ones that are not reaped
        yet."""
        for worker in (*self._workers, *self._reaper.dead):
            yield worker.row

    def generations(self) -> set[Generation]:
        """Return the generations that have workers."""
        return {worker.generation for worker in self._workers}

    # -- towards what is wanted ------------------------------------------------------------------------------

    def set_target(self, generation: Generation | None, wanted: int) -> None:
        """Want so many workers of this generation, and take the first steps towards that. Nothing is forked as long as
        the generation is None."""
        self._target, self._wanted = generation, wanted
        self.reconcile()

    def reconcile(self) -> None:
        """Take every step towards what is wanted that can be taken now."""
        target = self._target
        if self._closed or target is None:
            return
        self._scoreboard.master[MasterCell.WORKERS] = self._wanted
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
            self._hooks.settled()

    def replace(self, worker: Worker, cause: Cause, reason: str) -> bool:
        """Have another worker take over from this one, once no other slot is being replaced: when the other is READY,
        this one is told to DRAIN. Return False if this one is ending already, or not READY yet. `reason` is for the
        log."""
        can_serve = worker.child.state in (ChildState.READY, ChildState.STUCK)
        if self._closed or worker.slot.worker is not worker or not can_serve:
            return False
        if not worker.leaving or cause is Cause.HANG:
            worker.cause, worker.leaving = cause, reason
        self.reconcile()
        return True

    def end_pauses(self) -> None:
        """Have slots that stay empty for a while, as their workers died, filled at the next `reconcile`."""
        for slot in self.slots:
            slot.end_pause()

    def _resize(self) -> None:
        while len(self.slots) < self._wanted:
            self.slots.append(Slot(len(self.slots)))
        while len(self.slots) > self._wanted:
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
            return None  # tried again when the generation is ready, or the reaper has freed a row
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
        self._add(worker)
        return worker

    def _add(self, worker: Worker) -> None:
        worker.child.last_words = lambda done: self._reaper.log_last_words(worker, done)
        self._workers.add(worker)

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
        self._loop.after(worker.generation.config.healthy_after_s, lambda: self._is_healthy(worker))
        if slot.successor is worker:
            slot.successor = None
            old, slot.worker = slot.worker, worker
            if old is not None:
                text = f"generation {worker.generation.number} takes over"
                self._dismiss(old, Event.DRAIN, Cause.RELOAD, text)
        self._hooks.worker_ready(worker)
        self.reconcile()

    def _is_healthy(self, worker: Worker) -> None:
        if worker.child.state is not ChildState.GONE:
            worker.slot.backoff.succeeded()

    def _gone(self, worker: Worker) -> None:
        self._workers.discard(worker)
        cause = self._reaper.note_death(worker)
        slot = worker.slot
        if slot.successor is worker:
            slot.successor = None
        if slot.worker is worker:
            slot.worker, slot.successor = slot.successor, None
        unasked = not worker.child.asked or worker.child.ready_at is None
        unexpected = unasked and not self._closed and slot in self.slots
        to_blame = unexpected and self._pause_slot(worker)
        if worker.cause is Cause.UNREADY and worker.child.pid is None:
            worker.generation.replace_zygote(f"did not fork {worker.child.title}")
        self._hooks.records_left()
        self._hooks.worker_gone(worker)
        if to_blame:
            self._hooks.worker_failed(worker, cause)
        if unexpected and not self.ever_ready and slot.backoff.failures >= _HOPELESS_FAILURES:
            self._hooks.hopeless(f"{worker.child.title} {cause}")
        self.reconcile()

    def _pause_slot(self, worker: Worker) -> bool:
        """Have the slot of a worker that died without being asked to stay empty for a while, if need be. Return whether
        its generation may be to blame: it died young, and not of a request that killed workers of older ones."""
        slot = worker.slot
        slot.death_ns = time.monotonic_ns()
        delay_s = pause_s(worker, self.slots)
        if delay_s:
            slot.again = self._loop.after(delay_s, lambda: self._try_again(slot))
        known = self._reaper.crashes.killed_older_workers(worker.generation.number, requests_on(worker.row))
        return worker.child.died_young and not known

    def _try_again(self, slot: Slot) -> None:
        slot.again = None
        self.reconcile()

    def _give_up_a_row(self, generation: Generation) -> bool:
        """Free the row of a dead worker whose records the log has not taken, and lose them; return whether one is free
        now. Nothing is lost if the settings say that workers wait for the log."""
        if generation.config.log_full == "wait":
            return False
        for worker in self._reaper.dead:
            if not self.half_written(worker.row):
                worker.row.discard_pending()
                self._hooks.records_left()
                return bool(self._free)
        return False

    def free_rows(self) -> list[bytes]:
        """Free the rows of dead workers whose rings are empty; return a record for each request that died with them."""
        records, gone = self._reaper.free_rows()
        if gone and not self._free:
            self._loop.after(0.0, self.reconcile)  # a slot may have waited for a row
        self._free += (worker.row.index for worker in gone)
        return records

    # -- an upgrade ------------------------------------------------------------------------------------------

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it."""
        return {
            "wanted": self._wanted,
            "ever": [self.ever_ready, self.ever_ready],  # twice for programs that knew "healthy" beside it
            "slots": [slot.keep(self._loop.time()) for slot in self.slots],
            "workers": [worker.keep(handoff) for worker in self._workers],
        }

    def restore(self, state: Mapping[str, Any], generations: Mapping[int, Generation], target: Generation) -> None:
        """Set what `keep` returned, in a new fleet (in the program that took over); `reconcile` is to follow."""
        self._target, self._wanted = target, state["wanted"]
        self.ever_ready = state["ever"][0]
        for entry in state["slots"]:
            self.slots.append(self._restore_slot(Slot(len(self.slots)), entry))
        for entry in state["workers"]:
            self._restore_worker(entry, generations[entry["generation"]])

    def _restore_slot(self, slot: Slot, state: Mapping[str, Any]) -> Slot:
        slot.backoff.failures = state["failures"]
        if state["again_s"] is not None:
            slot.again = self._loop.after(state["again_s"], lambda: self._try_again(slot))
        return slot

    def _restore_worker(self, state: Mapping[str, Any], generation: Generation) -> None:
        slot = self.slots[state["slot"]] if state["place"] else Slot(state["slot"])
        row = self._scoreboard.rows[state["row"]]
        child = generation.resume_worker(state["child"], lambda _: self._changed(worker))
        worker = Worker(child, slot, generation, row, state["leaving"], state["cause"] and Cause(state["cause"]))
        if state["place"] == "holder":
            slot.worker = worker
        elif state["place"] == "successor":
            slot.successor = worker
        self._add(worker)
        self._free.remove(row.index)
        if child.ready_at is not None:
            if child.pid is not None:
                self.oom.look(child.pid)
            left_s = generation.config.healthy_after_s - (time.monotonic() - child.ready_at)
            self._loop.after(max(0.0, left_s), lambda: self._is_healthy(worker))

    # -- the end ---------------------------------------------------------------------------------------------

    def end(self, event: Event) -> None:
        """Let every worker have `event` (STOP or KILL); nothing is forked from here on."""
        self._closed = True
        for slot in self.slots:
            if slot.again is not None:
                slot.again.cancel()
        for worker in tuple(self._workers):
            self._dismiss(worker, event, Cause.STOP, "stopping")
