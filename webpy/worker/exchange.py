"""Owns the way of an answer: from a handler's call to its last byte and its line in the log.

`run` and `pull` are what pool threads do; `settle` is called by whoever ran the handler; the rest is the leader's.
While a connection is RUNNING it belongs to the thread that runs its handler, and nobody else changes it.
"""

from __future__ import annotations

import select
import ssl
import time
from typing import TYPE_CHECKING, Any

from ..answer import Answer, BadResult, render
from ..errors import HTTPError, HTTPErrorHandler
from ..protocol import REASONS, ProtocolError, encode_head
from ..request import Request
from ..supervisor import Line
from .clock import SERVER, TEXT
from .connection import Connection, Phase
from .core import Core
from .output import WOULD_BLOCK, Output
from .pace import COMPUTING, Probe
from .plan import PEER_BYTES, Plan

if TYPE_CHECKING:
    from ..handler import HTTPHandler
    from ..routes import RouteTable

__all__ = ["Exchange"]

_PLAIN_BYTES = 65536  # a body longer than this is not copied behind its head

_mono = time.monotonic


class Exchange:
    """Runs handlers, sends what they answer, and says so in the log."""

    def __init__(self, core: Core, routes: RouteTable) -> None:
        self._core = core
        self._routes = routes

    # -- pool threads -----------------------------------------------------------------------------------------------

    def dispatch(self, conn: Connection, plan: Plan, request: Request, handler: HTTPHandler | None = None) -> None:
        """Have a pool thread answer (the leader)."""
        if conn.phase != Phase.STREAMING:
            conn.phase = Phase.RUNNING
        task = (self.run, conn, plan, request, handler, _mono())
        work = plan.work
        if work.kind == COMPUTING:
            share = self._core.gate.enter(work, task)
            if share:
                self._core.pool.put((self._run_computing, share, task))
        else:
            self._core.pool.put(task)

    def run(
        self, line: Line, conn: Connection, plan: Plan, request: Request, handler: HTTPHandler | None, began_s: float
    ) -> None:
        """Call the handler and answer."""
        line.text[:PEER_BYTES] = conn.peer[1]
        line.text[PEER_BYTES:] = plan.text
        line.start[0] = _mono()
        work = plan.work
        probe = Probe() if work.wants_sample() else None
        handler_or_error, result = self.call(plan, request, handler)
        if probe is not None:
            wall_s, cpu_s = probe.end()
            others = self._core.gate.running - (work.kind == COMPUTING)
            work.sample(wall_s, cpu_s, others > 0)
        if conn.phase == Phase.STREAMING:
            self._core.call(self._settle_streamed, conn, plan, handler_or_error, result, began_s)
        elif not self._answer_plainly(conn, plan, handler_or_error, result, began_s):
            self.settle(conn, plan, handler_or_error, result, began_s, line)
        line.start[0] = 0.0

    def _answer_plainly(self, conn: Connection, plan: Plan, handler: Any, result: Any, began_s: float) -> bool:
        """Send and log an answer of the plainest kind, as the loop does in place: a fifth of the cost of `settle`.

        False for any other; nothing has been done then.
        """
        core = self._core
        if handler._response is not None or not plan.plain or core.draining or core.http_log is not None:
            return False
        try:
            status, body = result
            if type(body) is str:
                body = body.encode()
                prefix = core.clock.text[status]
            else:
                prefix = core.clock.plain[status] if type(body) is bytes else None
        except Exception:  # user code, if the result is a generator
            return False
        if prefix is None or type(status) is not int or len(body) > _PLAIN_BYTES:
            return False
        out = b"%b%d\r\n\r\n%b" % (prefix, len(body), body)
        try:
            sent = conn.send(out)
        except WOULD_BLOCK:
            sent = 0
        except (OSError, ValueError):
            sent = -1
        if sent != len(out):
            core.call(self._finish_plain, conn, plan, status, out, sent, len(body), began_s)
            return True
        core.note_from_pool(conn, plan, status, len(body), sent, began_s)
        if conn.buffer:
            core.call(self.release, conn, False)
        else:
            conn.since_s = _mono()
            conn.phase = Phase.IDLE
            if conn.parked:
                core.call(core.unpark, conn)
        return True

    def _finish_plain(
        self, conn: Connection, plan: Plan, status: int, out: bytes, sent: int, body_bytes: int, began_s: float
    ) -> None:
        """What is left of a plain answer that a pool thread could not send whole (the leader)."""
        if sent < 0:
            self._core.note(conn, plan, status, 0, began_s, True)
            self._core.forget(conn)
        else:
            self.resume_plain(conn, plan, status, out, sent, body_bytes, began_s)

    def _run_computing(self, line: Line, share: float, task: Any) -> None:
        let_in: list[tuple[float, Any]] = [(share, task)]
        while let_in:
            (share, task), *others = let_in
            for other in others:
                self._core.pool.put((self._run_computing, *other))
            try:
                task[0](line, *task[1:])
            finally:
                let_in = self._core.gate.leave(share)

    def ask(self, line: Line, conn: Connection, plan: Plan, request: Request) -> None:
        """Ask the handler whether the client shall send its body (RFC 9110 section 10.1.1)."""
        try:
            handler = plan.handler(request, plan.groups)
            if not plan.answers:
                raise handler.not_allowed()
            if handler.check_continue() is False:
                raise HTTPError(417)
        except BaseException as error:
            failed, result = self.failed(plan, request, error)
            self.settle(conn, plan, failed, result, _mono(), line, closing=True)
        else:
            self._core.call(self.go_on, conn, handler)

    def pull(self, line: Line | None, conn: Connection) -> None:
        """Send what the body's iterator gives, as far as the client takes it."""
        output = conn.output
        assert output is not None and output.answer.source is not None
        try:
            while True:
                piece = next(output.answer.source, None)
                if piece is None:
                    output.answer.source = None
                else:
                    output.add(piece)
                if not output.push(conn):
                    self._core.call(self._await_room, conn)
                    return
                if piece is None:
                    break
        except OSError as error:
            self._break_off(conn, output, error, line)
        except BaseException as error:
            self._core.log.exception("the body of %s broke off", _name(output.plan))
            self._fail_body(conn, output, error, line)
        else:
            self._conclude(conn, output, line)

    # -- whoever ran the handler --------------------------------------------------------------------------------------

    def call(self, plan: Plan, request: Request, handler: HTTPHandler | None = None) -> tuple[Any, Any]:
        """The handler and its result; those of an error handler if it raised."""
        try:
            if handler is None:
                handler = plan.handler(request, plan.groups)
            return handler, plan.call(handler)
        except BaseException as error:
            return self.failed(plan, request, error)

    def failed(self, plan: Plan, request: Request, error: BaseException) -> tuple[HTTPErrorHandler, Any]:
        """The error handler and its result for what a handler raised; anything but HTTPError is logged and a 500."""
        if not isinstance(error, HTTPError):
            self._core.log.error("%s raised", _name(plan), exc_info=error)
            error = HTTPError(500)
        try:
            renderer = self._routes.error_handler(request, error)
            return renderer, renderer.respond()
        except BaseException as again:
            if not isinstance(again, HTTPError):
                self._core.log.error("the error handler of %s raised", _name(plan), exc_info=again)
            renderer = HTTPErrorHandler(request, plan.groups, HTTPError(500))
            return renderer, renderer.respond()

    def settle(
        self, conn: Connection, plan: Plan, handler: Any, result: Any, began_s: float, line: Line | None, closing: bool = False
    ) -> None:
        """Send the answer and log it; line: the pool thread's, None when the leader calls."""
        core = self._core
        closing = closing or core.draining
        response = handler._response
        try:
            headers = None if response is None else response.headers
            answer = render(plan.head, headers, result, SERVER, core.clock.date, closing)
            output = Output(answer, plan, began_s)
        except Exception as error:
            core.log.error("the answer of %s cannot be sent", _name(plan), exc_info=None if isinstance(error, BadResult) else error)
            if isinstance(error, BadResult):
                core.log.error("%s", error)
            answer = render(plan.head, None, (500, "500 - Internal Server Error\n"), SERVER, core.clock.date, closing)
            output = Output(answer, plan, began_s)
        self._send(conn, output, line)

    def resume_plain(self, conn: Connection, plan: Plan, status: int, out: bytes, sent: int, body_bytes: int, began_s: float) -> None:
        """Finish an answer that the socket did not take whole (the leader)."""
        answer = Answer(status)
        answer.head = out[: len(out) - body_bytes]
        answer.payload = out[len(out) - body_bytes :]
        output = Output(answer, plan, began_s)
        output.skip(sent)
        self._wait_for_room(conn, output)

    def _send(self, conn: Connection, output: Output, line: Line | None) -> None:
        conn.output = output
        if output.answer.source is not None:
            if line is None:
                conn.phase = Phase.RUNNING
                self._core.pool.put((self.pull, conn))
            else:
                self.pull(line, conn)
            return
        try:
            whole = output.push(conn)
        except OSError as error:
            self._break_off(conn, output, error, line)
            return
        if whole:
            self._conclude(conn, output, line)
        elif line is None:
            self._wait_for_room(conn, output)
        else:
            self._core.call(self._await_room, conn)

    def _conclude(self, conn: Connection, output: Output, line: Line | None, broken: bool = False) -> None:
        """The answer has been sent, or never will be: log it and move the connection on."""
        core = self._core
        if output.plan is not None:
            core.note(conn, output.plan, output.answer.status, output.body_bytes, output.began_s, line is None)
        if line is None:
            core.count_sent(output.sent_bytes)
        else:
            core.count_sent_by_pool(output.sent_bytes)
        conn.output = None
        try:
            output.finish()
        except Exception:
            core.log.exception("closing the body of %s", _name(output.plan))
        close = output.answer.close
        if broken:
            if line is None:
                core.abort(conn)
            else:
                core.call(core.abort, conn)
        elif line is None:
            self.release(conn, close)
        elif close or conn.buffer or conn.intake is not None:
            core.call(self.release, conn, close)
        else:
            conn.since_s = _mono()
            conn.phase = Phase.IDLE
            if conn.parked:
                core.call(core.unpark, conn)

    def _fail_body(self, conn: Connection, output: Output, error: BaseException, line: Line | None) -> None:
        """The body's iterator raised: answer that in place of the answer, or break it off once it has begun."""
        plan = output.plan
        if output.sent_bytes or plan is None:
            self._break_off(conn, output, None, line)
            return
        try:
            output.finish()
        except Exception:
            self._core.log.exception("closing the body of %s", _name(plan))
        status = error.status if isinstance(error, HTTPError) else 500
        result = status, f"{status} - {REASONS.get(status, '')}\n"
        answer = render(plan.head, None, result, SERVER, self._core.clock.date, output.answer.close)
        self._send(conn, Output(answer, plan, output.began_s), line)

    def _break_off(self, conn: Connection, output: Output, error: OSError | None, line: Line | None) -> None:
        """Close a connection in the middle of an answer, so that nobody takes it for whole."""
        if error is not None and not isinstance(error, (ConnectionError, TimeoutError)) and not isinstance(error, ssl.SSLError):
            self._core.log.error("the answer of %s broke off: %s", _name(output.plan), error)
        self._conclude(conn, output, line, broken=True)

    # -- the leader -------------------------------------------------------------------------------------------------

    def release(self, conn: Connection, close: bool) -> None:
        """The exchange is over: wait for the next request, or end the connection."""
        core = self._core
        if conn.phase == Phase.CLOSED:
            return
        if close or conn.intake is not None:
            core.part(conn)
            return
        conn.since_s = _mono()
        if conn.buffer:
            conn.phase = Phase.PIPELINED
            core.ready.append((conn.fd, 0))
        else:
            conn.phase = Phase.IDLE
        if conn.parked:
            core.watch(conn, select.EPOLLIN)

    def advance(self, conn: Connection, _event: int) -> None:
        """The client takes more of the answer."""
        output = conn.output
        assert output is not None
        before = output.sent_bytes
        try:
            whole = output.push(conn)
        except OSError as error:
            self._break_off(conn, output, error, None)
            return
        if output.sent_bytes > before:
            conn.since_s = _mono()
        if not whole:
            return
        self._core.watch(conn, select.EPOLLIN)
        if output.answer.source is not None:
            conn.phase = Phase.RUNNING
            self._core.pool.put((self.pull, conn))
        else:
            self._conclude(conn, output, None)

    def go_on(self, conn: Connection, handler: HTTPHandler | None) -> None:
        """Tell the client to send its body."""
        if conn.phase == Phase.CLOSED or conn.intake is None:
            return
        conn.intake.handler = handler
        try:
            conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")  # a few bytes into a buffer that is empty
        except OSError:
            self._core.forget(conn)
            return
        conn.phase = Phase.BODY
        conn.since_s = _mono()
        if conn.parked:
            self._core.watch(conn, select.EPOLLIN)

    def refuse(self, conn: Connection, error: ProtocolError, seen: bytes | bytearray) -> None:
        """Answer a request that is none, once, and close (RFC 9112 section 2.2 and 9.6)."""
        core = self._core
        body = f"{error}\n".encode("ascii", "backslashreplace")
        fields = [
            ("Server", SERVER),
            ("Date", core.clock.date),
            ("Content-Type", TEXT),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        answer = Answer(error.status)
        answer.head = encode_head(error.status, None, fields)
        answer.payload = body
        answer.close = True
        us = int((_mono() - conn.since_s) * 1e6)
        record = None
        if core.access is not None:
            first = bytes(seen[:200]).lstrip(b"\r\n").split(b"\n", 1)[0].rstrip(b"\r")
            record = core.access.bad(conn.peer[0], core.clock.stamp, first, error.status, len(body), us)
        core.count(record, error.status, us, True)
        conn.buffer = b"?"  # whatever the client still sends is not looked at
        self._send(conn, Output(answer, None, conn.since_s), None)

    def _settle_streamed(self, conn: Connection, plan: Plan, handler: Any, result: Any, began_s: float) -> None:
        if conn.phase == Phase.CLOSED:
            return
        if conn.intake is not None:
            if conn.intake.complete:
                conn.intake = None
            else:
                conn.intake.abandon()  # nobody receives it any more: a body of the answer that reads it must not wait
        conn.phase = Phase.RUNNING
        self.settle(conn, plan, handler, result, began_s, None, closing=conn.intake is not None)

    def give_up(self, conn: Connection) -> None:
        """The client takes nothing of its answer for too long."""
        if conn.output is not None:
            self._break_off(conn, conn.output, None, None)
        self._core.forget(conn)

    def _await_room(self, conn: Connection) -> None:
        if conn.phase != Phase.CLOSED and conn.output is not None:
            self._wait_for_room(conn, conn.output)

    def _wait_for_room(self, conn: Connection, output: Output) -> None:
        conn.output = output
        conn.phase = Phase.WRITING
        conn.since_s = _mono()
        self._core.watch(conn, select.EPOLLOUT)


def _name(plan: Plan | None) -> str:
    return "an answer" if plan is None else f"{plan.head.method} {plan.head.resource} ({plan.handler.__qualname__})"
