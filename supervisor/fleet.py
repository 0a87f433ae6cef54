"""The workers: so many slots, each held by one worker of the generation that is wanted.

Owns slots, workers and rows, and one idempotent step, `reconcile`, which brings what is nearer to what is
wanted: forks into empty slots, and replaces workers of another generation one slot at a time, the replacement
first. Reload, roll-back and scaling all are a changed wish and a `reconcile`; so will recycling be. Knows
nothing of settings, signals or log files. Runs in the master.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from .backoff import Backoff
from .board import CLOSED, LINE_BYTES, Board, Cell, MasterCell, Row
from .causes import describe
from .child import Child
from .errorlog import ErrorLog
from .eventloop import EventLoop, Timer
from .generation import Generation
from .states import ChildState, Event

__all__ = ["Fleet", "FleetKeeper", "Slot", "Worker", "capacity", "rows_for"]

_HOPELESS_FAILURES = 4
_LEAST_CAPACITY = 16


def rows_for(workers: int) -> int:
    """Give the rows of a board for so many workers: old and new live side by side during a reload."""
    return 2 * max(workers, _LEAST_CAPACITY) + 4


def capacity(board: Board) -> int:
    """Give how many workers the board has room for."""
    return (len(board.rows) - 4) // 2


@dataclass(slots=True, eq=False)
class Worker:
    """A worker and its place."""

    child: Child
    slot: Slot
    generation: Generation
    row: Row


@dataclass(slots=True, eq=False)
class Slot:
    """`worker` holds the slot; `successor` is booting to take it over."""

    index: int
    worker: Worker | None = None
    successor: Worker | None = None
    backoff: Backoff = field(default_factory=Backoff)
    again: Timer | None = None


class FleetKeeper(Protocol):
    """Who is told of the workers."""

    def fleet_settled(self) -> None:
        """Every slot is held by a READY worker of the generation wanted (told at every such `reconcile`)."""

    def worker_failed(self, worker: Worker, cause: str) -> None:
        """A worker died before READY or soon after."""

    def worker_gone(self, worker: Worker) -> None:
        """A worker has gone, however."""

    def fleet_hopeless(self, cause: str) -> None:
        """Several tries, and no worker was ever healthy."""

    def records_left(self) -> None:
        """A dead worker's rings, and the requests it took with it, are to be written."""


class Fleet:
    """`wanted` workers of generation `target`; change either and `reconcile`."""

    def __init__(self, loop: EventLoop, board: Board, errors: ErrorLog, keeper: FleetKeeper) -> None:
        self.wanted = 0
        self.target: Generation | None = None
        self.slots: list[Slot] = []
        self._loop = loop
        self._board = board
        self._errors = errors
        self._keeper = keeper
        self._workers: set[Worker] = set()
        self._mourned: list[Worker] = []
        self._free = [row.index for row in reversed(board.rows)]
        self._ever_healthy = False
        self._closed = False

    # -- what is ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._workers)

    def rows(self) -> Iterator[Row]:
        """Give the rows whose rings may hold records: of the living, and of the dead not buried yet."""
        for worker in (*self._workers, *self._mourned):
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
        self._board.master[MasterCell.WORKERS] = self.wanted
        self._resize()
        for slot in self.slots:
            if slot.worker is None and slot.successor is None and slot.again is None:
                slot.worker = self._fork(slot, target)
        if not any(slot.successor for slot in self.slots):
            for slot in self.slots:
                if slot.worker is not None and slot.worker.generation is not target and slot.again is None:
                    slot.successor = self._fork(slot, target)
                    break
        if all(_serves(slot, target) for slot in self.slots):
            self._keeper.fleet_settled()

    def _resize(self) -> None:
        while len(self.slots) < self.wanted:
            self.slots.append(Slot(len(self.slots)))
        while len(self.slots) > self.wanted:
            slot = self.slots.pop()
            if slot.again is not None:
                slot.again.cancel()
            for worker in (slot.worker, slot.successor):
                if worker is not None:
                    worker.child.feed(Event.DRAIN)

    def _fork(self, slot: Slot, generation: Generation) -> Worker | None:
        if not generation.can_fork or not self._free:
            return None  # its being ready, or the burial that frees a row, brings us here again
        row = self._board.rows[self._free[-1]]
        row.cells[Cell.GENERATION] = generation.number
        row.cells[Cell.SLOT] = slot.index
        row.cells[Cell.STATE] = ChildState.BOOT
        row.cells[Cell.STARTED_NS] = time.monotonic_ns()
        try:
            child = generation.fork(slot.index, row.index, lambda _: self._changed(worker))
        except OSError as error:
            self._errors.say("error", f"worker {slot.index} cannot be forked: {error.strerror}")
            slot.again = self._loop.after(slot.backoff.failed(), lambda: self._try_again(slot))
            return None
        self._free.pop()
        worker = Worker(child, slot, generation, row)
        self._workers.add(worker)
        return worker

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
        slot = worker.slot
        worker.row.cells[Cell.READY_NS] = time.monotonic_ns()
        self._errors.say("info", f"{worker.child.title} [{worker.child.pid}] is ready")
        self._loop.after(worker.generation.config.healthy_after_s, lambda: self._lived(worker))
        if slot.successor is worker:
            slot.successor = None
            old, slot.worker = slot.worker, worker
            if old is not None:
                old.child.feed(Event.DRAIN)
        self.reconcile()

    def _lived(self, worker: Worker) -> None:
        if worker.child.state is not ChildState.GONE:
            self._ever_healthy = True
            worker.slot.backoff.succeeded()

    def _gone(self, worker: Worker) -> None:
        self._workers.discard(worker)
        self._board.load[worker.row.index] = CLOSED
        self._mourned.append(worker)
        self._board.master[MasterCell.DEATHS] += not worker.child.asked
        cause = self._say_cause(worker)
        slot = worker.slot
        if slot.successor is worker:
            slot.successor = None
        if slot.worker is worker:
            slot.worker, slot.successor = slot.successor, None
        if not worker.child.asked or worker.child.ready_at is None:
            self._fell(worker, cause)
        self._keeper.records_left()
        self._keeper.worker_gone(worker)
        self.reconcile()

    def _say_cause(self, worker: Worker) -> str:
        child = worker.child
        cause = child.reason or describe(child.status)
        if child.pid is None:
            cause = "could not be forked"
        orderly = child.status == 0 or (child.asked and not child.reason)
        self._errors.say("info" if orderly else "error", f"{child.title} [{child.pid or '?'}] {cause}")
        return cause

    def _fell(self, worker: Worker, cause: str) -> None:
        slot = worker.slot
        if self._closed or slot not in self.slots:
            return
        if not worker.child.died_young:
            slot.backoff.succeeded()
            return
        delay_s = slot.backoff.failed()
        slot.again = self._loop.after(delay_s, lambda: self._try_again(slot))
        self._keeper.worker_failed(worker, cause)
        if not self._ever_healthy and slot.backoff.failures >= _HOPELESS_FAILURES:
            self._keeper.fleet_hopeless(f"{worker.child.title} {cause}")

    def _try_again(self, slot: Slot) -> None:
        slot.again = None
        self.reconcile()

    # -- the dead --------------------------------------------------------------------------------------------

    def bury(self) -> list[bytes]:
        """Free the rows of the dead whose rings are empty; give a record for everything they were doing."""
        records: list[bytes] = []
        for worker in [worker for worker in self._mourned if not worker.row.pending_bytes]:
            self._mourned.remove(worker)
            records += self._lost_records(worker)
            self._board.retire(worker.row)
            self._free.append(worker.row.index)
        self._board.master[MasterCell.KILLED_REQUESTS] += len(records)
        return records

    def _lost_records(self, worker: Worker) -> Iterator[bytes]:
        for line in worker.row.lines:
            started = line.start[0]
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

    # -- the end ---------------------------------------------------------------------------------------------

    def end(self, event: Event) -> None:
        """Let every worker have `event` (STOP or KILL); nothing is forked from here on."""
        self._closed = True
        for slot in self.slots:
            if slot.again is not None:
                slot.again.cancel()
        for worker in tuple(self._workers):
            worker.child.feed(event)


def _serves(slot: Slot, target: Generation) -> bool:
    worker = slot.worker
    return worker is not None and worker.generation is target and worker.child.state is ChildState.READY
