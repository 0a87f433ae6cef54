"""Owns what the worker learns of each handler's pace, and the gate that computing handlers pass; no sockets.

A handler and method is quick (runs on the leader), waiting (runs on a pool thread) or computing (a pool thread, few at
a time). `Probe` measures a run; `Work` is written without a lock by several threads: a sample lost to a race only
delays what is learned.
"""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections import deque
from typing import Any

__all__ = ["COMPUTING", "HEATED", "QUICK", "SAMPLED", "SUSPECT_S", "WAITING", "Gate", "PaceTable", "Probe", "Work"]

QUICK, WAITING, COMPUTING = range(3)

SUSPECT_S = 0.0002  # a handler slower than this is worth sampling
HEATED = 8  # slow answers, less quick ones, before a quick handler is sampled
SAMPLED = 16  # of the runs on the pool one in so many is measured, as that costs 5 µs
_COMPUTES_S = 0.0005  # more CPU time than this per request: computing
_SETTLED = 8  # samples before they decide anything
_TRUST = 16  # calm samples in a row that bring a handler back to the leader; doubled by every relapse
_LONGEST_TRUST = 1 << 17
# The interpreter's switch interval: how long a thread may wait for the GIL behind one that takes it back at once, as
# the leader does around each system call. A waiting route beside a quick one keeps 0.89 of its rate and lets through
# 66,000 quick answers a second; with 0.5 ms 0.86 and 54,000, with 0.1 ms 0.75 and 54,000. By themselves, waiting
# routes cost the same with each, as their threads do not interrupt one another (policy.py).
_SWITCH_S = 0.0002
_COMPUTING_SWITCH_S = 0.001  # while handlers compute: each switch then costs one of them its cache
_WEIGHT = 0.2  # of a new sample in the running means


class Probe:
    """Measures one run on the thread that makes it.

    Only a thread that gave up its CPU of its own accord has waited: one that was preempted, by another process or by
    the hypervisor, has not, however long it took. The kernel counts the two apart (getrusage(2), ru_nvcsw).
    """

    __slots__ = ("_began_s", "_cpu_s", "_switches")

    def __init__(self) -> None:
        self._switches = _voluntary_switches()
        self._cpu_s = time.thread_time()
        self._began_s = time.monotonic()

    def end(self) -> tuple[float, float]:
        """Return wall time, less the time of preemption, and CPU time; both in seconds."""
        wall_s = time.monotonic() - self._began_s
        cpu_s = time.thread_time() - self._cpu_s
        return (wall_s if _voluntary_switches() != self._switches else cpu_s), cpu_s


if hasattr(resource, "RUSAGE_THREAD"):

    def _voluntary_switches() -> int:
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

else:  # macOS: every slow run counts as a wait
    _voluntary_switches = iter(range(sys.maxsize)).__next__


class Work:
    """What is known of one handler and method."""

    __slots__ = ("_calm", "_low_s", "_seen", "_trust", "cpu_s", "heat", "kind", "runs", "wall_s")

    def __init__(self) -> None:
        self.kind = QUICK
        self.heat = 0  # of a quick handler; from HEATED on each run is measured
        self.runs = 0  # on the pool
        self.wall_s = self.cpu_s = 0.0
        self._seen = self._calm = 0
        self._trust = _TRUST
        self._low_s = 1e9

    def warm(self, seconds: float, others_compute: int) -> None:
        """Note how long something quick took; what the loop does in place for the plainest answers."""
        if seconds > SUSPECT_S:
            if self.heat < HEATED and not others_compute:
                self.heat += 1
        elif 0 < self.heat < HEATED:
            self.heat -= 1

    def wants_sample(self) -> bool:
        """Return whether the run on the pool that is about to begin is to be measured."""
        self.runs += 1
        return self._seen < 2 * _SETTLED or self.runs % SAMPLED == 0

    def sample(self, wall_s: float, cpu_s: float, starved: bool) -> None:
        """Learn from one run; starved: other threads computed meanwhile, so wall time says little."""
        weight = _WEIGHT if self._seen else 1.0
        self._seen += 1
        self.wall_s += weight * (wall_s - self.wall_s)
        self.cpu_s += weight * (cpu_s - self.cpu_s)
        calm = wall_s < SUSPECT_S or (starved and cpu_s < SUSPECT_S)
        self._calm = self._calm + 1 if calm else 0
        if self._seen < _SETTLED:
            return
        if self.kind != QUICK and self._calm >= self._trust:
            self._become_quick()
        elif self.cpu_s > _COMPUTES_S:
            if self.kind != COMPUTING:
                self.kind = COMPUTING
                self._low_s = 1e9
            self._low_s = min(self._low_s * 1.0005, wall_s)
        elif self.kind == COMPUTING or (self.kind == QUICK and self.wall_s - self.cpu_s > SUSPECT_S / 2):
            self._leave_the_lead()
        elif self.kind == QUICK and self.wall_s < SUSPECT_S:
            self.heat = self._seen = 0

    def found_waiting(self) -> None:
        """Learn that the leader was found asleep in this handler."""
        self._leave_the_lead()

    def found_busy(self) -> None:
        """Learn that the leader was found in this handler for long, and not asleep: measure it from now on."""
        self.heat = HEATED

    def share(self) -> float:
        """Return the part of a CPU that a run of this handler keeps busy: CPU time over the least wall time seen."""
        return min(1.0, self.cpu_s / self._low_s) if self._low_s < 1e9 else 1.0

    def _leave_the_lead(self) -> None:
        self.kind = WAITING
        self._seen = self._calm = 0

    def _become_quick(self) -> None:
        self.kind = QUICK
        self.heat = self._seen = self._calm = 0
        self._trust = min(2 * self._trust, _LONGEST_TRUST)


class PaceTable:
    """The `Work` of every handler and method; where one route stands for many paths, of their first segments too."""

    __slots__ = ("_works",)

    _MAX_ENTRIES = 512  # entries; beyond them the paths of a catch-all route share one per method

    def __init__(self) -> None:
        self._works: dict[tuple[Any, ...], Work] = {}

    def find(self, route: Any, method: str, resource: str) -> Work:
        """Return the work of `method` on `resource` by `route` (a `routes.Route`)."""
        segments = route.telling_segments
        if segments:
            path = resource.partition("?")[0]
            fine = (route, method, *path.split("/", segments + 1)[: segments + 1])
            work = self._works.get(fine)
            if work is not None:
                return work
            if len(self._works) < self._MAX_ENTRIES:
                work = self._works[fine] = Work()
                return work
        work = self._works.get((route, method))
        if work is None:
            work = self._works[route, method] = Work()
        return work


def _cpus_to_fill() -> int:
    """Return how many CPUs Python threads of one process can use at once: one under the GIL (PEP 703)."""
    gil = getattr(sys, "_is_gil_enabled", None)
    if gil is None or gil():
        return 1
    import os

    return os.cpu_count() or 1


class Gate:
    """Lets computing handlers run while their shares fit the CPU, and queues the others in order.

    The leader enters, pool threads leave: under a lock, which only computing handlers ever touch.
    """

    __slots__ = ("_load", "_lock", "_room", "_waiting", "running")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Work, Any]] = deque()
        self._load = 0.0
        self._room = _cpus_to_fill() + 0.05
        self.running = 0  # computing handlers that run now; read without the lock
        sys.setswitchinterval(_SWITCH_S)

    def enter(self, work: Work, task: Any) -> float:
        """Return the share taken for `task`, which may run now; 0.0 if it has been queued."""
        with self._lock:
            share = work.share()
            if self._waiting or (self.running and self._load + share > self._room):
                self._waiting.append((work, task))
                return 0.0
            return self._take(share)

    def leave(self, share: float) -> list[tuple[float, Any]]:
        """Give a share back. Returns the tasks that may run now, each with the share taken for it."""
        let_in = []
        with self._lock:
            self.running -= 1
            if not self.running:
                sys.setswitchinterval(_SWITCH_S)
            self._load = self._load - share if self.running else 0.0
            while self._waiting:
                work, task = self._waiting[0]
                share = work.share()
                if self.running and self._load + share > self._room:
                    break
                self._waiting.popleft()
                let_in.append((self._take(share), task))
        return let_in

    def _take(self, share: float) -> float:
        if not self.running:
            sys.setswitchinterval(_COMPUTING_SWITCH_S)
        self.running += 1
        self._load += share
        return share
