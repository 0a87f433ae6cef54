"""Owns requests on their way in: heads, bodies, pipelines, and what to do when they are bad. The leader's.

A method that gets a whole request gives its plan and request back to the loop, which runs it; None otherwise.
"""

from __future__ import annotations

import io
import select
import time

from ..framework.handler import HTTPHandler
from ..framework.request import Request
from ..logthrottle import log_throttled
from ..protocol import ProtocolError, find_head
from .connection import Connection, Phase
from .core import Core
from .delivery import Delivery
from .exchange import Exchange
from .intake import Intake, Stream
from .plan import Plan
from .transport import WOULD_BLOCK

__all__ = ["Begun", "Reading"]

Begun = tuple[Plan, Request]

_READ_BYTES = 65536
_LINGER_BYTES = 1 << 20  # taken in at a time from a client that still sends after its last answer

_mono = time.monotonic


class Reading:
    """Makes requests of what connections receive."""

    def __init__(self, core: Core, exchange: Exchange, delivery: Delivery) -> None:
        self._core = core
        self._exchange = exchange
        self._delivery = delivery
        self._streams = exchange.streams

    def first(self, conn: Connection, _event: int) -> Begun | None:
        """The first bytes of a new connection."""
        data = self._receive(conn)
        if data is None:
            return None
        conn.phase = Phase.IDLE
        return self.begin(conn, data)

    def more_head(self, conn: Connection, _event: int) -> Begun | None:
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
        return self.begin(conn, conn.buffer, scanned)

    def next(self, conn: Connection, _event: int) -> Begun | None:
        """A pipelined request has its turn: its bytes came with the one before."""
        conn.phase = Phase.IDLE
        conn.since_s = _mono()
        data, conn.buffer = conn.buffer, b""
        return self.begin(conn, data)

    def begin(self, conn: Connection, data: bytes | bytearray, scanned: int = 0) -> Begun | None:
        """The bytes of a new request, from its beginning; `scanned` of them have been looked at."""
        if not data:
            self._core.forget(conn)
            return None
        try:
            end = find_head(data, self._core.limits, scanned)
            if end < 0:
                conn.buffer = data
                if conn.phase != Phase.HEAD:
                    conn.phase = Phase.HEAD
                    conn.since_s = _mono()
                return None
            plan = self._core.planner.plan(bytes(data[:end]))
            conn.buffer = bytes(data[end:])
            request = Request(conn, plan.head)
            if plan.has_body:
                return self._begin_body(conn, plan, request)
        except ProtocolError as error:
            if conn.phase == Phase.IDLE:
                conn.since_s = _mono()  # the log tells the time from here, not from the last answer
            self._delivery.refuse(conn, error, data)
            return None
        conn.phase = Phase.IDLE
        return plan, request

    def _begin_body(self, conn: Connection, plan: Plan, request: Request) -> Begun | None:
        intake = Intake(plan, request, self._core.limits)
        rest, conn.buffer = bytes(conn.buffer), b""
        conn.since_s = _mono()
        conn.phase = Phase.BODY
        handler = plan.handler
        asks = plan.head.expect_continue and not rest
        default = handler.check_continue is HTTPHandler.check_continue and plan.answers
        if handler.stream and self._streams.most and conn.transport.duplex and (default or not asks):
            self._begin_stream(conn, intake, rest)
            return None
        conn.intake = intake
        if rest:
            intake.feed(rest)
        if intake.complete:
            return self._whole(conn, intake)
        if asks and default:
            self._exchange.go_on(conn, None)
        elif asks:
            intake.line = self._core.lines.take(conn, plan, conn.since_s)
            conn.phase = Phase.RUNNING
            self._core.pool.put((self._exchange.ask, conn, plan, request))
        else:
            intake.client_time.begin(conn.since_s)
            self._core.lines.show_waiting(intake, conn, plan, conn.since_s)
        return None

    def _begin_stream(self, conn: Connection, intake: Intake, rest: bytes) -> None:
        """Let the handler run beside the body's arrival. Not under TLS: its two directions need one thread."""
        conn.intake = intake
        intake.client_time.begin(conn.since_s)
        intake.stream = Stream(lambda: self._core.call(self._unhold, conn))
        intake.request.read_from(io.BufferedReader(intake.stream))
        if intake.plan.head.expect_continue and not rest:
            self._exchange.go_on(conn, None)
            if conn.phase == Phase.CLOSED:
                return
        conn.phase = Phase.STREAMING
        if rest:
            intake.feed(rest)
        self._streams.begin(conn, intake)
        if intake.complete:
            conn.buffer = bytes(intake.reader.excess)

    def more_body(self, conn: Connection, _event: int) -> Begun | None:
        """More of a body."""
        data = self._receive(conn)
        if data is None:
            return None
        intake = conn.intake
        assert intake is not None
        try:
            if not data:
                raise ProtocolError(400, "the connection ended inside the body")
            conn.since_s = _mono()
            intake.feed(data)
        except ProtocolError as error:
            self._refuse_body(conn, intake, error)
            return None
        if intake.complete:
            return self._whole(conn, intake)
        return None

    def more_stream(self, conn: Connection, event: int) -> None:
        """More of a body that a handler reads meanwhile."""
        intake = conn.intake
        if intake is None or not intake.needs_more:
            self._core.park(conn)
            return
        assert intake.stream is not None
        data = self._receive(conn)
        if data is None:
            return
        try:
            if not data:
                raise ProtocolError(400, "the connection ended inside the body")
            conn.since_s = _mono()
            if intake.reader_line is not None:  # a handler that waits for its client is not late
                self._core.lines.move_on(intake.reader_line)
            intake.feed(data)
        except ProtocolError as error:
            self._break_off(conn, intake, error)
            return
        if intake.complete:
            conn.buffer = bytes(intake.reader.excess)
        elif intake.stream.hold():
            intake.client_time.end(conn.since_s)
            self._core.park(conn)

    def _break_off(self, conn: Connection, intake: Intake, error: ProtocolError) -> None:
        """The rest of a stream will not come: the handler's read raises, and it answers or not."""
        if self._streams.waits(conn):
            intake.abandon(error)
            self._refuse_body(conn, intake, error)
        else:
            intake.abandon(error)
            self._core.park(conn)

    def _unhold(self, conn: Connection) -> None:
        if conn.phase == Phase.STREAMING and conn.parked and conn.intake is not None and conn.intake.needs_more:
            conn.since_s = _mono()
            conn.intake.client_time.begin(conn.since_s)
            self._core.watch(conn, select.EPOLLIN)

    def linger(self, conn: Connection, _event: int) -> None:
        """Take in what a client still sends after its last answer."""
        taken = 0
        while taken < _LINGER_BYTES:
            try:
                count = conn.transport.discard(_READ_BYTES)
            except WOULD_BLOCK:
                return
            if not count:
                self._core.forget(conn)
                return
            taken += count

    def timed_out(self, conn: Connection, why: str = "did not arrive in time") -> bool:
        """The head or the body is late (RFC 9110 section 15.5.9): False if it is a handler that takes its time."""
        intake = conn.intake
        what = "head" if intake is None else "body"
        error = ProtocolError(408, f"the request's {what} {why}")
        if intake is None:
            self._cut_head(conn, error)
        elif intake.stream is None:
            self._refuse_body(conn, intake, error)
        elif conn.parked or not intake.needs_more:
            return False
        else:
            self._break_off(conn, intake, error)
        return True

    def _cut_head(self, conn: Connection, error: ProtocolError) -> None:
        """No more of a head will come. A CRLF alone, as some clients send behind a body, is no request at all."""
        if conn.buffer == b"\r\n":
            self._core.forget(conn)
        else:
            self._delivery.refuse(conn, error, conn.buffer)

    def _refuse_body(self, conn: Connection, intake: Intake, error: ProtocolError) -> None:
        if error.__cause__ is not None:
            log_throttled(self._core.log, f"{error}: {error.__cause__}")
        self._delivery.refuse(conn, error, intake.plan.head.line)

    def _whole(self, conn: Connection, intake: Intake) -> Begun | None:
        """The body is there. A handler that was made early goes on on a pool thread."""
        self._core.lines.end(intake)
        conn.intake = None
        conn.buffer = bytes(intake.reader.excess)
        conn.phase = Phase.IDLE
        if intake.handler is not None:
            self._exchange.dispatch(conn, intake.plan, intake.request, intake.handler)
            self._core.leftovers.append(intake)  # the handler is not the leader's to let go of
            return None
        return intake.plan, intake.request

    def _receive(self, conn: Connection) -> bytes | None:
        """What has come: None if nothing has yet, b"" at the end."""
        try:
            return conn.recv(_READ_BYTES)
        except WOULD_BLOCK:
            return None
        except (OSError, ValueError):
            self._core.forget(conn)
            return None
