"""A worker and its slot, as the master keeps them, and what can be said of them.

Owns their fields and how many of them a scoreboard holds. Decides nothing: `fleet` does. Runs in the master.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..eventloop import Timer
from ..processes.backoff import Backoff
from ..processes.causes import Cause
from ..processes.child import Child
from ..processes.states import ChildState
from ..scoreboard.layout import Cell
from ..scoreboard.row import Row
from ..scoreboard.scoreboard import Scoreboard
from .generation import Generation

if TYPE_CHECKING:
    from ..upgrade.handoff import Handoff

__all__ = [
    "FIRST_PAUSE_S",
    "Slot",
    "Worker",
    "capacity",
    "has_served",
    "keep_worker",
    "rows_for",
    "serves",
    "urgency",
]

FIRST_PAUSE_S = 0.05
"""Before a worker that has served is replaced, if no slot serves and it lived no longer than this."""

_LONGEST_PAUSE_S = 0.2  # with jitter and a fork no outage is longer than 0.3 s
_LEAST_CAPACITY = 16


def rows_for(workers: int) -> int:
    """Give the rows of a scoreboard for so many workers: old and new live side by side during a reload."""
    return 2 * max(workers, _LEAST_CAPACITY) + 4


def capacity(scoreboard: Scoreboard) -> int:
    """Give how many workers the scoreboard has room for."""
    return (len(scoreboard.rows) - 4) // 2


@dataclass(slots=True, eq=False)
class Worker:
    """A worker and its place."""

    child: Child
    slot: Slot
    generation: Generation
    row: Row
    leaving: str = ""
    """Why it is to be replaced, or to end."""
    cause: Cause | None = None
    """The kind of that; once it has died, of its death."""
    stacks_logged_at: float = -math.inf
    """When all its stacks went to the log last, by the loop's time."""


@dataclass(slots=True, eq=False)
class Slot:
    """`worker` holds the slot; `successor` is booting to take it over."""

    index: int
    worker: Worker | None = None
    successor: Worker | None = None
    backoff: Backoff = field(default_factory=Backoff)
    """For workers that never served."""
    pause: Backoff = field(default_factory=lambda: Backoff(FIRST_PAUSE_S, _LONGEST_PAUSE_S))
    """For those that did, while no other slot serves."""
    again: Timer | None = None
    death_ns: int = 0
    """time.monotonic_ns() when a worker of this slot died by itself; 0 if none did."""


def keep_worker(worker: Worker, handoff: Handoff) -> dict[str, Any]:
    """Give it as JSON takes it, for the program that replaces the master's."""
    slot = worker.slot
    place = "holder" if slot.worker is worker else "successor" if slot.successor is worker else ""
    return {
        "child": worker.child.keep(handoff),
        "slot": slot.index,
        "place": place,
        "generation": worker.generation.number,
        "row": worker.row.index,
        "leaving": worker.leaving,
        "cause": worker.cause,
    }


def has_served(worker: Worker) -> bool:
    """Return whether clients reached this worker: it answered something, or died of its first request."""
    row = worker.row
    if worker.child.ready_at is None:
        return False
    return bool(row.cells[Cell.ACCEPTED] or row.answered or any(row.starts()))


def urgency(slot: Slot, target: Generation) -> int:
    """Say how soon a slot's worker is to be replaced: 0 is not at all."""
    worker = slot.worker
    if worker is None:
        return 0
    if worker.cause is Cause.HANG:
        return 3
    return 2 if worker.generation is not target else int(bool(worker.leaving))


def serves(slot: Slot, target: Generation) -> bool:
    """Return whether a READY worker of `target` holds the slot."""
    worker = slot.worker
    return worker is not None and worker.generation is target and worker.child.state is ChildState.READY
