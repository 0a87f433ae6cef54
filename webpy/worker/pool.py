"""Owns the worker's threads: their number, their own lines on the board, and the queue that feeds the pool.

The queue wakes one thread, and that one wakes the next when it has taken its task, so they do not all wait for the GIL
at once: a thread woken for each task costs twice the context switches. (`queue.SimpleQueue` does so, in C.)
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..supervisor import Line

if TYPE_CHECKING:
    import logging

    from .errorlog import ErrorLog

__all__ = ["Pool", "Role", "Task"]

Task = tuple[Any, ...]
"""A callable and its arguments; the thread's line is put before them. It gives None, or the thread's next role."""

Role = Callable[[Line], Any]
"""What a thread does until it gives its next role, or None to end: a `Role | None`, which types cannot say."""

_SAY_AGAIN_S = 60.0  # between lines that say that no thread can be had


class Pool:
    """Threads that run tasks; made when there is work and none is idle, up to `most`, or the lines there are.

    chores: what the leader runs by itself once it has left the lead: tasks for which there is no thread and none can be
    had, each behind None; and what `Core.aside` puts there. starved: whether the system let this process have no
    thread when last asked.
    """

    __slots__ = (
        "_count_lock",
        "_expected",
        "_free_lines",
        "_idle",
        "_lines",
        "_log",
        "_most",
        "_said_s",
        "_tasks",
        "_threads",
        "chores",
        "starved",
    )

    def __init__(self, lines: list[Line], most: int, log: logging.Logger | ErrorLog) -> None:
        """lines: one per thread that may exist, the leader's and the watcher's included; most: threads of the pool."""
        self.chores: deque[Any] = deque()
        self.starved = False
        self._expected = 0  # threads that will join as soon as they can
        self._said_s = -_SAY_AGAIN_S
        self._log = log
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._idle: deque[None] = deque()  # about as many as threads wait: a deque, as its ends are atomic
        self._lines = len(lines)
        self._free_lines = deque(lines)
        self._most = most
        self._threads = 0
        self._count_lock = threading.Lock()

    @property
    def alive(self) -> int:
        """Threads that there are, whatever they do."""
        return self._lines - len(self._free_lines)

    def put(self, task: Task) -> None:
        """Have a thread run `task[0](line, *task[1:])` (any thread)."""
        try:
            self._idle.pop()
        except IndexError:
            self._add_thread()
            if not self.has_threads:  # nobody would ever take it
                self.chores.append((None, task))
                return
        self._tasks.put(task)

    @property
    def has_threads(self) -> bool:
        """Whether any thread takes tasks, or will."""
        return bool(self._threads or self._expected)

    def play(self, role: Role) -> None:
        """Play `role`, and the roles that follow from it, on the calling thread."""
        self._live(self._free_lines.popleft(), role)

    def start(self, role: Role) -> bool:
        """Start a thread that plays `role`, then the role that gave, until one gives None; False if none can be had."""
        try:
            line = self._free_lines.popleft()
        except IndexError:  # there are as many threads as there may be
            return False
        try:
            threading.Thread(target=self._live, args=(line, role), daemon=True).start()
        except (RuntimeError, MemoryError, OSError) as error:  # the system lets this process have no more threads
            self._give_line(line)
            self._say_starved(error)
            return False
        self.starved = False
        return True

    def lend(self, role: Role) -> bool:
        """Have an idle thread of the pool play `role` instead; False when all are busy, or there is none to be had."""
        try:
            self._idle.pop()
        except IndexError:
            if self._threads >= self._most or not self._add_thread():
                return False
        self._count_one_less()  # from now on, lest tasks are left to a thread that is going to leave
        self._tasks.put((lambda _line: role,))
        return True

    def expect(self) -> None:
        """A thread is going to `join` later: tasks may wait for it."""
        self._expected += 1

    def join(self) -> Role | None:
        """The role of a thread that has no other: to serve, if the pool has room for one more."""
        self._expected = max(0, self._expected - 1)
        if not self._count_one_more():
            return None
        self._idle.append(None)
        return self._serve

    def _add_thread(self) -> bool:
        if self._threads >= self._most or not self._count_one_more():
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
                " on processes (ulimit -u, the control group's pids.max)", error, max(0, self._threads - 1), self._most
            )

    def _count_one_more(self) -> bool:
        with self._count_lock:
            if self._threads >= self._most:
                return False
            self._threads += 1
            return True

    def _give_line(self, line: Line) -> None:
        line.start[0] = 0.0
        line.thread[0] = line.ident[0] = 0
        self._free_lines.append(line)

    def _count_one_less(self) -> None:
        with self._count_lock:
            self._threads -= 1

    def _live(self, line: Line, role: Role | None) -> None:
        line.thread[0] = threading.get_native_id()
        line.ident[0] = threading.get_ident()
        try:
            while role is not None:
                role = role(line)
        except BaseException as error:  # roles see to their own faults: this is the last resort
            self._log.critical("a thread of the worker failed", exc_info=error)
        self._give_line(line)

    def _serve(self, line: Line) -> Role:
        """Run tasks until one gives another role. A thread just made is not idle: the task it was made for is there."""
        get, empty, idle = self._tasks.get, self._tasks.empty, self._idle
        task = get()
        while True:
            try:
                role: Role | None = task[0](line, *task[1:])
            except BaseException as error:
                self._log.critical("a task of the pool failed", exc_info=error)
                line.start[0] = 0.0
                role = None
            if role is not None:
                return role
            if empty():
                idle.append(None)
            task = ()  # an idle thread keeps nobody's request, nor the file its body may be in
            task = get()
