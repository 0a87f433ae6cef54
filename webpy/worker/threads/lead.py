"""Owns the lead: which thread has it, and the watcher, which takes it from a leader stuck in the application's code.

The lead is a lock. The leader holds it all the time, except while it runs the application's code. Before that it says
what it runs (`Pool.inline`) and since when (its activity's start, or `chore_s`), and the watcher looks at both every
tick.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from ..connections.connection import Connection, Phase
from .pace import HEATED, Probe
from .pool import Role

if TYPE_CHECKING:
    from ...supervisor import Activity
    from ..exchanges.exchange import Exchange
    from ..parts import Parts

__all__ = ["Lead", "Left"]

_NEVER_S = float("-inf")
_PAUSE_S = 1.0  # of a watcher, after a fault in it
_SEARCH_S = 0.01  # between tries to find a thread that watches
_TICK_S = 0.002  # between the watcher's looks at a busy leader
_PATIENT_TICKS = 10  # looks that a leader may only be waiting for the GIL, while handlers compute
_CALM_TICKS = 10  # looks at an idle leader before the watcher sleeps


class Left(NamedTuple):
    """Why the loop was left: deposed, or to go on in a new context, or for a fault.

    exchange: whose answer is to be sent then. conn: its connection, or the one whose event failed. fault: what failed.
    fd: the descriptor whose event it was, -1 if none.
    """

    deposed: bool
    conn: Connection | None = None
    exchange: Exchange | None = None
    fault: BaseException | None = None
    fd: int = -1


class Lead:
    """The lead of a worker.

    leader: the leading thread's ident, changed under the lead; activity: its own on the scoreboard; chore_s: since when
    it is at a chore, 0.0 while it is not; polling: whether it waits for events.
    """

    __slots__ = (
        "_lock",
        "_parts",
        "_take",
        "_unwatched",
        "_watcher_wake",
        "acquire",
        "activity",
        "chore_s",
        "leader",
        "leave",
        "polling",
        "watcher_sleeps",
    )

    def __init__(self, parts: Parts, take: Role) -> None:
        """take: what a thread does that has the lead."""
        self._parts = parts
        self._take = take
        self._lock = threading.Lock()
        self._watcher_wake = threading.Semaphore(0)
        self._unwatched = False  # no thread watches: the system gave none
        self.leader = 0
        self.activity: Activity = parts.row.activities[0]
        self.chore_s = 0.0
        self.polling = False
        self.watcher_sleeps = False
        self.acquire = self._lock.acquire
        self.leave = self._lock.release

    def take(self, activity: Activity) -> None:
        """Make the calling thread, which holds the lock, the leader."""
        self.leader = self._parts.log.leader = threading.get_ident()
        self.activity = activity

    def again(self, me: int, held: bool) -> bool:
        """Return True if this thread still leads, and holds the lead again; False if it was deposed.

        held: whether it got the lock just now. If not, the watcher may hold it only for a look.
        """
        if held:  # the new leader has left it, to run a handler of its own
            self._lock.release()
            return False
        while self.leader == me:
            if self._lock.acquire(timeout=0.001):
                if self.leader == me:
                    return True
                self._lock.release()
        return False

    # -- the leader's thread ----------------------------------------------------------------------------------------

    def work_off(self, me: int, activity: Activity) -> bool:
        """Run what is the application's and came up on the way (Chores), without the lead; False if deposed in it."""
        parts, pool = self._parts, self._parts.pool
        chores, leftovers, gate = parts.chores.queue, parts.chores.leftovers, parts.gate
        while chores or leftovers:
            work, task = chores.popleft() if chores else (None, None)
            if work is None and task is not None and pool.has_threads:
                pool.hand_on(task)  # there was none when it came
                continue
            if task and work and not pool.places and parts.chores.needs_place(work):
                pool.put(task)
                continue
            probe = Probe() if work is not None and work.heat >= HEATED else None
            has_place = work is None and task is not None
            began_s = self.chore_s = time.monotonic()
            quick_s = _NEVER_S if pool.inline is None else pool.inline[2]  # stays: a chore is no quick handler
            pool.inline = None, work if task is not None else parts.chores.dropping, quick_s
            self.leave()
            try:
                leftovers.clear()
                if task is not None:
                    task[0](activity, *task[1:])
                task = None
            except BaseException as error:
                parts.faults.tell(error, "a task of the leader's failed")
            if work is not None:
                if probe is not None:
                    wall_s, cpu_s = probe.end()
                    work.sample(wall_s, cpu_s, gate.running > 0)
                work.warm(time.monotonic() - began_s, gate.running)
            held = self.acquire(False)
            if (not held or self.leader != me) and not self.again(me, held):
                return False
            self.chore_s = 0.0
            if has_place:
                pool.give_place()
        return True

    # -- the watcher's thread ---------------------------------------------------------------------------------------

    def wake_watcher(self) -> None:
        self.watcher_sleeps = False
        self._watcher_wake.release()

    def watch(self, activity: Activity) -> Role | None:
        """Look at the leader every tick while it is busy; take the lead from one whose handler blocks."""
        while True:
            try:
                return self._take if self._look() else None
            except BaseException as error:
                self._parts.faults.tell(error, "the watcher failed")
                time.sleep(_PAUSE_S)

    def _look(self) -> bool:
        """Watch. Returns True once this thread has taken the lead, False when the worker is over."""
        last = 0.0
        stuck = calm = 0
        while not self._parts.lifecycle.over:
            time.sleep(_TICK_S)
            began = self._busy_since()
            if self.polling:
                calm += 1
                stuck = 0
                if calm > _CALM_TICKS:
                    self._sleep()
                    calm = 0
                continue
            calm = 0
            stuck = stuck + 1 if began and began == last else 0
            last = began
            if stuck > (_PATIENT_TICKS if self._parts.gate.running else 0) and self._depose(began):
                return True
        return False

    def _busy_since(self) -> float:
        """Return when the leader began the application's code that it runs; 0.0 while it runs none."""
        return self.chore_s or self.activity.start[0]

    def _sleep(self) -> None:
        self.watcher_sleeps = True
        if self.polling:
            self._watcher_wake.acquire()
        else:  # the leader may have looked before the flag was set
            self.watcher_sleeps = False

    def _depose(self, began: float) -> bool:
        """Take the lead from a leader that has been in one handler since `began`; False if that cannot be done now."""
        if not self._lock.acquire(blocking=False):
            return False
        deposed = False
        try:
            pool = self._parts.pool
            running = pool.inline
            if running is None or self._busy_since() != began:
                return False
            if not pool.lend(self.watch):
                if not pool.starved:
                    return False  # all are busy
                self._unwatched = True  # better without a watcher than without a leader
                self._parts.reactor.call_at(0.0, self.find_watcher)
            pool.expect()
            conn, work, _ = running
            if conn is not None and conn.phase == Phase.IDLE:
                conn.phase = Phase.RUNNING
            if work is not None:  # else it is a task that has its place
                pool.take_place()
                if _sleeps(self.activity.thread[0]):
                    work.found_waiting()
                else:
                    work.found_busy()
            self.chore_s = 0.0
            self.leader = threading.get_ident()
            deposed = True
        finally:
            if not deposed:
                self._lock.release()
        return True

    def find_watcher(self) -> None:
        """Have a thread watch again, if there was none to be had for it (the leader)."""
        if self._unwatched:
            self._unwatched = not self._parts.pool.lend(self.watch)
            if self._unwatched:
                self._parts.reactor.call_at(time.monotonic() + _SEARCH_S, self.find_watcher)


def _sleeps(thread_id: int) -> bool:
    """Return whether a thread of this process waits for something other than a CPU (proc(5), the state in stat)."""
    try:
        with open(f"/proc/self/task/{thread_id}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split(None, 1)[0]
    except (OSError, IndexError):
        return True
    return state != b"R"
