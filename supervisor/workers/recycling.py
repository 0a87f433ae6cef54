"""Recycling: workers that have served enough, lived long enough or grown too large are replaced, one at a time.

Owns the limit of each worker (with jitter, so that they do not reach theirs at the same time) and the measuring of
memory, which the scoreboard shows. The next worker is recycled when the last one has gone, so there is never more than
one process too many. Knows nothing of how a worker is replaced. Called by the watchdog's timer, in the master.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..eventloop import EventLoop
from ..events import Events
from ..processes.causes import Cause
from ..processes.states import ChildState
from ..scoreboard.layout import Cell
from ..scoreboard.untrusted import counts
from .fleet import Fleet
from .memory import private_bytes
from .worker import Worker

__all__ = ["Recycling"]

_MEASURE_S = 1.0  # between two measurings, each of the next worker in turn
_MEASURE_ALL_S = 2.0  # for all workers to be measured once, where memory is limited


@dataclass(slots=True)
class _Term:
    """What a worker may do: `requests` at most, 0 for any number; `since` is when it became READY, in the loop's
    time."""

    requests: int
    since: float


class Recycling:
    """`paused` returns True while no worker is to be recycled, as a reload replaces them."""

    def __init__(self, loop: EventLoop, fleet: Fleet, events: Events, paused: Callable[[], bool]) -> None:
        self._fleet = fleet
        self._events = events
        self._paused = paused
        self._terms: dict[Worker, _Term] = {}
        self._measured_at = loop.time()
        self._turn = 0

    def check(self, workers: Sequence[Worker], now: float) -> None:
        """Measure the memory of some workers, and have one replaced if it is due. `workers` are those that serve or
        drain, `now` is the loop's time."""
        self._terms = {worker: self._terms.get(worker) or _term(worker, now) for worker in workers}
        self._measure(workers, now)
        if self._paused() or any(worker.cause is Cause.RECYCLE for worker in self._fleet):
            return
        for worker in workers:
            if worker.child.state is not ChildState.READY or worker.leaving:
                continue
            reason = self._reason(worker, now)
            if reason and self._fleet.replace(worker, Cause.RECYCLE, f"recycled: {reason}"):
                text = f"{worker.child.title} is recycled: {reason}"
                self._events.add("recycle", text, slot=worker.slot.index, pid=worker.child.pid or 0)
                return

    def _reason(self, worker: Worker, now: float) -> str:
        """Return why a worker is to be recycled, "" if it is not."""
        config, term, row = worker.generation.config, self._terms[worker], worker.row
        memory_bytes = row.count(Cell.MEMORY_BYTES)
        if 0 < config.max_memory_bytes < memory_bytes:
            limit_mb = config.max_memory_bytes / 2**20
            return f"{memory_bytes / 2**20:.1f} MB of memory of its own, the limit is {limit_mb:.1f} MB"
        if 0 < config.max_lifetime_s < now - term.since:
            return f"{now - term.since:.0f} s old, the limit is {config.max_lifetime_s:g} s"
        if term.requests:
            served = sum(counts(row.lead.latency)) + sum(counts(row.pool.latency))
            if served >= term.requests:
                return f"{served} requests served, the limit is {term.requests}"
        return ""

    def _measure(self, workers: Sequence[Worker], now: float) -> None:
        """Measure the next workers in turn: one a second, or so many that a limit is noticed in time."""
        passed_s = now - self._measured_at
        limited = any(worker.generation.config.max_memory_bytes for worker in workers)
        if not limited and passed_s < _MEASURE_S:
            return
        self._measured_at = now
        wanted = max(1, round(len(workers) * passed_s / _MEASURE_ALL_S)) if limited else 1
        in_turn = sorted(workers, key=lambda worker: worker.row.index)
        for _ in range(min(wanted, len(in_turn))):
            self._turn = (self._turn + 1) % len(in_turn)
            worker = in_turn[self._turn]
            if worker.child.pid is not None:
                worker.row.cells[Cell.MEMORY_BYTES] = private_bytes(worker.child.pid)
                self._fleet.oom.look(worker.child.pid)


def _term(worker: Worker, now: float) -> _Term:
    config = worker.generation.config
    jitter = random.randint(0, config.max_requests_jitter)
    age_s = 0.0 if worker.child.ready_at is None else time.monotonic() - worker.child.ready_at
    return _Term(config.max_requests + jitter if config.max_requests else 0, now - age_s)
