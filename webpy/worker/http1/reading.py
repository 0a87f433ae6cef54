"""Owns HTTP/1 requests on their way in: heads, bodies, pipelines, and what to do when they are malformed. The leader's.

A method returns a request that is there, for the loop to run, and None as long as more has to come.
"""

from __future__ import annotations

import io
import select
import time
from typing import TYPE_CHECKING

from ...framework.handler import HTTPHandler
from ...framework.request import Request
from ...protocol import ProtocolError, find_head
from ..connections.connection import Connection, Phase
from ..connections.transport import WOULD_BLOCK
from ..exchanges.exchange import Exchange
from ..exchanges.intake import Intake, Stream
from ..shield import RefusingHandler

if TYPE_CHECKING:
    from ..exchanges.plan import Plan
    from ..exchanges.streams import Streams
    from ..parts import Parts
    from ..threads.dispatcher import Dispatcher
    from .heads import HeadCache
    from .replies import Replies

__all__ = ["Begun", "Reading"]

Begun = tuple["Plan", Request]

_READ_BYTES = 65536
_AHEAD_BYTES = 1 << 17  # received at a time for a streaming handler: each time it may have to wait for the GIL

_mono = time.monotonic


class Reading:
    """Makes requests of what connections receive."""

    __slots__ = ("_dispatcher", "_heads", "_limits", "_parts", "_recent_to_begin", "_replies", "_streams")

    def __init__(
        self, parts: Parts, heads: HeadCache, replies: Replies, dispatcher: Dispatcher, streams: Streams
    ) -> None:
        self._parts = parts
        self._heads = heads
        self._recent_to_begin = heads.recent_to_begin.get
        self._replies = replies
        self._dispatcher = dispatcher
        self._streams = streams
        self._limits = parts.limits

    # -- heads --------------------------------------------------------------------------------------------------------

    def first(self, conn: Connection, _event: int) -> Exchange | None:
        """The first bytes of a new connection."""
        data = self._receive(conn)
        if data is None:
            return None
        conn.phase = Phase.IDLE
        return self._exchange(conn, self.begin(conn, data))

    def more_head(self, conn: Connection, _event: int) -> Exchange | None:
        """More of a head."""
        data = self._receive(conn)
        if data is None:
            return None
        scanned = len(conn.buffer)
        if not data:
            self._cut_head(conn, ProtocolError(400, "the connection ended inside the head"))
            return None
        if type(conn.buffer) is bytes:
            conn.buffer = bytearray(conn.buffer)
        conn.buffer += data
        return self._exchange(conn, self._begin(conn, conn.buffer, scanned=scanned))

    def next(self, conn: Connection, _event: int) -> Exchange | None:
        """A pipelined request has its turn: its bytes came with the one before."""
        conn.phase = Phase.IDLE
        conn.since_s = _mono()
        data, conn.buffer = conn.buffer, b""
        return self._exchange(conn, self._begin(conn, data))

    def begin(self, conn: Connection, data: bytes) -> Begun | None:
        """What was received first of a new request: most often a whole head, and nothing else."""
        # what ends otherwise has a body behind its head, and hashing that would cost more than all the rest
        if not data.endswith(b"\r\n\r\n"):
            end = data.find(b"\r\n\r\n") + 4
            plan = self._recent_to_begin(data[:end])
            if plan is not None and not plan.varies:  # most bodies come whole, with their head
                length = plan.head.content_length
                if length == len(data) - end and length <= self._limits.body_bytes:
                    request = Request(conn, plan.head)
                    request.raw_body = request.body = data[end:]
                    return plan, request
            return self._begin(conn, data)
        plan = self._heads.plan_alone(data)
        if plan is None or plan.has_body:
            return self._begin(conn, data, plan)
        if plan.varies:
            return self._parts.admission.begin(conn, plan)
        return plan, Request(conn, plan.head)

    def _begin(
        self, conn: Connection, data: bytes | bytearray, plan: Plan | None = None, scanned: int = 0
    ) -> Begun | None:
        """The bytes of a new request, from its beginning; plan: theirs, if they are a head and nothing else; `scanned`
        of them have been looked at."""
        if not data:
            self._parts.table.forget(conn)
            return None
        request = None
        try:
            if plan is None:
                end = find_head(data, self._limits, scanned)
                if end < 0:
                    conn.buffer = data
                    if conn.phase != Phase.HEAD:
                        conn.phase = Phase.HEAD
                        conn.since_s = _mono()
                    return None
                plan = self._heads.plan(bytes(data[:end]))
                conn.buffer = bytes(data[end:])
            if plan.varies:
                plan, request = self._parts.admission.begin(conn, plan)
            else:
                request = Request(conn, plan.head)
            if plan.has_body:
                length = plan.head.content_length
                if plan.varies or len(conn.buffer) != length or length > self._limits.body_bytes:
                    return self._begin_body(conn, plan, request)
                request.raw_body = request.body = bytes(conn.buffer)
                conn.buffer = b""
        except ProtocolError as error:
            if conn.phase == Phase.IDLE:
                conn.since_s = _mono()  # the log tells the time from here, not from the last answer
            self._replies.reject(conn, error, data, None if plan is None or request is None else (plan, request))
            return None
        conn.phase = Phase.IDLE
        return plan, request

    def _exchange(self, conn: Connection, begun: Begun | None) -> Exchange | None:
        return None if begun is None else Exchange(self._parts, conn, *begun)

    # -- bodies that are gathered -------------------------------------------------------------------------------------

    def _begin_body(self, conn: Connection, plan: Plan, request: Request) -> Begun | None:
        parts = self._parts
        if plan.handler is RefusingHandler:
            raise ProtocolError(429, "too many requests; try again in a second")
        intake = Intake(request, self._limits)
        rest, conn.buffer = bytes(conn.buffer), b""
        conn.since_s = _mono()
        conn.phase = Phase.BODY
        handler = plan.handler
        asks = plan.head.expect_continue and not rest
        default = handler.check_continue is HTTPHandler.check_continue and plan.answers
        streams = handler.stream and self._streams.max_handlers and (default or not asks)
        if rest and not streams:
            try:
                intake.feed(rest)
            except ProtocolError:
                exchange = conn.exchange = Exchange(parts, conn, plan, request)
                exchange.intake = intake
                raise
            if intake.complete:
                conn.buffer = bytes(intake.reader.excess)
                conn.phase = Phase.IDLE
                return plan, request
        exchange = conn.exchange = Exchange(parts, conn, plan, request)
        exchange.intake = intake
        if streams:
            self._begin_stream(exchange, intake, rest)
        elif asks and default:
            self._replies.go_on(exchange)
        elif asks:
            exchange.activity = parts.activities.take(exchange, conn.since_s)
            conn.phase = Phase.RUNNING
            parts.pool.put((exchange.ask,))
        else:
            intake.client_time.begin(conn.since_s)
            parts.activities.show_waiting(exchange, conn.since_s)
        return None

    def more_body(self, conn: Connection, _event: int) -> Exchange | None:
        """More of a body."""
        exchange, intake = self._arriving(conn)
        place = intake.place()
        if place is not None:
            return self._place(conn, exchange, intake, place)
        data = self._receive(conn)
        if data is None:
            return None
        try:
            if not data:
                raise ProtocolError(400, "the connection ended inside the body")
            conn.since_s = _mono()
            intake.feed(data)
        except ProtocolError as error:
            self._replies.reject(conn, error, exchange.plan.head.line)
            return None
        if intake.complete:
            return self._whole(exchange, intake)
        return None

    def _place(self, conn: Connection, exchange: Exchange, intake: Intake, place: memoryview[int]) -> Exchange | None:
        """As `more_body`, received where it is kept: a body of 1 MB costs a fifth."""
        try:
            count = conn.transport.receive_into(place)
        except WOULD_BLOCK:
            return None
        except (OSError, ValueError):
            self._parts.table.forget(conn)
            return None
        try:
            if not count:
                raise ProtocolError(400, "the connection ended inside the body")
            conn.since_s = _mono()
            intake.placed(place, count)
        except ProtocolError as error:
            self._replies.reject(conn, error, exchange.plan.head.line)
            return None
        if conn.transport.held_bytes():
            if not intake.complete:
                self._parts.reactor.ready.append((conn.fd, select.EPOLLIN))
                return None
            following = self._receive(conn)
            if conn.phase == Phase.CLOSED:
                return None
            intake.reader.excess = following or b""
        return self._whole(exchange, intake) if intake.complete else None

    def _whole(self, exchange: Exchange, intake: Intake) -> Exchange | None:
        """The body is there. A handler that was made early goes on on a thread of the pool."""
        conn = exchange.connection
        self._parts.activities.end(exchange)
        exchange.intake = conn.exchange = None
        conn.buffer = bytes(intake.reader.excess)
        conn.phase = Phase.IDLE
        if exchange.handler is not None:
            self._dispatcher.dispatch(exchange)
            self._parts.chores.leftovers.append(exchange)  # the handler is not the leader's to drop
            return None
        return exchange

    def _arriving(self, conn: Connection) -> tuple[Exchange, Intake]:
        """Return the exchange whose body arrives."""
        exchange = conn.exchange
        assert isinstance(exchange, Exchange)
        assert exchange.intake is not None
        return exchange, exchange.intake

    # -- bodies that a handler reads while they arrive ----------------------------------------------------------------

    def _begin_stream(self, exchange: Exchange, intake: Intake, rest: bytes) -> None:
        """Let the handler run while the body arrives."""
        conn = exchange.connection
        intake.client_time.begin(conn.since_s)
        intake.stream = Stream(lambda: self._parts.reactor.call(self._resume_stream, conn))
        exchange.request.read_from(io.BufferedReader(intake.stream, _AHEAD_BYTES))
        if exchange.plan.head.expect_continue and not rest:
            self._replies.go_on(exchange)
            if conn.phase == Phase.CLOSED:
                return
        conn.phase = Phase.STREAMING
        if rest:
            intake.feed(rest)
        self._streams.begin(exchange)
        if intake.complete:
            conn.buffer = bytes(intake.reader.excess)

    def more_stream(self, conn: Connection, _event: int) -> None:
        """More of a body that a handler reads meanwhile."""
        intake = None if conn.exchange is None else conn.exchange.intake
        if intake is None or not intake.needs_more:
            self._parts.table.park(conn)
            return
        if intake.stream is not None and intake.stream.receives:
            return  # an event from before that
        data = self._receive(conn)
        if data is None:
            return
        exchange, _ = self._arriving(conn)
        try:
            if not data:
                raise ProtocolError(400, "the connection ended inside the body")
            conn.since_s = _mono()
            if exchange.activity is not None and not self._streams.waits(exchange):
                self._parts.activities.move_on(exchange.activity)  # a handler that waits for its client is not late
            intake.feed(data)
        except ProtocolError as error:
            self._break_off(exchange, intake, error)
            return
        assert intake.stream is not None
        if intake.complete:
            conn.buffer = bytes(intake.reader.excess)
        elif intake.stream.hold():
            intake.client_time.end(conn.since_s)
            self._parts.table.park(conn)

    def _break_off(self, exchange: Exchange, intake: Intake, error: ProtocolError) -> None:
        """The rest of a stream will not come: the handler's read raises, and it answers or not."""
        conn = exchange.connection
        if self._streams.waits(exchange):
            intake.abandon(error)
            self._replies.reject(conn, error, exchange.plan.head.line)
        else:
            intake.abandon(error)
            self._parts.table.park(conn)

    def _resume_stream(self, conn: Connection) -> None:
        """The handler has read enough for the client to send on."""
        intake = None if conn.exchange is None else conn.exchange.intake
        if conn.phase == Phase.STREAMING and conn.parked and intake is not None and intake.needs_more:
            conn.since_s = _mono()
            intake.client_time.begin(conn.since_s)
            self._parts.table.watch(conn, select.EPOLLIN)

    # -- what is late -------------------------------------------------------------------------------------------------

    def timed_out(self, conn: Connection, why: str) -> bool:
        """The head or the body is late (RFC 9110 section 15.5.9): False if it is a handler that takes its time."""
        intake = None if conn.exchange is None else conn.exchange.intake
        what = "head" if intake is None else "body"
        error = ProtocolError(408, f"the request's {what} {why}")
        if intake is None:
            self._cut_head(conn, error)
            return True
        exchange, _ = self._arriving(conn)
        if intake.stream is None:
            self._replies.reject(conn, error, exchange.plan.head.line)
        elif not intake.client_time.runs or not intake.needs_more:
            return False
        else:
            self._break_off(exchange, intake, error)
        return True

    def _cut_head(self, conn: Connection, error: ProtocolError) -> None:
        """No more of a head will come. A CRLF alone, as some clients send behind a body, is not a request."""
        if conn.buffer == b"\r\n":
            self._parts.table.forget(conn)
        else:
            self._replies.reject(conn, error, conn.buffer)

    def _receive(self, conn: Connection) -> bytes | None:
        """Return what has come: None if nothing has yet, b"" at the end."""
        try:
            return conn.recv(_READ_BYTES)
        except WOULD_BLOCK:
            return None
        except (OSError, ValueError):
            self._parts.table.forget(conn)
            return None
