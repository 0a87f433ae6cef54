"""Owns how a worker ends: what becomes of its connections when the master says DRAIN or STOP, and when it is over.

DRAIN, others serve on: connections that wait for a request, or have begun one, move to others at once, and those that
are busy move when their answer has left; nobody closes anything. Where they cannot move (TLS, whose state is this
process's) they stay for one more answer, which says that the connection ends.

STOP, nobody serves on: everything that waits is accepted, every answer ends its connection, and clients that were
active lately, who may be about to ask again, get a moment to do so.

In both, an idle connection is closed only after a last look for a request, and before drain-timeout is over. The
leader's.
"""

from __future__ import annotations

import time

from .accepting import Acceptor
from .connection import Connection, Phase
from .core import Core
from .handover import Handover

__all__ = ["Draining"]

_TICK_S = 0.05
_FULL_TICK_S = 0.005  # while more connections are to move than the adoption socket takes at once
_RECENT_S = 5.0  # a client that was active so lately before a stop may be about to send its next request
_GRACE_S = 1.0  # that it gets for it
_SPARE_S = 1.0  # before the end of drain-timeout, when the master kills: for closing what is idle
_FOREVER_S = float("inf")

_mono = time.monotonic


class Draining:
    """Ends a worker; `drain` or `stop` begin it, then `look` at every connection and `check_over` at every tick."""

    def __init__(self, core: Core, acceptor: Acceptor) -> None:
        self._core = core
        self._acceptor = acceptor
        self._stop_s = _FOREVER_S  # when STOP came
        self._end_s = _FOREVER_S  # from when on no idle connection is kept

    # -- the master's word --------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Leave new connections to the others, and let go of those that can go."""
        core = self._core
        if core.draining:
            return
        self._begin()
        self._acceptor.stop()
        if core.context.adoption is None or not self._acceptor.has_movable:
            self._close_answers()
            return
        core.handover = Handover(core, core.context.adoption)
        if self._acceptor.has_fixed:
            core.planner.close()  # answers on those say that the connection ends, so none is plain any more

    def stop(self) -> None:
        """Take all that waits, and end with it; also when already draining: whom the connections went to ends too."""
        core = self._core
        if self._stop_s < _FOREVER_S:
            return
        if not core.draining:
            self._begin()
        self._stop_s = _mono()
        core.handover = None
        self._close_answers()
        self._acceptor.take_all()
        core.hurry()

    def _begin(self) -> None:
        core = self._core
        core.draining = True
        core.show_load(False)
        timeout_s = core.settings.drain_timeout
        self._end_s = _mono() + timeout_s - min(_SPARE_S, timeout_s / 4)
        core.hurry()

    def _close_answers(self) -> None:
        self._core.closing = True
        self._core.planner.close()

    # -- housekeeping -------------------------------------------------------------------------------------------------

    @property
    def tick_s(self) -> float:
        """Until the next look at the connections."""
        handover = self._core.handover
        return _FULL_TICK_S if handover is not None and handover.full else _TICK_S

    def begin_sweep(self, now_s: float) -> None:
        """All connections are about to be looked at."""
        core = self._core
        if core.handover is not None:
            core.handover.full = False
        if now_s >= self._end_s and not core.closing:
            self._close_answers()
        if now_s >= self._stop_s + _GRACE_S:
            self._acceptor.stop_accepting()

    def look(self, conn: Connection, now_s: float) -> None:
        """See what is to become of a connection now."""
        handover = self._core.handover
        if handover is not None and not handover.full:
            if handover.give(conn, now_s):
                return
            if handover.failure is not None:
                self._give_up_moving(handover.failure)
        may_close = conn.phase <= Phase.NEW and now_s >= min(self._end_s, self._patience_s(conn))
        if may_close and not conn.transport.readable:  # otherwise the loop answers, and closes then
            self._core.forget(conn)

    def _patience_s(self, conn: Connection) -> float:
        """Until when an idle connection may stay."""
        if self._stop_s == _FOREVER_S:
            return _FOREVER_S
        if conn.since_s < self._stop_s - _RECENT_S:
            return self._stop_s
        return max(conn.since_s, self._stop_s) + _GRACE_S

    def _give_up_moving(self, failure: OSError) -> None:
        core = self._core
        if core.handover is not None:
            core.handover = None
            core.log.warning("connections cannot be handed over (%s); each ends with its next answer", failure.strerror)
            self._close_answers()

    def check_over(self, now_s: float) -> None:
        """End the worker once it has no connection, no body is being closed, and nothing that it gave away waits for
        somebody to take it."""
        core = self._core
        if core.conns or core.asides:
            return
        if self._stop_s < _FOREVER_S:
            self._acceptor.take_all()  # as late as can be
        elif core.handover is not None and not core.handover.done() and now_s < self._end_s:
            return
        if not core.conns:
            self._acceptor.stop()
            core.over = True
