"""Owns what HTTP/1 says without a handler: that a request is malformed, or that its body may come. The leader's."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from ...logthrottle import log_throttled
from ...protocol import ProtocolError
from ..connections.connection import AbstractExchange, Connection, Phase
from ..exchanges.exchange import Rejection
from ..exchanges.output import Output
from .serializer import reject

if TYPE_CHECKING:
    from ...framework.request import Request
    from ..parts import Parts

__all__ = ["Replies"]

_mono = time.monotonic


class Replies:
    """Rejections, and 100 (Continue)."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def reject(
        self, conn: Connection, error: ProtocolError, seen: bytes | bytearray, request: Request | None = None
    ) -> None:
        """Reject a malformed request, of which `seen` was received: send the error response, once, and close (RFC 9112
        sections 2.2 and 9.6). request: if its head was good."""
        parts = self._parts
        if error.__cause__ is not None:
            log_throttled(parts.log, f"{error}: {error.__cause__}")
        asked, rejection = conn.exchange, Rejection(parts, conn)
        request = request if asked is None else asked.request
        peer = conn if request is None else request._peer
        answer = reject(error, parts.clock.preambles[peer.origin.scheme])
        us = int((_mono() - conn.since_s) * 1e6)
        parts.recorder.record_rejection(peer.peer, seen, error.status, len(answer.payload), us)
        if asked is not None:  # a body that came too late, too slowly, or in the wrong form
            parts.activities.end(asked)
            rejection.intake = asked.intake
            parts.chores.leftovers.append(asked)
        conn.buffer = b"?"  # whatever the client still sends is not looked at
        rejection.began_s = conn.since_s
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
