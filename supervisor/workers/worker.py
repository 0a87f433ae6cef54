"""A worker and its slot, as the master keeps them, and what follows from their fields.

Owns these fields, and how many workers a scoreboard has room for. Decides nothing: `fleet` does. Runs in the master.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ..descriptors import DescriptorHandoff
from ..eventloop import Timer
from ..processes.backoff import Backoff
from ..processes.causes import Cause
from ..processes.child import Child
from ..processes.states import ChildState
from ..scoreboard.row import Row
from ..scoreboard.scoreboard import Scoreboard
from .generation import Generation

__all__ = ["SHORT_LIFE_S", "Slot", "Worker", "capacity", "rows_for", "serves", "urgency"]

_LEAST_CAPACITY = 16
SHORT_LIFE_S = 0.05
"""A worker that served, and lived no longer than this, is replaced after a pause, if no other slot serves."""

_LONGEST_PAUSE_S = 0.2  # with jitter and a fork, an outage is at most 0.3 s


def rows_for(workers: int) -> int:
    """Return how many rows a scoreboard for so many workers needs: during a reload old and new live side by side."""
    return 2 * max(workers, _LEAST_CAPACITY) + 4


def capacity(scoreboard: Scoreboard) -> int:
    """Return how many workers the scoreboard has room for."""
    return (len(scoreboard.rows) - 4) // 2


@dataclass(slots=True, eq=False)
class Worker:
    """A worker and its place."""

    child: Child
    slot: Slot
    generation: Generation
    row: Row
    leaving: str = ""
    """Why it is to be replaced, or to end; "" if it is not."""
    cause: Cause | None = None
    """The kind of that reason; once it has died, the cause of its death."""
    stacks_logged_at: float = -math.inf
    """When all its stacks were logged last, in the loop's time."""

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it."""
        slot = self.slot
        place = "holder" if slot.worker is self else "successor" if slot.successor is self else ""
        return {
            "child": self.child.keep(handoff),
            "slot": slot.index,
            "place": place,
            "generation": self.generation.number,
            "row": self.row.index,
            "leaving": self.leaving,
            "cause": self.cause,
        }


@dataclass(slots=True, eq=False)
class Slot:
    """`worker` holds the slot; `successor` is booting to take it over."""

    index: int
    worker: Worker | None = None
    successor: Worker | None = None
    backoff: Backoff = field(default_factory=Backoff)
    """Between tries, as long as its workers die before they have served."""
    pause: Backoff = field(default_factory=lambda: Backoff(SHORT_LIFE_S, _LONGEST_PAUSE_S))
    """Between workers that did serve, while no other slot serves."""
    again: Timer | None = None
    """Runs while the slot stays empty on purpose."""
    death_ns: int = 0
    """time.monotonic_ns() when a worker of this slot last died without being asked to; 0 if none did."""

    def keep(self, now_s: float) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it; `now_s` is the loop's time."""
        again_s = None if self.again is None else self.again.due - now_s
        return {"failures": self.backoff.failures, "again_s": again_s}

    def end_pause(self) -> None:
        """Have the slot filled at the next `Fleet.reconcile`."""
        if self.again is not None:
            self.again.cancel()
            self.again = None


def urgency(slot: Slot, target: Generation) -> int:
    """Return how urgently a slot's worker is to be replaced by one of `target`, 0 for not at all: the highest is
    replaced first."""
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
