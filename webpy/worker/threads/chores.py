"""Owns what is the application's and comes up while the leader holds the lead: it is put aside here, and run without.

Closing a body, writing to a logger, and dropping the last reference to an object may all run code of the application's,
which never runs while its thread holds the lead. The loop works off `queue` and `leftovers` once it has left the lead.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .pace import QUICK, Work

if TYPE_CHECKING:
    from ...supervisor import Activity
    from .pool import Pool, Task

__all__ = ["Chores"]


class Chores:
    """Tasks for the leader to run outside the lead, or for the pool if they are slow.

    queue: pairs of what is known of a task's pace and the task; shared with the pool. leftovers: objects to be dropped
    outside the lead. dropping: the pace of dropping them. open: as many as tasks were put aside and have not ended.
    """

    __slots__ = ("_logging", "_pool", "dropping", "leftovers", "open", "queue")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._logging = Work()
        self.queue = pool.chores
        self.leftovers: list[Any] = []
        self.dropping = Work()
        self.open: deque[None] = deque()

    def put(self, work: Work, task: Task) -> None:
        """Run a task soon; work: what is known of its pace (the leader)."""
        self.open.append(None)
        whole = (self._run, task)
        if work.kind == QUICK:
            self.queue.append((work, whole))
        else:
            self._pool.put(whole)

    def put_log(self, task: Task) -> None:
        """Run a task that writes to a logger soon (the leader)."""
        self.put(self._logging, task)

    def needs_place(self, work: Work) -> bool:
        """Return whether a task of this pace needs a place in the pool, as handlers do and writing to a logger does
        not."""
        return work is not self._logging

    def _run(self, activity: Activity, task: Task) -> None:
        try:
            task[0](activity, *task[1:])
        finally:
            self.open.pop()
