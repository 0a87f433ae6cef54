"""Owns the sending of answers: to the last byte, the line in the log, and what becomes of the connection then.

`send` and `pull` run on the thread that ran the handler, or on the leader; the rest is the leader's. A thread never
waits for a client: what the socket does not take is left to the loop.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from contextvars import Context
from typing import Any

from ..framework.answer import NO_SNIFFING, TEXT_TYPE, Answer, render
from ..framework.errors import HTTPError
from ..framework.request import Request
from ..protocol import REASONS, ProtocolError, encode_head
from ..supervisor import Line
from .clock import SERVER
from .connection import Connection, Phase
from .core import Core
from .output import Output, name_of
from .plan import Plan
from .pool import Task
from .transport import CLIENT_LEFT

__all__ = ["Delivery", "name_of"]

_mono = time.monotonic


class Delivery:
    """Sends answers; `own` is the line of the pool thread that calls, None when the leader does."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def send(self, conn: Connection, output: Output, own: Line | None) -> None:
        conn.output = output
        if output.answer.source is not None:
            if own is None:
                self._have_pulled(conn, output, self._core.pool.put_ahead)
            else:
                self._pull(own, conn)
            return
        try:
            whole = output.push(conn.transport)
        except OSError as error:
            self._break_off(conn, output, error, own)
            return
        if whole:
            self._conclude(conn, output, own)
        elif own is None:
            self._wait_for_room(conn, output)
        else:
            self._leave_to_the_loop(conn, output)

    def pull(self, own: Line, conn: Connection) -> None:
        """Send what the body's iterator gives, as far as the client takes it (a pool thread, as its task)."""
        try:
            output = conn.output
            assert output is not None
            if output.line is not None:
                self._core.lines.begin(output.line, own)
                if output.sent_bytes:
                    self._core.lines.move_on(output.line)
            self._pull(own, conn)
        except BaseException as error:
            self._core.faults.tell(error, "sending a body failed")
            self._core.call(self._core.break_off, conn)

    def _pull(self, own: Line, conn: Connection) -> None:
        output = conn.output
        assert output is not None
        source = output.answer.source
        assert source is not None
        context = output.context
        if context is None:
            context = output.context = Context()
        more = True
        while more:
            try:
                piece = context.run(next, source, None)
            except BaseException as error:  # the application's own, an OSError too: the client is not gone
                name = name_of(output.plan, output.request)
                if not issubclass(type(error), HTTPError):  # isinstance asks the error itself
                    self._core.log.error("the body of %s broke off", name, exc_info=error)
                elif output.sent_bytes:  # otherwise the client is told
                    self._core.log.error("the body of %s broke off: %s", name, error)
                self._fail_body(conn, output, error, own)
                return
            if piece is None:
                output.answer.source = None
                more = False
            else:
                output.add(piece)
            before = output.sent_bytes
            try:
                if not output.push(conn.transport):
                    self._leave_to_the_loop(conn, output)
                    return
            except OSError as error:
                self._break_off(conn, output, error, own)
                return
            if output.sent_bytes > before:
                self._say_it_moves(output, own)
        self._conclude(conn, output, own)

    def _say_it_moves(self, output: Output, own: Line) -> None:
        if output.line is not None:
            self._core.lines.move_on(output.line)
        elif own.start[0]:  # it stands for the request
            own.start[0] = _mono()

    def _leave_to_the_loop(self, conn: Connection, output: Output) -> None:
        self._show_waiting(conn, output)
        self._core.call(self._await_room, conn)

    def error_answer(self, plan: Plan, request: Request | None, status: Any, closing: bool) -> Answer:
        """The plainest answer of this status, with the fields that go with errors; 500 without any if those are no
        good."""
        core = self._core
        try:
            headers = request.error_headers if request is not None and request.has_error_headers else None
            result = status, f"{status} - {REASONS.get(status, '')}\n"
            return render(plan.head, headers, result, SERVER, core.clock.date, closing)
        except BaseException as error:
            core.log.now.error("the error answer of %s cannot be sent", name_of(plan, request), exc_info=error)
            result = 500, "500 - Internal Server Error\n"
            return render(plan.head, None, result, SERVER, core.clock.date, closing)

    def _show_waiting(self, conn: Connection, output: Output) -> None:
        if output.plan is not None:
            self._core.lines.show_waiting(output, conn, output.plan, output.began_s)

    def _conclude(self, conn: Connection, output: Output, own: Line | None, broken: bool = False) -> None:
        """The answer has been sent, or never will be: log it and move the connection on."""
        core = self._core
        if output.plan is not None:
            answer = output.answer
            core.note(
                conn, output.plan, answer.status, output.body_bytes, output.began_s, own is None, answer.head
            )
        core.lines.end(output)
        if own is None:
            core.count_sent(output.sent_bytes)
        else:
            core.count_sent_by_pool(output.sent_bytes)
        conn.output = None
        if own is None:
            core.end_answer(output)
        else:
            output.finish(own, core.log)
        close = output.answer.close
        if broken:
            if own is None:
                core.abort(conn)
            else:
                core.call(core.abort, conn)
        elif own is None:
            self.release(conn, close)
        elif close or conn.buffer or conn.intake is not None or core.draining:
            core.call(self.release, conn, close)
        else:
            conn.since_s = _mono()
            conn.phase = Phase.IDLE
            if conn.parked:
                core.call(core.unpark, conn)

    def _fail_body(self, conn: Connection, output: Output, error: BaseException, own: Line | None) -> None:
        """The body's iterator raised: answer that in place of the answer, or break it off once it has begun."""
        plan = output.plan
        if output.sent_bytes or plan is None:
            self._break_off(conn, output, None, own)
            return
        output.finish(own, self._core.log)
        status = getattr(error, "status", 500) if issubclass(type(error), HTTPError) else 500
        answer = self.error_answer(plan, output.request, status, output.answer.close)
        told = Output(answer, plan, output.began_s)
        told.request = output.request
        told.line, output.line = output.line, None
        self.send(conn, told, own)

    def _break_off(self, conn: Connection, output: Output, error: OSError | None, own: Line | None) -> None:
        """Close a connection in the middle of an answer, so that nobody takes it for whole."""
        left = conn.phase == Phase.CLOSED or isinstance(error, CLIENT_LEFT)
        if error is not None and not left:
            self._core.log.error("the answer of %s broke off: %s", name_of(output.plan, output.request), error)
        self._conclude(conn, output, own, broken=True)

    # -- the leader -------------------------------------------------------------------------------------------------

    def refuse(self, conn: Connection, error: ProtocolError, seen: bytes | bytearray) -> None:
        """Answer a request that is none, once, and close (RFC 9112 section 2.2 and 9.6)."""
        core = self._core
        body = f"{error}\n".encode("ascii", "backslashreplace")
        fields = [
            ("Server", SERVER),
            ("Date", core.clock.date),
            ("Content-Type", TEXT_TYPE),
            NO_SNIFFING,
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        answer = Answer(error.status)
        answer.head = encode_head(error.status, None, fields)
        answer.payload = body
        answer.close = True
        us = int((_mono() - conn.since_s) * 1e6)
        record = None
        if (access := core.access) is not None:
            first = bytes(seen[:200]).lstrip(b"\r\n").split(b"\n", 1)[0].rstrip(b"\r")
            record = access.line(conn.peer[0], core.clock.stamp, access.unparsed(first), error.status, len(body), us)
        core.count(record, error.status, us, True)
        if conn.intake is not None:
            core.lines.end(conn.intake)
        conn.buffer = b"?"  # whatever the client still sends is not looked at
        self.send(conn, Output(answer, None, conn.since_s), None)

    def release(self, conn: Connection, close: bool) -> None:
        """The exchange is over: wait for the next request, or end the connection."""
        core = self._core
        if conn.phase == Phase.CLOSED:
            return
        if close or conn.intake is not None:
            core.lingering_close(conn)
            return
        now_s = conn.since_s = _mono()
        conn.phase = Phase.PIPELINED if conn.buffer else Phase.IDLE
        if core.handover is not None and core.handover.give(conn, now_s):
            return
        if conn.buffer:
            core.ready.append((conn.fd, 0))
        if conn.parked:
            core.watch(conn, select.EPOLLIN)

    def advance(self, conn: Connection, _event: int) -> None:
        """The client takes more of the answer."""
        output = conn.output
        assert output is not None
        before = output.sent_bytes
        try:
            whole = output.push(conn.transport)
        except OSError as error:
            self._break_off(conn, output, error, None)
            return
        if output.sent_bytes > before:
            conn.since_s = _mono()
        if not whole:
            return
        output.client_time.end(_mono())
        self._core.watch(conn, select.EPOLLIN)
        if output.answer.source is not None:
            self._have_pulled(conn, output, self._core.pool.put)
        else:
            self._core.leftovers.append(output)  # what is the application's is let go of outside the lead
            self._conclude(conn, output, None)

    def _have_pulled(self, conn: Connection, output: Output, put: Callable[[Task], None]) -> None:
        lines, plan = self._core.lines, output.plan
        conn.phase = Phase.RUNNING
        if output.line is not None:
            lines.move_on(output.line)
        elif plan is not None:
            output.line = lines.take(conn, plan, _mono())
        put((self.pull, conn))

    def resume_plain(
        self,
        conn: Connection,
        plan: Plan,
        status: int,
        out: bytes,
        sent: int,
        body_bytes: int,
        began_s: float,
        line: Line | None = None,
    ) -> None:
        """Finish an answer that the socket did not take whole (the leader); line: the request's, if it has one."""
        answer = Answer(status)
        answer.head = out[: len(out) - body_bytes]
        answer.payload = out[len(out) - body_bytes :]
        output = Output(answer, plan, began_s)
        output.line = line
        output.skip(sent)
        self._wait_for_room(conn, output)

    def finish_plain(
        self,
        conn: Connection,
        plan: Plan,
        status: int,
        out: bytes,
        sent: int,
        body_bytes: int,
        began_s: float,
        line: Line | None,
    ) -> None:
        """What is left of a plain answer that a pool thread could not send whole (the leader)."""
        if sent < 0:
            self._core.note(conn, plan, status, 0, began_s, True)
            if line is not None:
                self._core.lines.free(line)
            self._core.forget(conn)
        else:
            self.resume_plain(conn, plan, status, out, sent, body_bytes, began_s, line)

    def give_up(self, conn: Connection) -> None:
        """The client takes nothing of its answer for too long."""
        output = conn.output
        if output is not None:
            self._core.leftovers.append(output)
            self._break_off(conn, output, None, None)
        self._core.forget(conn)

    def _await_room(self, conn: Connection) -> None:
        if conn.phase != Phase.CLOSED and conn.output is not None:
            self._wait_for_room(conn, conn.output)

    def _wait_for_room(self, conn: Connection, output: Output) -> None:
        conn.output = output
        self._show_waiting(conn, output)
        conn.phase = Phase.WRITING
        conn.since_s = _mono()
        output.client_time.begin(conn.since_s)
        output.has_moved(conn.transport)  # from here on
        self._core.watch(conn, select.EPOLLOUT)
