"""Owns the lead: who has it, and the watcher, who takes it from a leader stuck in something of the application's.

The leader holds the lead, a lock, all the time but while it runs what is the application's. It says before what that is
(`Pool.inline`) and since when (its line's start, or `chore_s`); the watcher looks at that every tick.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from .connection import Connection, Phase
from .pool import Role

if TYPE_CHECKING:
    from ..supervisor import Line
    from .core import Core
    from .output import Output

__all__ = ["Lead", "Left"]

_PAUSE_S = 1.0  # of a watcher, after a fault in it
_SEARCH_S = 0.01  # between tries to find somebody who watches
_TICK_S = 0.002  # between the watcher's looks at a busy leader
_PATIENT_TICKS = 10  # looks that a leader may only be waiting for the GIL, while handlers compute
_CALM_TICKS = 10  # looks at an idle leader before the watcher sleeps


class Left(NamedTuple):
    """Why the loop was left: deposed, or to go on in a new context, or for a fault; and the answer to be sent then.

    fault: what failed; conn: the connection whose event it was, or whose answer `output` is; fd: the descriptor whose
    event it was, -1 for none's.
    """

    deposed: bool
    conn: Connection | None = None
    output: Output | None = None
    fault: BaseException | None = None
    fd: int = -1


class Lead:
    """The lead of a worker.

    leader: the leading thread's ident, changed under the lead; line: its line on the scoreboard; chore_s: since when it
    is at a chore, 0.0 while it is not; polling: whether it waits for events.
    """

    __slots__ = (
        "_core",
        "_lock",
        "_take",
        "_unwatched",
        "_watcher_wake",
        "acquire",
        "chore_s",
        "leader",
        "leave",
        "line",
        "polling",
        "watcher_sleeps",
    )

    def __init__(self, core: Core, take: Role) -> None:
        """take: what a thread does that has the lead."""
        self._core = core
        self._take = take
        self._lock = threading.Lock()
        self._watcher_wake = threading.Semaphore(0)
        self._unwatched = False  # nobody watches: there was no thread to be had for it
        self.leader = 0
        self.line: Line = core.row.lines[0]
        self.chore_s = 0.0
        self.polling = False
        self.watcher_sleeps = False
        self.acquire = self._lock.acquire
        self.leave = self._lock.release

    def take(self, line: Line) -> None:
        """This thread leads from now on; holding the lead."""
        self.leader = self._core.log.leader = threading.get_ident()
        self.line = line

    def again(self, me: int, held: bool) -> bool:
        """Whether this thread still leads, and holds the lead again; False if it was deposed.

        held: whether it has got the lead. If not, the watcher may hold it only for a look.
        """
        if held:  # it was free as the new leader runs a handler of its own
            self._lock.release()
            return False
        while self.leader == me:
            if self._lock.acquire(timeout=0.001):
                if self.leader == me:
                    return True
                self._lock.release()
        return False

    # -- the watcher's thread ---------------------------------------------------------------------------------------

    def wake_watcher(self) -> None:
        self.watcher_sleeps = False
        self._watcher_wake.release()

    def watch(self, line: Line) -> Role | None:
        """Look at the leader every tick while it is busy; take the lead from one whose handler blocks."""
        while True:
            try:
                return self._take if self._look() else None
            except BaseException as error:
                self._core.faults.tell(error, "the watcher failed")
                time.sleep(_PAUSE_S)

    def _look(self) -> bool:
        """Watch until this thread has taken the lead; False when the worker is over."""
        last = 0.0
        stuck = calm = 0
        while not self._core.over:
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
            if stuck > (_PATIENT_TICKS if self._core.gate.running else 0) and self._depose(began):
                return True
        return False

    def _busy_since(self) -> float:
        """When the leader began what it runs of the application's; 0.0 while it runs nothing."""
        return self.chore_s or self.line.start[0]

    def _sleep(self) -> None:
        self.watcher_sleeps = True
        if self.polling:
            self._watcher_wake.acquire()
        else:  # the leader may have looked before the flag was set
            self.watcher_sleeps = False

    def _depose(self, began: float) -> bool:
        """Take the lead from a leader that has been in one handler since `began`, if another thread can watch then."""
        if not self._lock.acquire(blocking=False):
            return False
        deposed = False
        try:
            pool = self._core.pool
            running = pool.inline
            if running is None or self._busy_since() != began:
                return False
            if not pool.lend(self.watch):
                if not pool.starved:
                    return False  # all are busy
                self._unwatched = True  # better nobody watches than nobody leads
                self._core.hurry()
            pool.expect()
            conn, work, _ = running
            if conn is not None:
                conn.phase = Phase.RUNNING
            if work is not None:  # else it is a task that has its place
                pool.take_place()
                if _sleeps(self.line.thread[0]):
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
        """Have somebody watch again, if there was no thread for it (the leader, after each tick)."""
        if self._unwatched:
            core = self._core
            self._unwatched = not core.pool.lend(self.watch)
            if self._unwatched:  # try again soon
                core.due_s = min(core.due_s, time.monotonic() + _SEARCH_S)
                core.wait_s = min(core.wait_s, _SEARCH_S)


def _sleeps(thread_id: int) -> bool:
    """Whether a thread of this process waits for something, rather than for a CPU (proc(5), the state in stat)."""
    try:
        with open(f"/proc/self/task/{thread_id}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split(None, 1)[0]
    except (OSError, IndexError):
        return True
    return state != b"R"
