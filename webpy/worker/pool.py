"""Owns the worker's threads: their number, their lines on the board, and how they get work.

Every idle thread waits on a lock of its own, and the one that became idle last is woken first: one wake-up a task, and a
thread whose stack is still in the cache. (`queue.SimpleQueue` wakes two threads a task when many wait: 10 context
switches a request where this takes 5.)
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ..supervisor import Line

__all__ = ["Pool", "Task"]

Task = tuple[Any, ...]
"""A callable and its arguments; the thread's line is put before them."""


import os
def _be_batch():
    if os.environ.get('BATCH')!='0': os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class _Seat:
    """Where one idle thread waits for its next task."""

    __slots__ = ("task", "wait", "wake")

    def __init__(self) -> None:
        lock = threading.Lock()
        lock.acquire()
        self.task: Task | None = None
        self.wait = lock.acquire
        self.wake = lock.release


class Pool:
    """Threads that run tasks; made when there is work and none is idle, up to `most` or the lines there are."""

    __slots__ = ("_backlog", "_count_lock", "_free_lines", "_idle", "_most", "_threads")

    def __init__(self, lines: list[Line], most: int) -> None:
        """lines: one per thread that may exist, the leader's and the watcher's included; most: threads of the pool."""
        self._backlog: deque[Task] = deque()  # tasks that found no idle thread
        self._idle: deque[_Seat] = deque()  # both ends of a deque are atomic, so neither needs a lock
        self._free_lines = deque(lines)
        self._most = most
        self._threads = 0
        self._count_lock = threading.Lock()

    def put(self, task: Task) -> None:
        """Have a thread run `task[0](line, *task[1:])` (any thread)."""
        try:
            seat = self._idle.pop()
        except IndexError:
            self._backlog.append(task)
            self._add_thread()
            self._match()
        else:
            seat.task = task
            seat.wake()

    def _match(self) -> None:
        """Give a task of the backlog to a thread that became idle while it was put there."""
        while self._backlog:
            try:
                seat = self._idle.pop()
            except IndexError:
                return
            try:
                seat.task = self._backlog.popleft()
            except IndexError:
                seat.task = None  # another thread was faster: this one looks, and waits again
            seat.wake()

    def take_line(self) -> Line | None:
        """A line for one more thread, or None when there are as many threads as there may be."""
        try:
            return self._free_lines.popleft()
        except IndexError:
            return None

    def give_line(self, line: Line) -> None:
        """The line of a thread that ends."""
        line.thread[0] = 0
        self._free_lines.append(line)

    def start(self, target: Callable[..., None], *args: Any) -> None:
        """Start a thread of the worker's; it does not keep the process alive."""
        threading.Thread(target=target, args=args, daemon=True).start()

    def join(self, line: Line) -> None:
        """What a deposed leader does with its time: serve, if the pool has room for one more thread."""
        if self._count_one_more():
            self._serve(line)
        else:
            self.give_line(line)

    def _add_thread(self) -> None:
        if self._threads < self._most and self._count_one_more():
            line = self.take_line()
            if line is None:
                with self._count_lock:
                    self._threads -= 1
            else:
                self.start(self._serve, line)

    def _count_one_more(self) -> bool:
        with self._count_lock:
            if self._threads >= self._most:
                return False
            self._threads += 1
            return True

    def _serve(self, line: Line) -> None:
        """Run tasks for ever (a pool thread)."""
        line.thread[0] = threading.get_native_id()
        _be_batch()
        seat = _Seat()
        backlog, idle = self._backlog, self._idle
        while True:
            try:
                task: Task | None = backlog.popleft()
            except IndexError:
                idle.append(seat)
                if backlog:  # a task was put there after the look above: whoever put it may not have seen this seat
                    self._match()
                seat.wait()
                task = seat.task
            if task is not None:
                task[0](line, *task[1:])
