"""Owns the threads that handlers of the standard library run on. They are kept for reuse: starting one takes 0.1 ms.

There are never more than handlers ran at the same time. The worker's threads limit that, as each of them waits for one
handler or sends what it writes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from ..atfork import AtFork

__all__ = ["Threads"]

Task = Callable[[], None]


class Threads(AtFork):
    """Runs each task at once, on a thread that runs nothing else meanwhile. Tasks must not raise."""

    def __init__(self) -> None:
        self._begin()
        super().__init__()

    def _begin(self) -> None:
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self._idle: deque[None] = deque()  # an item for each thread that waits for a task

    def after_fork_in_child(self) -> None:
        """Begin anew: the child has none of the threads."""
        self._begin()

    def run(self, task: Task) -> None:
        """Run `task` on an idle thread or a new one. Raises RuntimeError if no thread can be started."""
        try:
            self._idle.pop()
        except IndexError:
            threading.Thread(target=self._work, args=(task,), daemon=True).start()
        else:
            self._tasks.put(task)

    def _work(self, task: Task) -> None:
        while True:
            task()
            del task  # an idle thread must not keep a request alive
            self._idle.append(None)
            task = self._tasks.get()
