"""Owns the threads that handlers of the standard library run on: kept when they are done, as starting one takes 0.1 ms.

There are as many as handlers ever ran at once, which the worker's own threads bound: each waits for one, or sends what
one writes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Threads"]

Task = Callable[[], None]


class Threads:
    """Runs tasks at once, each on a thread that runs no other meanwhile. A task raises nothing."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self._idle: deque[None] = deque()  # one for each thread that waits for a task nobody has put yet

    def run(self, task: Task) -> None:
        """Raises RuntimeError if the system lets this process have no more threads."""
        try:
            self._idle.pop()
        except IndexError:
            threading.Thread(target=self._work, args=(task,), daemon=True).start()
        else:
            self._tasks.put(task)

    def _work(self, task: Task) -> None:
        while True:
            task()
            del task  # an idle thread keeps nobody's request
            self._idle.append(None)
            task = self._tasks.get()
