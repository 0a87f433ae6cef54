"""How long a slot stays empty after its worker has died.

A worker that served is replaced at once, so that a request that crashes workers costs nothing but itself; only if every
slot dies as fast as it is filled there is a pause of 0.05 to 0.2 s. A worker that never served may not be able to: the
next try waits 0.1 s, and ever longer, up to 30 s. Owns that rule; the counts are the slot's. Used by `fleet`, in the
master.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..processes.states import ChildState
from ..scoreboard.layout import Cell
from .worker import SHORT_LIFE_S, Slot, Worker

__all__ = ["has_served", "pause_s"]


def pause_s(worker: Worker, slots: Sequence[Slot]) -> float:
    """Return how long the slot of a worker that died without being asked to stays empty, 0 for not at all, and count
    the death. `slots` are those of all workers."""
    slot, child = worker.slot, worker.child
    if child.died_young and not has_served(worker):
        return slot.backoff.failed()
    slot.backoff.succeeded()
    lived_s = 0.0 if child.ready_at is None else time.monotonic() - child.ready_at
    others = (each.worker for each in slots if each.worker is not None)
    if lived_s >= SHORT_LIFE_S or any(each.child.state is ChildState.READY for each in others):
        slot.pause.succeeded()
        return 0.0
    return slot.pause.failed()


def has_served(worker: Worker) -> bool:
    """Return whether clients reached this worker: it answered a request, or died while it had one."""
    row = worker.row
    if worker.child.ready_at is None:
        return False
    return bool(row.cells[Cell.ACCEPTED] or row.answered or any(row.starts()))
