"""Owns the scoreboard's activities that stand for requests: from the head's arrival to the answer's last byte.

When the worker is killed, the access log names the requests that stand there; the status and the master's watchdog read
them too. Quick handlers are not shown here: the leader's own activity shows them. A request that finds none free goes
on without. Called by all threads.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from ...supervisor import AWAITED, SENDING, Activity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..connections.connection import AbstractExchange

__all__ = ["Activities", "show"]


def show(activity: Activity, exchange: AbstractExchange) -> None:
    """Write who asks for what into an activity."""
    activity.text[:] = exchange.request._peer.peer[1] + exchange.plan.text


class Activities:
    """The free activities, and what is done to those that requests have taken.

    An activity says that its request waits for a thread, that a thread runs it (`begin`), that a thread gives an answer
    whose pieces leave as they are made (`move_on`), or that it waits for its client (`show_waiting`).
    """

    __slots__ = ("_free",)

    def __init__(self, activities: Iterable[Activity]) -> None:
        self._free = deque(activities)  # its ends are atomic; the last one freed is taken first: fewer pages

    def take(self, exchange: AbstractExchange, start_s: float) -> Activity | None:
        """Take an activity for a request that waits for a thread since `start_s`; None when all are taken."""
        try:
            activity = self._free.pop()
        except IndexError:
            return None
        activity.text[:] = exchange.request._peer.peer[1] + exchange.plan.text
        activity.start[0] = start_s
        return activity

    def free(self, activity: Activity) -> None:
        """Free the activity of a request that is over."""
        activity.start[0] = 0.0
        activity.thread[0] = activity.ident[0] = 0
        self._free.append(activity)

    def end(self, exchange: AbstractExchange) -> None:
        """Free the activity of a request, if it has one."""
        activity, exchange.activity = exchange.activity, None
        if activity is not None:
            self.free(activity)

    @staticmethod
    def begin(activity: Activity, own: Activity) -> None:
        """Show that the thread whose own activity is `own` runs the request now."""
        activity.thread[0] = own.thread[0]
        activity.ident[0] = own.ident[0]
        activity.start[0] = time.monotonic()

    @staticmethod
    def move_on(activity: Activity) -> None:
        """Restart the request's timer: bytes were sent or received, or it waits for a thread again."""
        activity.ident[0] = 0
        activity.start[0] = time.monotonic()

    @staticmethod
    def wait(activity: Activity) -> None:
        """Show that the application gives the answer later, and no thread works on it for now; its time goes on."""
        activity.thread[0] = 0
        activity.ident[0] = AWAITED

    def show_waiting(self, exchange: AbstractExchange, start_s: float) -> None:
        """Show that the request waits for its client, to send or to take the answer; no thread waits with it."""
        activity = exchange.activity
        if activity is None:
            activity = exchange.activity = self.take(exchange, start_s)
        if activity is not None:
            activity.thread[0] = 0
            activity.ident[0] = SENDING
