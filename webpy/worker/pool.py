"""Owns the worker's threads: their number, their lines on the board, and the queue that feeds the pool.

Threads are made when there is work and no idle one, up to the lines there are. A task is a callable and its arguments;
the thread's line is put before them.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ..supervisor import Line

__all__ = ["Pool", "Task"]

Task = tuple[Any, ...]


class Pool:
    """Threads that run tasks. `put` is called by the leader, or by a pool thread."""

    __slots__ = ("_free_lines", "_idle", "_most", "_tasks", "_threads")

    def __init__(self, lines: list[Line], most: int) -> None:
        """lines: one per thread that may exist, the leader's and the watcher's included; most: threads of the pool."""
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._free_lines = deque(lines)
        self._idle: deque[None] = deque()  # as many as there are threads waiting; a deque, as its ends are atomic
        self._threads = 0
        self._most = most

    def put(self, task: Task) -> None:
        """Have a thread run `task[0](line, *task[1:])`."""
        try:
            self._idle.pop()
        except IndexError:
            if self._threads < self._most:
                line = self.take_line()
                if line is not None:
                    self._threads += 1
                    self.start(self.serve, line)
        self._tasks.put(task)

    def take_line(self) -> Line | None:
        """A line for one more thread, or None when there are as many threads as there may be."""
        try:
            return self._free_lines.popleft()
        except IndexError:
            return None

    def give_line(self, line: Line) -> None:
        """The line of a thread that ends."""
        self._free_lines.append(line)

    def start(self, target: Callable[..., None], *args: Any) -> None:
        """Start a thread of the worker's; it does not keep the process alive."""
        threading.Thread(target=target, args=args, daemon=True).start()

    def serve(self, line: Line) -> None:
        """Run tasks until there is no more to come (a pool thread; or a deposed leader that joins)."""
        line.thread[0] = threading.get_native_id()
        get, idle = self._tasks.get, self._idle
        while True:
            idle.append(None)
            task = get()
            if task is None:
                break
            task[0](line, *task[1:])
        self._threads -= 1
        self.give_line(line)

    def join(self, line: Line) -> None:
        """What a deposed leader does with its time: serve, if the pool has room for one more thread."""
        if self._threads < self._most:
            self._threads += 1
            self.serve(line)
        else:
            self.give_line(line)
