"""Owns how a worker ends: what becomes of its connections when the master says DRAIN or STOP, and when it is over.

DRAIN: other workers serve on. A connection that waits for a request, or has begun one, moves to another worker at once;
a busy one moves when its answer has left; none is closed. A connection that cannot move (under TLS, whose keys are this
process's) stays for one more answer, which says that the connection ends.

STOP: nobody serves on. Everything that waits is accepted, every answer ends its connection, and clients that were
active lately, and may be about to ask again, get a moment to do so.

In both, an idle connection is closed only after a last look for a request, and before drain-timeout is over. Knows
nothing of what the connections' protocols do about it (`ConnectionProtocol.on_drain`). The leader's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .handover import Handover

if TYPE_CHECKING:
    from .accepting import Acceptor
    from .connection import Connection
    from .worker import Worker

__all__ = ["Draining", "Lifecycle"]

_TICK_S = 0.05
_FULL_TICK_S = 0.005  # while more connections are to move than the adoption socket takes at once
_RECENT_S = 5.0  # a client that was active so lately before a stop may be about to send its next request
_GRACE_S = 1.0  # that it gets for it
_SPARE_S = 1.0  # before the end of drain-timeout, when the master kills: for closing what is idle
_FOREVER_S = float("inf")

_mono = time.monotonic


class Lifecycle:
    """How far the worker has come; read by all threads, set by the leader.

    draining: new connections are other workers', and the last connection ends this one. closing: every answer ends its
    connection. over: the loop ends. handover: moves connections to other workers, while draining; None if none can.
    """

    __slots__ = ("closing", "draining", "handover", "over")

    def __init__(self) -> None:
        self.draining = False
        self.closing = False
        self.over = False
        self.handover: Handover | None = None

    def closes(self, conn: Connection) -> bool:
        """Return whether the next answer on this connection ends it."""
        return self.closing or (self.draining and not conn.transport.movable)


class Draining:
    """Ends a worker: `drain` or `stop` begin it, then every sweep asks the connections' protocols, and every tick
    calls `check_over`."""

    def __init__(self, worker: Worker, acceptor: Acceptor) -> None:
        self._worker = worker
        self._lifecycle = worker.lifecycle
        self._acceptor = acceptor
        self._stop_s = _FOREVER_S  # when STOP came
        self._end_s = _FOREVER_S  # from when on no idle connection is kept

    # -- what the master says -----------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Leave new connections to the others, and let those go that can."""
        worker, lifecycle = self._worker, self._lifecycle
        if lifecycle.draining:
            return
        self._begin()
        adoption = worker.context.adoption
        self._acceptor.stop()
        if adoption is None or not self._acceptor.has_movable:
            self._close_answers()
            return
        lifecycle.handover = Handover(worker.table, adoption)
        if self._acceptor.has_fixed:
            worker.heads.close()  # answers under TLS say that the connection ends, so none is plain any more

    def stop(self) -> None:
        """Take all that waits, and end with it. Also when draining already: the workers that connections went to end
        too."""
        if self._stop_s < _FOREVER_S:
            return
        if not self._lifecycle.draining:
            self._begin()
        self._stop_s = _mono()
        self._lifecycle.handover = None
        self._close_answers()
        self._acceptor.take_all()
        self._worker.reactor.hurry()

    def _begin(self) -> None:
        worker = self._worker
        self._lifecycle.draining = True
        worker.table.show_load(False)
        timeout_s = worker.settings.drain_timeout
        self._end_s = _mono() + timeout_s - min(_SPARE_S, timeout_s / 4)
        worker.reactor.hurry()

    def _close_answers(self) -> None:
        self._lifecycle.closing = True
        self._worker.heads.close()

    # -- housekeeping -------------------------------------------------------------------------------------------------

    @property
    def tick_s(self) -> float:
        """Until the next look at the connections."""
        handover = self._lifecycle.handover
        return _FULL_TICK_S if handover is not None and handover.full else _TICK_S

    def begin_sweep(self, now_s: float) -> None:
        """All connections are about to be asked."""
        lifecycle = self._lifecycle
        if lifecycle.handover is not None:
            lifecycle.handover.full = False
        if now_s >= self._end_s and not lifecycle.closing:
            self._close_answers()
        if now_s >= self._stop_s + _GRACE_S:
            self._acceptor.stop_accepting()

    def hand_over(self, conn: Connection, now_s: float) -> bool:
        """Give a connection that nothing is under way on to another worker; False if it stays, for now or for good."""
        handover = self._lifecycle.handover
        if handover is None or handover.full:
            return False
        moved = handover.give(conn, now_s)
        if handover.failure is not None:
            self._lifecycle.handover = None
            text = "connections cannot be handed over (%s); each ends with its next answer"
            self._worker.log.warning(text, handover.failure.strerror)
            self._close_answers()
        return moved

    def may_close(self, conn: Connection, now_s: float) -> bool:
        """Return whether an idle connection has stayed as long as it may."""
        return now_s >= min(self._end_s, self._patience_s(conn))

    def _patience_s(self, conn: Connection) -> float:
        """Until when an idle connection may stay."""
        if self._stop_s == _FOREVER_S:
            return _FOREVER_S
        if conn.since_s < self._stop_s - _RECENT_S:
            return self._stop_s
        return max(conn.since_s, self._stop_s) + _GRACE_S

    def check_over(self, now_s: float) -> None:
        """End the worker once it has no connection, no body is being closed, and nothing that it gave away waits for
        another worker to take it."""
        worker, lifecycle = self._worker, self._lifecycle
        conns = worker.table.by_fd
        if conns or worker.chores.open:
            return
        if self._stop_s < _FOREVER_S:
            self._acceptor.take_all()  # as late as can be
        elif lifecycle.handover is not None and not lifecycle.handover.done() and now_s < self._end_s:
            return
        if not conns:
            self._acceptor.stop()
            lifecycle.over = True
