"""The watchdog: sees on the scoreboard what takes too long in a worker, logs it, and has the worker replaced.

Owns how long each piece of work has run and each worker's loop has stood still, in the loop's time, which stops while
the master itself is stopped: what was suspended together with the master is not late. Work that takes longer than
`request_timeout_s`, or a loop that stands still for `heartbeat_timeout_s`, makes its worker STUCK: all its stacks are
logged and a replacement is forked; then it is told to DRAIN, and killed when nothing is left of it but what hangs. Work
that takes longer than `slow_request_s` has its stack logged once. Knows nothing of what the work is, nor of how a
worker is replaced. A timer on the master's loop; it only reads the scoreboard, and waits for no worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..config import Config
from ..processes.causes import Cause
from ..processes.stacks import Stacks, is_stopped, stack_of
from ..processes.states import ChildState, Event
from ..scoreboard.layout import Cell
from ..scoreboard.work import WorkInProgress, WorkState, find_work
from ..services import Services
from .fleet import Fleet
from .recycling import Recycling
from .worker import Worker

__all__ = ["Watchdog"]

_TICK_S = 0.5
_QUICK_TICK_S = 0.1  # where a limit is shorter than _QUICK_LIMIT_S
_QUICK_LIMIT_S = 2.0
_IDLE_TICK_S = 1.0  # where there is no limit, and only memory is measured

_MOVE_S = 3.0  # for a draining worker to hand over its idle connections, once it does nothing else
_NO_BEAT_S = 2.0  # if the loop stands still for so long, no thread of the worker can answer ASK_SIGNAL

_WATCHED = (ChildState.READY, ChildState.STUCK, ChildState.DRAINING)
_OF_THE_APPLICATION = (WorkState.RUNNING, WorkState.PROGRESSING, WorkState.AWAITED)  # it is the one that is late


@dataclass(slots=True)
class _Seen:
    """A piece of work that was seen among the activities of the scoreboard."""

    start: float
    """The activity's `start`, by the worker's clock."""
    since: float
    """From when its time counts, in the loop's time."""
    slow_logged: bool = False
    overdue_logged: bool = False


@dataclass(slots=True)
class _Watch:
    """What is known of one worker; times are the loop's."""

    beat_ns: int
    beat_since: float
    silence_logged: bool = False
    alone_since: float | None = None  # since when it drains with nothing among its activities but what hangs
    seen: dict[int, _Seen] = field(default_factory=dict)

    def see(self, starts: Iterable[float], now: float, looked: float) -> None:
        """Note what the activities are, whose `starts` these are; `looked` is when they were seen before."""
        ahead = time.monotonic() - now
        seen = {}
        for index, start in enumerate(starts):
            if start:
                known = self.seen.get(index)
                if known is None or known.start != start:
                    known = _Seen(start, min(now, max(looked, start - ahead)))
                seen[index] = known
        self.seen = seen

    def restart(self, now: float) -> None:
        """Count the time of everything from now."""
        self.beat_since = now
        for seen in self.seen.values():
            seen.since = now


Late = list[tuple[WorkInProgress, float]]
"""Each work with the seconds it has taken so far."""


class Watchdog:
    """`start` begins the watch. `paused` returns True while no worker is to be recycled."""

    def __init__(self, services: Services, fleet: Fleet, stacks: Stacks, paused: Callable[[], bool]) -> None:
        self._loop = services.loop
        self._scoreboard = services.scoreboard
        self._errors = services.errors
        self._events = services.events
        self._fleet = fleet
        self._stacks = stacks
        self._recycling = Recycling(services.loop, fleet, services.events, paused)
        self._watches: dict[Worker, _Watch] = {}
        self._looked = self._loop.time()

    def start(self) -> None:
        """Look at all workers from now on, every 0.1 to 1 s, until the loop ends."""
        self._loop.after(self._interval_s(), self._look)

    def _interval_s(self) -> float:
        configs = {worker.generation: worker.generation.config for worker in self._fleet}.values()
        limits = [limit for config in configs for limit in _limits(config) if limit]
        if configs and not limits:
            return _IDLE_TICK_S
        return _QUICK_TICK_S if min(limits, default=0.0) < _QUICK_LIMIT_S else _TICK_S

    def _look(self) -> None:
        self._loop.after(self._interval_s(), self._look)
        now = self._loop.time()
        workers = [worker for worker in self._fleet if worker.child.state in _WATCHED]
        self._watches = {worker: self._watches.get(worker) or _watch(worker, now) for worker in workers}
        for worker, watch in self._watches.items():
            watch.see(worker.row.starts(), now, self._looked)
            if worker.row.lead.is_waited_for or worker.row.pool.is_waited_for:
                watch.restart(now)  # it waits for room in its log rings, which is the master's to make
            else:
                self._look_at(worker, watch, now)
        if any(worker.row.pending_bytes for worker in workers):
            self._scoreboard.ring()  # in case a worker wrote over `asleep`, and no worker wakes the master any more
        self._looked = now
        self._recycling.check(workers, now)

    def _look_at(self, worker: Worker, watch: _Watch, now: float) -> None:
        silent_s = self._silence_s(worker, watch, now)
        overdue = self._overdue(worker, watch, now)
        if worker.child.state is ChildState.DRAINING:
            if silent_s or (overdue and self._has_nothing_else(worker, watch, now, len(overdue))):
                self._give_up(worker, silent_s, overdue)
                return
        elif silent_s and not watch.silence_logged:
            watch.silence_logged = True
            self._quarantine(worker, _silence(worker, silent_s), [])
        fresh = [late for late in overdue if not watch.seen[late[0].activity].overdue_logged]
        if fresh:
            for work, _ in fresh:
                watch.seen[work.activity].overdue_logged = watch.seen[work.activity].slow_logged = True
            limit_s = worker.generation.config.request_timeout_s
            self._quarantine(worker, f"{_first(fresh)}, longer than the limit of {limit_s:g} s", fresh[1:])
        self._log_slow(worker, watch, now)

    # -- what hangs ------------------------------------------------------------------------------------------

    def _silence_s(self, worker: Worker, watch: _Watch, now: float) -> float:
        """Return for how long its loop has stood still, 0 if that is not too long."""
        limit_s = worker.generation.config.heartbeat_timeout_s
        beat_ns = worker.row.cells[Cell.HEARTBEAT_NS]
        if beat_ns != watch.beat_ns:
            watch.beat_ns, watch.beat_since, watch.silence_logged = beat_ns, now, False
        silent_s = now - watch.beat_since
        return silent_s if limit_s and silent_s > limit_s else 0.0

    def _overdue(self, worker: Worker, watch: _Watch, now: float) -> Late:
        limit_s = worker.generation.config.request_timeout_s
        return [late for late in _late(worker, watch, now, limit_s) if late[0].state in _OF_THE_APPLICATION]

    def _has_nothing_else(self, worker: Worker, watch: _Watch, now: float, overdue: int) -> bool:
        """Return whether a draining worker does nothing but the `overdue` pieces of work, and has handed over its idle
        connections or had 3 s to do so."""
        if len(watch.seen) > overdue:
            watch.alone_since = None
            return False
        if watch.alone_since is None:
            watch.alone_since = now
        return worker.row.count(Cell.CONNECTIONS) <= overdue or now - watch.alone_since > _MOVE_S

    def _quarantine(self, worker: Worker, reason: str, more: Late) -> None:
        """Log what hangs, with all stacks, and have the worker replaced; `more` lists work besides the first."""
        child = worker.child
        listed = "".join(f"\n  {_say(late)}" for late in more)
        fate = "it is ending already" if child.state is ChildState.DRAINING else "it will be replaced"
        text = f"{child.title} [{child.pid}] hangs: {reason}; {fate}{listed}"
        self._events.add("hang", text, slot=worker.slot.index, pid=child.pid or 0)
        self._errors.say("error", text)
        told = f"stacks of {child.title} [{child.pid}], which hangs ({reason})"

        def log(stacks: str) -> None:
            worker.stacks_logged_at = self._loop.time()
            self._errors.say("error", f"{told}:\n{stacks}")

        self._stacks.take(child, log, force=True)
        child.feed(Event.HANG)
        self._fleet.replace(worker, Cause.HANG, f"hung: {reason}")

    def _give_up(self, worker: Worker, silent_s: float, overdue: Late) -> None:
        reason = _silence(worker, silent_s) if silent_s else f"{_first(overdue)}, and nothing else is left of it"
        worker.child.feed(Event.HOPELESS, f"hung: {reason}")

    # -- what is slow ----------------------------------------------------------------------------------------

    def _log_slow(self, worker: Worker, watch: _Watch, now: float) -> None:
        late = _late(worker, watch, now, worker.generation.config.slow_request_s)
        late = [each for each in late if not watch.seen[each[0].activity].slow_logged]
        slow = [each for each in late if each[0].state is WorkState.RUNNING]
        queued = [each for each in late if each[0].state is WorkState.QUEUED]
        awaited = [each for each in late if each[0].state is WorkState.AWAITED]
        for work, _ in slow + queued + awaited:
            watch.seen[work.activity].slow_logged = True
        child = worker.child
        where = f"on {child.title} [{child.pid}]"
        if slow:
            loop_stands = worker.generation.config.heartbeat_timeout_s and now - watch.beat_since > _NO_BEAT_S
            self._stacks.take(child, lambda stacks: self._log_stacks(slow, where, stacks), force=bool(loop_stands))
            for each in slow:
                self._events.add("slow", f"{_say(each)} {where}", slot=worker.slot.index, pid=child.pid or 0)
        if queued:
            text = f"slow {where}: {len(queued)} more wait for a thread, as all are busy; {_first(queued)}"
            self._errors.say("warning", text)
        for each in awaited:
            self._events.add("slow", f"{_say(each)} {where}", slot=worker.slot.index, pid=child.pid or 0)
            self._errors.say("warning", f"slow {where}: {_say(each)}, which the application gives later")

    def _log_stacks(self, slow: Late, where: str, stacks: str) -> None:
        for late in slow:
            self._errors.say("warning", f"slow {where}: {_say(late)}:\n{stack_of(stacks, late[0].ident)}")


def _limits(config: Config) -> tuple[float, ...]:
    return (
        config.request_timeout_s,
        config.slow_request_s,
        config.heartbeat_timeout_s,
        config.max_lifetime_s,
        _QUICK_LIMIT_S if config.max_requests or config.max_memory_bytes else 0.0,
    )


def _watch(worker: Worker, now: float) -> _Watch:
    return _Watch(worker.row.cells[Cell.HEARTBEAT_NS], now)


def _late(worker: Worker, watch: _Watch, now: float, limit_s: float) -> Late:
    """Return the work that has taken longer than `limit_s`, the longest first; none if that is 0."""
    late: Late = []
    if limit_s:
        for index, seen in watch.seen.items():
            if now - seen.since > limit_s and (work := find_work(worker.row, index, seen.start)) is not None:
                late.append((work, now - seen.since))
    return sorted(late, key=lambda each: -each[1])


def _say(late: tuple[WorkInProgress, float]) -> str:
    work, seconds = late
    return f"{work.text!r} {work.state.value} for {seconds:.1f} s"


def _first(late: Late) -> str:
    return _say(late[0]) + (f" and {len(late) - 1} more" if len(late) > 1 else "")


def _silence(worker: Worker, silent_s: float) -> str:
    if worker.child.pid is not None and is_stopped(worker.child.pid):
        return f"it is stopped, by a signal (SIGSTOP or the like), for {silent_s:.1f} s"
    return f"its event loop has stood still for {silent_s:.1f} s"
