"""Owns how a worker ends: what becomes of its connections when the master says DRAIN or STOP, and when it is over.

DRAIN: other workers serve on. A connection that waits for a request, or has begun one, moves to another worker at once;
a busy one moves when its answer has left; none is closed. A connection that cannot move (under TLS, whose keys are this
process's) stays for one more answer, which says that the connection ends.

STOP: nobody serves on. Everything that waits is accepted, every answer ends its connection, and clients that were
active lately, and may be about to ask again, get a moment to do so.

In both, an idle connection is closed only after a last look for a request, and before drain-timeout is over. The
connections' protocols are asked at every sweep (`ConnectionProtocol.on_drain`). The leader's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .connections.connection import FOREVER_S
from .connections.handover import Handover

if TYPE_CHECKING:
    from .connections.accepting import Acceptor
    from .parts import Parts

__all__ = ["Draining"]

_TICK_S = 0.05
_FULL_TICK_S = 0.005  # while more connections are to move than the adoption socket takes at once
_SPARE_S = 1.0  # before the end of drain-timeout, when the master kills: for closing what is idle

_mono = time.monotonic


class Draining:
    """Ends a worker: `drain` or `stop` begin it, then every sweep asks the connections' protocols, and every tick
    calls `check_over`."""

    def __init__(self, parts: Parts, acceptor: Acceptor) -> None:
        self._parts = parts
        self._lifecycle = parts.lifecycle
        self._acceptor = acceptor

    # -- what the master says -----------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Leave new connections to the others, and let those go that can."""
        parts, lifecycle = self._parts, self._lifecycle
        if lifecycle.draining:
            return
        self._begin()
        adoption = parts.context.adoption
        self._acceptor.stop()
        if adoption is None or not self._acceptor.has_movable:
            lifecycle.close_answers()
            return
        lifecycle.handover = Handover(adoption, parts.table.let_go)
        if self._acceptor.has_fixed:
            lifecycle.on_closing()  # answers under TLS say that the connection ends

    def stop(self) -> None:
        """Take all that waits, and end with it. Also when draining already: the workers that connections went to end
        too."""
        lifecycle = self._lifecycle
        if lifecycle.stop_s < FOREVER_S:
            return
        if not lifecycle.draining:
            self._begin()
        lifecycle.stop_s = _mono()
        lifecycle.handover = None
        lifecycle.close_answers()
        self._acceptor.take_all()
        self._parts.reactor.hurry()

    def _begin(self) -> None:
        parts = self._parts
        self._lifecycle.draining = True
        parts.table.show_load(False)
        timeout_s = parts.settings.drain_timeout
        self._lifecycle.end_s = _mono() + timeout_s - min(_SPARE_S, timeout_s / 4)
        parts.reactor.hurry()

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
        if now_s >= lifecycle.end_s and not lifecycle.closing:
            lifecycle.close_answers()
        if now_s >= lifecycle.grace_is_over_s:
            self._acceptor.stop_accepting()

    def check_over(self, now_s: float) -> None:
        """End the worker once it has no connection, no body is being closed, and nothing that it gave away waits for
        another worker to take it."""
        parts, lifecycle = self._parts, self._lifecycle
        conns = parts.table.by_fd
        if conns or parts.chores.open:
            return
        if lifecycle.stop_s < FOREVER_S:
            self._acceptor.take_all()  # as late as can be
        elif lifecycle.handover is not None and not lifecycle.handover.done() and now_s < lifecycle.end_s:
            return
        if not conns:
            self._acceptor.stop()
            lifecycle.over = True
