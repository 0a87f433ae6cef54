"""Owns what HTTP/1 says without a handler: that a request is malformed, or that its body may come. The leader's."""

from __future__ import annotations

import contextlib
import select
import time
from contextvars import Context
from typing import TYPE_CHECKING, NamedTuple

from ...framework.handler import HTTPHandler
from ...logthrottle import log_throttled
from ...protocol import ProtocolError
from ..connections.connection import AbstractExchange, Connection, Phase
from ..exchanges.exchange import Rejection
from ..exchanges.output import Output
from .serializer import reject

if TYPE_CHECKING:
    from ...framework.request import Request
    from ..exchanges.plan import Plan
    from ..parts import Parts

__all__ = ["Replies"]

_mono = time.monotonic


class _Refused(NamedTuple):
    """A request that is refused: its answer to be, why, the bytes that were seen of it, and the request if its head was
    good."""

    rejection: Rejection
    error: ProtocolError
    seen: bytes
    request: Request | None


class Replies:
    """Rejections, and 100 (Continue)."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def reject(
        self, conn: Connection, error: ProtocolError, seen: bytes | bytearray, begun: tuple[Plan, Request] | None = None
    ) -> None:
        """Reject a malformed request, of which `seen` was received: send the error response, once, and close (RFC 9112
        sections 2.2 and 9.6). begun: its plan, if its head was good.

        If its head was good and the target has mix-ins, a thread of the pool asks them for their fields first.
        """
        parts = self._parts
        if error.__cause__ is not None:
            log_throttled(parts.log, f"{error}: {error.__cause__}")
        asked, rejection = conn.exchange, Rejection(parts, conn)
        rejection.began_s = conn.since_s
        if asked is not None:  # a body that came too late, too slowly, or in the wrong form
            begun = asked.plan, asked.request
            parts.activities.end(asked)
            rejection.intake = asked.intake
            parts.chores.leftovers.append(asked)
        conn.buffer = b"?"  # whatever the client still sends is not looked at
        refused = _Refused(rejection, error, bytes(seen), None if begun is None else begun[1])
        if begun is not None and parts.routes.mixins and begun[0].handler.__init__ is not HTTPHandler.__init__:
            conn.exchange, conn.phase = rejection, Phase.RUNNING
            parts.pool.put((self._ask_mixins, begun[0], refused))
        else:
            self._answer(refused)

    def _ask_mixins(self, _activity: object, plan: Plan, refused: _Refused) -> None:
        """Make the handler, whose mix-ins then say what goes with an error, and answer (as a task of the pool)."""
        with contextlib.suppress(BaseException):  # the application's; the client is told of its own mistake
            Context().run(plan.handler, refused.request, plan.groups)
        self._parts.reactor.call(self._answer, refused)

    def _answer(self, refused: _Refused) -> None:
        parts, (rejection, error, seen, request) = self._parts, refused
        conn = rejection.connection
        peer = conn if request is None else request._peer
        preamble = parts.clock.preambles[peer.origin.scheme]
        headers = request.error_headers if request is not None and request.has_error_headers else None
        try:
            answer = reject(error, preamble, headers)
        except Exception:  # what is no valid field is logged where the handler answers
            answer = reject(error, preamble)
        us = int((_mono() - rejection.began_s) * 1e6)
        parts.recorder.record_rejection(peer.peer, seen, error.status, len(answer.payload), us)
        if conn.phase != Phase.CLOSED:  # else the client has left meanwhile
            rejection.output = Output(answer)
            rejection.send(leading=True)

    def go_on(self, exchange: AbstractExchange) -> None:
        """Tell the client to send its body."""
        conn, parts, intake = exchange.connection, self._parts, exchange.intake
        if conn.phase == Phase.CLOSED or intake is None:
            self._drop(exchange)
            return
        if intake.stream is None:
            parts.activities.show_waiting(exchange, _mono())
        try:
            conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")  # a few bytes into a buffer that is empty
        except OSError:
            parts.table.forget(conn)
            self._drop(exchange)
            return
        conn.phase = Phase.BODY
        conn.since_s = _mono()
        intake.client_time.begin(conn.since_s)
        if conn.parked:
            parts.table.watch(conn, select.EPOLLIN)

    def _drop(self, exchange: AbstractExchange) -> None:
        """Give up a request whose client left while its handler was asked: no thread has its activity any more."""
        self._parts.chores.leftovers.append(exchange)
        self._parts.activities.end(exchange)
