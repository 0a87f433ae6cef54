"""Owns the worker's threads, the places in which application code runs, and the queue of what waits for one.

There are as many places as `--threads` says, one for each run of application code at a time: a thread that runs a task
holds one, and the leader runs a quick handler only while one is free. Only the leader takes a free place, so one that
it has seen stays free for as long as it is in its handler; the watcher, when it takes the lead from a leader that is
stuck there, takes a place for it. A thread that has finished keeps its place for the next task that waits.

While quick handlers come, the last free place is kept for them: they would wait for the slowest otherwise.

The queue wakes one thread, and that one wakes the next when it has taken its task, so they do not all wait for the GIL
at once: a thread woken for each task costs twice the context switches. (`queue.SimpleQueue` does so, in C.) Nor does a
thread of the pool interrupt the others when it wakes, while it serves (policy.py); the leader and the watcher do.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...supervisor import Activity
from .policy import interrupt_again, interrupt_none

if TYPE_CHECKING:
    import logging

    from ..log.errorlog import ErrorLog

__all__ = ["Pool", "Role", "Task"]

Task = tuple[Any, ...]
"""A callable and its arguments; the thread's activity is put before them. It gives None, or the thread's next role."""

Role = Callable[[Activity], Any]
"""What a thread does until it gives its next role, or None to end: a `Role | None`, which types cannot say."""

_SAY_AGAIN_S = 60.0  # between lines that say that no thread can be had
_KEEP_S = 1.0  # since the last quick handler, that a place is kept for the next one


class Pool:
    """Threads that run tasks; made when there is work and none is idle, up to `max_threads` or the activities.

    places: the free ones; for the leader to look at. inline: what the leader ran last by itself (the connection of a
    handler or None for a chore, what is known of its pace), and when it last ran a quick handler; None once it has been
    deposed in that. chores: what the leader runs by itself once it has left the lead: tasks with a place, behind None,
    for which no thread can be had; and what `Core.aside` puts there. starved: whether the system let this process have
    no thread when last asked.
    """

    __slots__ = (
        "_call",
        "_count_lock",
        "_debt",
        "_expected",
        "_free_activities",
        "_idle",
        "_log",
        "_max_threads",
        "_quick",
        "_said_s",
        "_tasks",
        "_threads",
        "_waiting",
        "chores",
        "inline",
        "places",
        "starved",
    )

    def __init__(
        self,
        activities: list[Activity],
        max_threads: int,
        log: logging.Logger | ErrorLog,
        call: Callable[[Callable[[], None]], None],
    ) -> None:
        """activities: one per thread that may exist, the leader's and the watcher's included; max_threads: of the pool;
        call: has the leader call something soon."""
        self.chores: deque[Any] = deque()
        self.starved = False
        self._expected = 0  # threads that will join as soon as they can
        self._debt = 0  # places taken that were not there, for what is no handler
        self._said_s = -_SAY_AGAIN_S
        self._call = call
        self._log = log
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()  # each with a place, or a role for a thread
        self._idle: deque[None] = deque()  # about as many as threads wait: a deque, as its ends are atomic
        self._free_activities = deque(activities)
        self._max_threads = max_threads
        self._threads = 0
        self._count_lock = threading.Lock()
        self.places: deque[None] = deque([None] * max_threads)
        self.inline: tuple[Any, Any, float] | None = None
        self._waiting: deque[Task] = deque()
        self._quick = self._waiting if max_threads == 1 else deque()  # where one place is all there is, in order

    # -- the leader -------------------------------------------------------------------------------------------------

    def put(self, task: Task) -> None:
        """Have a thread run `task[0](activity, *task[1:])` as soon as there is a place."""
        places = self.places
        if len(places) > 1 and not self._waiting:
            places.pop()
            try:  # as hand_on
                self._idle.pop()
            except IndexError:
                self._add_thread()
                if not self.has_threads:
                    self.chores.append((None, task))
                    return
            self._tasks.put(task)
        else:
            self._waiting.append(task)
            self.admit()

    def put_quick(self, task: Task) -> None:
        """As `put`, for a quick handler that found no place free: it goes before the others, unless there is one place
        only."""
        self._quick.append(task)
        self.admit()

    def put_ahead(self, task: Task) -> None:
        """As `put`, before all others: for what goes on with an answer that the leader has begun."""
        try:
            self.places.pop()
        except IndexError:
            self._waiting.appendleft(task)
            self.admit()
        else:
            self.hand_on(task)

    def admit(self) -> None:
        """Give free places to what waits for them."""
        places = self.places
        while places and (self._quick or self._waiting):
            if len(places) == 1 and not self._quick and self._keeps_one():
                return
            places.pop()
            task = self._take_waiting()
            if task is None:  # a thread that finished was quicker
                places.append(None)
            else:
                self.hand_on(task)

    def take_place(self) -> None:
        """Take the place that the handler of a deposed leader had seen free (the new leader); see `join`."""
        try:
            self.places.pop()
        except IndexError:  # it was no handler, which need not see one
            with self._count_lock:
                self._debt += 1

    def expect(self) -> None:
        """Note that a thread is going to `join` later, so that tasks may wait for it."""
        self.inline = None
        self._expected += 1

    # -- any thread -------------------------------------------------------------------------------------------------

    def start(self, role: Role) -> bool:
        """Start a thread that plays `role`, then the role that it returns, and so on until None. Returns False if the
        system gives no thread."""
        try:
            activity = self._free_activities.popleft()
        except IndexError:  # there are as many threads as there may be
            return False
        try:
            threading.Thread(target=self._live, args=(activity, role), daemon=True).start()
        except (RuntimeError, MemoryError, OSError) as error:  # the system lets this process have no more threads
            self._give_activity(activity)
            self._say_starved(error)
            return False
        self.starved = False
        return True

    def close(self) -> None:
        """Have each thread that serves tasks end once it is idle. To be called when the loop has ended, in a process
        that goes on."""
        for _ in range(self._threads):
            self._tasks.put((lambda _activity: _end,))

    @property
    def has_threads(self) -> bool:
        """Whether any thread takes tasks, or will."""
        return bool(self._threads or self._expected)

    def play(self, role: Role) -> None:
        """Play `role`, and the roles that follow from it, on the calling thread."""
        self._live(self._free_activities.popleft(), role)

    def lend(self, role: Role) -> bool:
        """Have an idle thread of the pool play `role` instead. Returns False if all are busy and none can be added."""
        try:
            self._idle.pop()
        except IndexError:
            if self._threads >= self._max_threads or not self._add_thread():
                return False
        self._count_one_less()  # from now on, lest tasks are left to a thread that is going to leave
        self._tasks.put((lambda _activity: role,))
        return True

    def join(self) -> Role | None:
        """Return the next role of a deposed leader, which holds a place and has answered: to serve tasks, if the pool
        has room for one more thread; None to end."""
        self._expected = max(0, self._expected - 1)
        with self._count_lock:
            has_place = not self._debt
            self._debt -= not has_place
        joins = self._count_one_more()
        if has_place and joins:
            return self._serve_on
        if has_place:
            self.give_place()
        elif joins:
            self._idle.append(None)
            return self._serve
        return None

    # -- places -----------------------------------------------------------------------------------------------------

    def _keeps_one(self) -> bool:
        """Return whether the last place is kept for quick handlers."""
        if self._max_threads == 1:
            return False
        inline = self.inline
        return bool(self._quick) or (inline is not None and time.monotonic() - inline[2] < _KEEP_S)

    def _take_waiting(self) -> Task | None:
        for tasks in (self._quick, self._waiting):
            try:
                return tasks.popleft()
            except IndexError:
                continue
        return None

    def _next(self) -> Task | None:
        """Return the task that a thread does next in the place that it holds; None if the place has been given back."""
        if self._quick or self.places or not self._keeps_one():
            task = self._take_waiting()
            if task is not None:
                return task
        self.give_place()
        return None

    def give_place(self) -> None:
        """Give back the place of a task that is over."""
        self.places.append(None)
        if self._waiting or self._quick:  # the leader may have looked before
            self._call(self.admit)

    # -- threads ----------------------------------------------------------------------------------------------------

    def hand_on(self, task: Task) -> None:
        """Have a thread run a task that has a place (the leader)."""
        try:
            self._idle.pop()
        except IndexError:
            self._add_thread()
            if not self.has_threads:  # no thread would ever take it
                self.chores.append((None, task))
                return
        self._tasks.put(task)

    def _add_thread(self) -> bool:
        if self._threads >= self._max_threads or not self._count_one_more():
            return False
        if self.start(self._serve):
            return True
        self._count_one_less()
        return False

    def _say_starved(self, error: Exception) -> None:
        self.starved = True
        now_s = time.monotonic()
        if now_s - self._said_s >= _SAY_AGAIN_S:
            self._said_s = now_s
            self._log.error(
                "cannot start a thread (%s): %d of %d run handlers, and what needs one waits for them; see the limits"
                " on processes (ulimit -u, the control group's pids.max)",
                error,
                max(0, self._threads - 1),
                self._max_threads,
            )

    def _count_one_more(self) -> bool:
        with self._count_lock:
            if self._threads >= self._max_threads:
                return False
            self._threads += 1
            return True

    def _give_activity(self, activity: Activity) -> None:
        activity.start[0] = 0.0
        activity.thread[0] = activity.ident[0] = 0
        self._free_activities.append(activity)

    def _count_one_less(self) -> None:
        with self._count_lock:
            self._threads -= 1

    def _live(self, activity: Activity, role: Role | None) -> None:
        activity.thread[0] = threading.get_native_id()
        activity.ident[0] = threading.get_ident()
        try:
            while role is not None:
                role = role(activity)
        except BaseException as error:  # roles see to their own faults: this is the last resort
            self._log.critical("a thread of the worker failed", exc_info=error)
        self._give_activity(activity)

    def _serve_on(self, activity: Activity) -> Role:
        """Serve, having a place already."""
        return self._work(activity, self._next())

    def _serve(self, activity: Activity) -> Role:
        """Run tasks until one gives another role. A thread just made is not idle: the task it was made for is there."""
        return self._work(activity, self._tasks.get())

    def _work(self, activity: Activity, task: Task | None) -> Role:
        get, empty, idle = self._tasks.get, self._tasks.empty, self._idle
        waiting, quick, free_place = self._waiting, self._quick, self.places.append
        gives_way = interrupt_none()
        while True:
            if task is None:
                if empty():
                    idle.append(None)
                task = get()
            try:
                role: Role | None = task[0](activity, *task[1:])
            except BaseException as error:
                self._log.critical("a task of the pool failed", exc_info=error)
                activity.start[0] = 0.0
                role = None
            if role is not None:
                if gives_way:
                    interrupt_again()
                return role
            task = ()  # an idle thread must not keep a request alive, nor the file its body may be in
            if waiting or quick:
                task = self._next()
            else:  # as give_place
                task = None
                free_place(None)
                if waiting or quick:
                    self._call(self.admit)


def _end(_line: Activity) -> None:
    """The role of a thread that ends."""
