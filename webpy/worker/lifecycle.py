"""Owns how far a worker has come: whether it drains, whether answers end their connections, and when it is over.

What DRAIN and STOP do is in draining.py. Connections' protocols ask here what to do at the end
(`ConnectionProtocol.on_drain`). Read by all threads, set by the leader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .connections.connection import FOREVER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connections.connection import Connection
    from .connections.handover import Handover
    from .log.errorlog import ErrorLog

__all__ = ["Lifecycle"]

_RECENT_S = 5.0  # a client that was active so lately before a stop may be about to send its next request
_GRACE_S = 1.0  # that it gets for it


def _nothing() -> None:
    """Stand for `on_closing` until that is set."""


class Lifecycle:
    """How far the worker has come.

    draining: new connections are other workers', and the last connection ends this one. closing: every answer ends its
    connection. over: the loop ends. handover: moves connections to other workers, while draining; None if none can.
    stop_s: when STOP came. end_s: the time from which on no idle connection is kept. on_closing: called when answers
    begin to end connections, so that no answer may be made in place any more.
    """

    __slots__ = ("_log", "closing", "draining", "end_s", "handover", "on_closing", "over", "stop_s")

    def __init__(self, log: ErrorLog) -> None:
        self._log = log
        self.draining = False
        self.closing = False
        self.over = False
        self.handover: Handover | None = None
        self.stop_s = FOREVER_S
        self.end_s = FOREVER_S
        self.on_closing: Callable[[], None] = _nothing

    def closes(self, conn: Connection) -> bool:
        """Return whether the next answer on this connection ends it."""
        return self.closing or (self.draining and not conn.transport.movable)

    def close_answers(self) -> None:
        """From now on every answer ends its connection."""
        self.closing = True
        self.on_closing()

    def hand_over(self, conn: Connection, now_s: float) -> bool:
        """Give a connection that nothing is under way on to another worker; False if it stays, for now or for good."""
        handover = self.handover
        if handover is None or handover.full:
            return False
        moved = handover.give(conn, now_s)
        if handover.failure is not None:
            self.handover = None
            text = "connections cannot be handed over (%s); each ends with its next answer"
            self._log.warning(text, handover.failure.strerror)
            self.close_answers()
        return moved

    def may_close(self, conn: Connection, now_s: float) -> bool:
        """Return whether an idle connection has stayed as long as it may."""
        return now_s >= min(self.end_s, self._patience_s(conn))

    @property
    def grace_is_over_s(self) -> float:
        """The time from which on a worker that was told to stop accepts no more."""
        return self.stop_s + _GRACE_S

    def _patience_s(self, conn: Connection) -> float:
        """Until when an idle connection may stay."""
        if self.stop_s == FOREVER_S:
            return FOREVER_S
        if conn.since_s < self.stop_s - _RECENT_S:
            return self.stop_s
        return max(conn.since_s, self.stop_s) + _GRACE_S
