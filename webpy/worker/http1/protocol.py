"""Owns HTTP/1 as the protocol of a connection: what each phase waits for, and what becomes of it (RFC 9112).

One object serves all connections of a worker: what it keeps of one is in `Connection`. Requests come in by `Reading`,
answers go out as `serializer` makes them. The first bytes of the next request on an idle connection, and the plainest
answers, never come here: the loop handles these in place. The leader's, but for `serialize` and `on_finished`.
"""

from __future__ import annotations

import functools
import select
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ...supervisor import Cell
from ..connections.connection import FOREVER_S, AbstractExchange, Connection, ConnectionProtocol, Phase
from ..connections.transport import WOULD_BLOCK
from ..exchanges.output import Output
from ..exchanges.rate import LeastRate
from .heads import HeadCache
from .reading import Reading
from .replies import Replies
from .serializer import render, render_shortly, switch

if TYPE_CHECKING:
    from ...framework.response import Response
    from ..exchanges.exchange import Exchange
    from ..exchanges.streams import Streams
    from ..parts import Parts
    from ..threads.dispatcher import Dispatcher

__all__ = ["Http1"]

_READ_BYTES = 65536
_LINGER_BYTES = 1 << 20  # taken in at a time from a client that still sends after its last answer
_LINGER_S = 2.0  # for a client to take its last answer and close
_IDLE = frozenset({Phase.IDLE, Phase.NEW, Phase.LINGER})

_mono = time.monotonic


class Http1(ConnectionProtocol):
    """HTTP/1.0 and HTTP/1.1."""

    __slots__ = ("_limits_s", "_parts", "_replies", "_steps", "_streams", "heads", "rate", "reading")

    def __init__(self, parts: Parts, dispatcher: Dispatcher, streams: Streams) -> None:
        settings = parts.settings
        self._parts = parts
        self._streams = streams
        self._replies = Replies(parts)
        self.heads = HeadCache(parts.planner, parts.limits)
        self.rate = LeastRate(settings.min_body_rate)
        self.reading = reading = Reading(parts, self.heads, self._replies, dispatcher, streams)
        self._steps: dict[int, Callable[[Connection, int], Exchange | None]] = {
            Phase.IDLE: reading.first,
            Phase.NEW: reading.first,
            Phase.HEAD: reading.more_head,
            Phase.BODY: reading.more_body,
            Phase.PIPELINED: reading.next,
            Phase.RUNNING: self._park,
            Phase.STREAMING: reading.more_stream,
            Phase.WRITING: self._advance,
            Phase.LINGER: self._linger,
        }
        self._limits_s: dict[int, float] = {
            Phase.IDLE: settings.keepalive,
            Phase.NEW: settings.keepalive,
            Phase.HEAD: settings.header_timeout,
            Phase.BODY: settings.body_timeout,
            Phase.PIPELINED: FOREVER_S,
            Phase.RUNNING: FOREVER_S,
            Phase.STREAMING: settings.body_timeout,
            Phase.WRITING: settings.write_timeout,
            Phase.LINGER: _LINGER_S,
        }

    # -- events -------------------------------------------------------------------------------------------------------

    def on_start(self, conn: Connection, received: bytes) -> None:
        conn.phase = Phase.NEW
        if received:
            conn.buffer = received
            conn.phase = Phase.PIPELINED
            self._parts.reactor.ready.append((conn.fd, 0))

    def on_event(self, conn: Connection, event: int) -> Exchange | None:
        return self._steps[conn.phase](conn, event)

    def _park(self, conn: Connection, _event: int) -> None:
        self._parts.table.park(conn)

    def _advance(self, conn: Connection, event: int) -> None:
        """Send more of an answer. A long one leaves the poller while others wait, and goes on by turns: otherwise each
        poll would send some of all of them, and a request that comes in between would wait for that."""
        exchange, reactor = conn.exchange, self._parts.reactor
        assert exchange is not None
        output = exchange.output
        assert output is not None
        if event == select.EPOLLOUT and reactor.crowded and output.is_long(exchange.transport):
            self.on_postponed(exchange)
            return
        exchange.advance()
        if not event and exchange.output is output and conn.phase == Phase.WRITING:
            if output.blocked:
                output.client_time.begin(_mono())
                self._parts.table.watch(conn, select.EPOLLOUT)
            else:
                self.on_postponed(exchange)

    def _linger(self, conn: Connection, _event: int) -> None:
        """Take in what a client still sends after its last answer."""
        taken = 0
        while taken < _LINGER_BYTES:
            try:
                count = conn.transport.discard(_READ_BYTES)
            except WOULD_BLOCK:
                return
            if not count:
                self._parts.table.forget(conn)
                return
            taken += count

    # -- time ---------------------------------------------------------------------------------------------------------

    def deadline(self, conn: Connection, now_s: float) -> float:
        exchange = conn.exchange
        if exchange is not None:
            output = exchange.output
            if conn.phase == Phase.WRITING and output is not None:
                has_moved = output.has_moved(conn.transport)
                if has_moved or not output.client_time.runs:
                    conn.since_s = now_s
            if self._is_too_slow(conn, exchange, now_s):
                return -FOREVER_S
        return conn.since_s + self._limits_s[conn.phase]

    def _is_too_slow(self, conn: Connection, exchange: AbstractExchange, now_s: float) -> bool:
        """Return whether the client is waited for, and sends its body or takes its answer below the least rate."""
        output, intake = exchange.output, exchange.intake
        if conn.phase == Phase.WRITING and output is not None:
            return self.rate.is_missed(output.client_time, output.taken_bytes, now_s)
        if conn.phase in (Phase.BODY, Phase.STREAMING) and intake is not None:
            return self.rate.is_missed(intake.client_time, intake.received_bytes, now_s)
        return False

    def on_timeout(self, conn: Connection, now_s: float) -> None:
        cells, phase, exchange = self._parts.row.cells, conn.phase, conn.exchange
        too_slow = exchange is not None and self._is_too_slow(conn, exchange, now_s)
        if phase in (Phase.HEAD, Phase.BODY, Phase.STREAMING):
            why = f"came slower than {self.rate.bytes_s} bytes a second" if too_slow else "did not arrive in time"
            cells[Cell.TIMEOUTS] += self.reading.timed_out(conn, why)
        elif phase == Phase.WRITING:
            if too_slow:
                client, rate = conn.origin.client_address[0], self.rate.bytes_s
                self._parts.log.debug("%s takes its answer slower than %d bytes a second", client, rate)
            cells[Cell.TIMEOUTS] += 1
            if exchange is not None:
                exchange.break_off(None, True)
            self._parts.table.forget(conn)
        else:
            if phase != Phase.LINGER:  # that one has had its answer, and has been counted by its cause
                cells[Cell.CLOSED_IDLE if phase == Phase.IDLE else Cell.TIMEOUTS] += 1
            self._parts.table.forget(conn)

    def on_drain(self, conn: Connection, now_s: float) -> None:
        lifecycle = self._parts.lifecycle
        if lifecycle.hand_over(conn, now_s):
            return
        if conn.phase <= Phase.NEW and lifecycle.may_close(conn, now_s) and not conn.transport.readable:
            self._parts.table.forget(conn)  # if something can be read, the loop answers, and closes then

    def may_make_way(self, conn: Connection) -> bool:
        return conn.phase in _IDLE

    # -- the end ------------------------------------------------------------------------------------------------------

    def on_close(self, conn: Connection) -> None:
        if conn.phase == Phase.WRITING:
            self._parts.reactor.recall(conn.fd)
        exchange, conn.exchange = conn.exchange, None  # or they would keep each other
        if exchange is None:
            return
        parts = self._parts
        parts.chores.leftovers.append(exchange)  # which may hold a handler
        if exchange.intake is not None:
            streams = conn.phase == Phase.STREAMING and not self._streams.waits(exchange)
            if streams:
                exchange.intake.abandon()  # and not dropped: its thread leaves the answer to the leader, as ever
            else:
                exchange.drop_intake()
            if not streams and conn.phase != Phase.RUNNING:  # otherwise the activity is the handler's thread's to free
                parts.activities.end(exchange)

    def abandon(self, conn: Connection) -> None:
        exchange = conn.exchange
        if exchange is not None and exchange.output is not None:
            self._parts.chores.leftovers.append(exchange)
            exchange.abandon()

    def lingering_close(self, conn: Connection) -> None:
        """End a connection after its last answer: at once, or so that the client can read the answer.

        Closing with bytes unread makes the kernel reset the connection, and the client may lose the answer (RFC 9112
        section 9.6): so those are taken in for a while.
        """
        exchange, conn.exchange = conn.exchange, None
        unread = exchange is not None and exchange.intake is not None
        if not unread and not conn.buffer and not conn.transport.unread():
            self._parts.table.forget(conn)
            return
        if exchange is not None and unread:
            self._parts.chores.leftovers.append(exchange)
            exchange.drop_intake()
            self._parts.activities.end(exchange)
        conn.buffer = b""
        conn.transport.end_sending()
        conn.phase = Phase.LINGER
        conn.since_s = _mono()
        self._parts.table.watch(conn, select.EPOLLIN)

    # -- answers ------------------------------------------------------------------------------------------------------

    def on_dispatch(self, exchange: AbstractExchange) -> None:
        conn = exchange.connection
        conn.exchange = exchange
        if conn.phase != Phase.STREAMING:
            conn.phase = Phase.RUNNING

    def serialize(self, exchange: AbstractExchange, response: Response | None, result: Any, closing: bool) -> Output:
        parts, plan = self._parts, exchange.plan
        if parts.lifecycle.draining and parts.lifecycle.closes(exchange.connection):
            closing = True
        answer = None
        preamble = plan.plain or parts.clock.preambles[exchange.request.scheme]
        close = closing or not plan.head.keep_alive
        if plan.head.method != "HEAD" if close else plan.plain:
            answer = render_shortly(preamble, response, result, close)
        if answer is None:
            headers = None if response is None else response.headers
            if preamble.more:
                headers = preamble.complete(headers)
            answer = render(plan.head, headers, result, preamble.date, closing)
        return Output(answer)

    def serialize_switch(self, exchange: AbstractExchange, fields: Iterable[tuple[str, str]]) -> Output:
        preamble = self._parts.clock.preambles[exchange.request.scheme]
        return Output(switch((*preamble.more, *fields), preamble.date))

    def on_blocked(self, exchange: AbstractExchange) -> None:
        exchange.connection.phase = Phase.WRITING
        self._parts.table.watch(exchange.connection, select.EPOLLOUT)

    def on_postponed(self, exchange: AbstractExchange) -> None:
        conn, output = exchange.connection, exchange.output
        assert output is not None
        conn.phase = Phase.WRITING
        output.client_time.end(_mono())  # until its turn it waits for us
        self._parts.table.watch(conn, 0)  # the poller would only tell again that there is room
        self._parts.reactor.postpone(conn.fd)

    def on_unblocked(self, exchange: AbstractExchange) -> None:
        self._parts.table.watch(exchange.connection, select.EPOLLIN)

    def on_broken(self, exchange: AbstractExchange, leading: bool) -> None:
        conn, parts = exchange.connection, self._parts
        if exchange.intake is None:
            conn.exchange = None  # or they would keep each other
        if leading:
            parts.table.abort(conn)
        else:
            parts.reactor.call(parts.table.abort, conn)

    def on_finished(self, exchange: AbstractExchange, close: bool, leading: bool) -> None:
        conn, parts = exchange.connection, self._parts
        whole = exchange.intake is None
        if whole:
            conn.exchange = None
        if exchange.successor is not None:
            if leading:
                self._switch(exchange)
            else:
                parts.reactor.call(self._switch, exchange)
        elif leading:
            self.release(conn, close)
        elif close or conn.buffer or not whole or parts.lifecycle.draining:
            # a draining worker's connections move as soon as they can
            parts.reactor.call(self.release, conn, close)
        else:
            conn.since_s = _mono()
            conn.phase = Phase.IDLE
            if conn.parked:
                parts.reactor.call(parts.table.unpark, conn)

    def _switch(self, exchange: AbstractExchange) -> None:
        """Hand the connection to the protocol that follows, once the whole request has come (RFC 9110 section 7.8)."""
        conn, parts, intake, successor = exchange.connection, self._parts, exchange.intake, exchange.successor
        assert successor is not None
        if conn.phase == Phase.CLOSED:
            return
        if intake is not None and intake.stream is not None and not intake.complete:
            intake.stream.close()  # the leader alone receives what is left, and nobody wants it
        if intake is None or intake.complete:
            exchange.intake = conn.exchange = None
            parts.table.hand(conn, successor)
        elif intake.stream is None or intake.stream.failed:
            parts.table.abort(conn)
        else:
            intake.tell_over()  # the handler has its turn no longer
            intake.over = functools.partial(parts.reactor.call, self._switch, exchange)
            conn.phase = Phase.STREAMING
            parts.table.watch(conn, select.EPOLLIN)

    def release(self, conn: Connection, close: bool) -> None:
        """The exchange is over: wait for the next request, or end the connection."""
        parts = self._parts
        if conn.phase == Phase.CLOSED:
            return
        if close or conn.exchange is not None:
            self.lingering_close(conn)
            return
        now_s = conn.since_s = _mono()
        conn.phase = Phase.PIPELINED if conn.buffer else Phase.IDLE
        handover = parts.lifecycle.handover
        if handover is not None and handover.give(conn, now_s):
            return
        if conn.buffer:
            parts.reactor.ready.append((conn.fd, 0))
        if conn.parked:
            parts.table.watch(conn, select.EPOLLIN)

    # -- bodies that arrive while a thread has their handler ----------------------------------------------------------

    def go_on(self, exchange: AbstractExchange) -> None:
        self._replies.go_on(exchange)

    def end_intake(self, exchange: AbstractExchange) -> None:
        """The handler of a streamed body has answered, whether or not it has read all of it: send that.

        Only the leader does, who receives the body: so nobody sends while the leader receives, which TLS does not bear,
        or while it closes the connection.
        """
        conn, parts, output = exchange.connection, self._parts, exchange.output
        assert output is not None
        parts.chores.leftovers.append(exchange)
        if conn.phase == Phase.CLOSED:
            # the client has left: a thread of the pool finds that out by sending, logs it, and closes the body
            exchange.intake = None
            parts.pool.put((exchange.send,))
            return
        intake = exchange.intake
        if intake is not None:
            if output.answer.close and not intake.complete:
                intake.abandon()  # it is not received any more: an answer's body that reads it must not wait
            elif exchange.successor is None or intake.complete:  # else what still comes goes before its first byte
                exchange.intake = None
        conn.phase = Phase.RUNNING
        exchange.send(leading=True)
