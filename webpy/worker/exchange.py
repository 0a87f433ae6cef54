"""Owns the running of handlers: where, and what is handed on to be sent.

`run` and `ask` are what pool threads do; `call`, `failed` and `prepare` run the application's code, so nobody calls
them who holds the lead; the rest is the leader's. A request's handler, its body's iterator and the body's `close` run
in one `contextvars.Context`, which no other request sees. While a connection is RUNNING it belongs to the thread that
runs its handler, and nobody else changes it.
"""

from __future__ import annotations

import io
import select
import time
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..framework.answer import Answer, BadResult, file_range, render
from ..framework.errors import HTTPError
from ..framework.request import Request
from .clock import SERVER
from .connection import Connection, Phase
from .core import Core
from .delivery import Delivery
from .failures import Failures
from .lines import show
from .output import Output, name_of
from .pace import COMPUTING, QUICK, Probe
from .plan import Plan
from .streams import Streams
from .transport import WOULD_BLOCK

if TYPE_CHECKING:
    from ..framework.handler import HTTPHandler
    from ..framework.response import Response
    from ..framework.routes import RouteTable
    from ..supervisor import Line

__all__ = ["Early", "Exchange"]

Early = tuple[Any, Context]
"""A handler that was made before its request's body was there, and the context it was made in."""

_PLAIN_BYTES = 65536  # a body longer than this is not copied behind its head

_mono = time.monotonic


class Exchange:
    """Runs handlers, sends what they answer, and says so in the log."""

    def __init__(self, core: Core, routes: RouteTable, delivery: Delivery) -> None:
        self._core = core
        self._delivery = delivery
        self._routes = routes
        self.failed = Failures(core, routes).answer
        self.streams = Streams(core, self.dispatch)
        self._gated = core.settings.threads > 1  # else all wait in order for the one place there is

    # -- pool threads -----------------------------------------------------------------------------------------------

    def dispatch(self, conn: Connection, plan: Plan, request: Request, handler: Early | None = None) -> None:
        """Have a pool thread answer (the leader)."""
        core, now_s = self._core, _mono()
        line = core.lines.take(conn, plan, now_s)
        if conn.phase == Phase.STREAMING:
            assert conn.intake is not None
            conn.intake.reader_line = line
        else:
            conn.phase = Phase.RUNNING
        task = (self.run, line, conn, plan, request, handler, now_s)
        work = plan.work
        if work.kind == COMPUTING and self._gated:
            share = core.gate.enter(work, task)
            if share:
                core.pool.put((self._run_computing, share, task))
        elif work.kind == QUICK and handler is None and conn.phase == Phase.RUNNING:
            core.pool.put_quick(task)  # else the leader would run it: there was no place
        else:
            core.pool.put(task)

    def run(
        self,
        own: Line,
        line: Line | None,
        conn: Connection,
        plan: Plan,
        request: Request,
        handler: Early | None,
        began_s: float,
    ) -> None:
        """Call the handler and answer. own: the thread's line, for a request without one; handler: one made early."""
        if line is None:
            show(own, conn, plan)
            own.start[0] = _mono()
        else:  # as Lines.begin
            line.thread[0], line.ident[0], line.start[0] = own.thread[0], own.ident[0], _mono()
        try:
            self._run(own, line, conn, plan, request, handler, began_s)
        except BaseException as error:  # handlers' faults are answered: this is ours
            self._core.faults.tell(error, f"answering {name_of(plan, request)} failed")
            output = conn.output
            if line is not None and line.start[0] and (output is None or output.line is not line):
                self._core.lines.free(line)
            self._core.call(self._core.break_off, conn)
        if line is None:
            own.start[0] = 0.0

    def _run(
        self,
        own: Line,
        line: Line | None,
        conn: Connection,
        plan: Plan,
        request: Request,
        early: Early | None,
        began_s: float,
    ) -> None:
        core, work = self._core, plan.work
        handler, context = early or (None, Context())
        closing_s = 0.0
        # of a quick one nothing is learned here, where it may wait for the GIL; one that reads a stream is never quick
        learns = work.kind != QUICK or conn.phase == Phase.STREAMING
        probe = Probe() if learns and work.wants_sample() else None
        handler, result = context.run(self.call, plan, request, handler)
        wall_s, cpu_s = probe.end() if probe is not None else (0.0, 0.0)
        if conn.phase == Phase.STREAMING:
            intake = conn.intake
            output = context.run(
                self.prepare, plan, request, handler, result, began_s, intake is None or not intake.complete
            )
            output.context = context
            output.line = line
            core.call(self._settle_streamed, conn, output)
        elif not self._answer_plainly(conn, plan, handler, result, began_s, own, line):
            output = context.run(self.prepare, plan, request, handler, result, began_s)
            output.context = context
            output.line = line
            self._delivery.send(conn, output, own)
            closing_s = output.closing_s
        if probe is not None:
            others = core.gate.running - (work.kind == COMPUTING)
            work.sample(wall_s + closing_s, cpu_s, others > 0)

    def _answer_plainly(
        self, conn: Connection, plan: Plan, handler: Any, result: Any, began_s: float, own: Line, line: Line | None
    ) -> bool:
        """Send and log an answer of the plainest kind, as the loop does in place: a fifth of the cost of `settle`.

        False for any other; nothing has been done then.
        """
        core = self._core
        draining = core.draining
        if not plan.plain or (draining and core.closes(conn)) or not core.plain_log:
            return False
        prefix = None
        try:
            status, body = result
            response = handler._response
            if type(body) is str:
                body = body.encode()
                prefix = core.clock.text[status] if response is None else core.clock.prefix(status, True, response)
            elif type(body) is bytes:
                prefix = core.clock.plain[status] if response is None else core.clock.prefix(status, False, response)
        except BaseException:  # the application's, or what comes of a result that is none
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
            core.call(self._delivery.finish_plain, conn, plan, status, out, sent, len(body), began_s, line)
            return True
        core.note_from_pool(conn, plan, status, len(body), sent, began_s, line or own)
        if line is not None:
            core.lines.free(line)
        if conn.buffer or draining:  # a draining worker's connections move as soon as they can
            core.call(self._delivery.release, conn, False)
        else:
            conn.since_s = _mono()
            conn.phase = Phase.IDLE
            if conn.parked:
                core.call(core.unpark, conn)
        return True

    def _run_computing(self, line: Line, share: float, task: Any) -> None:
        let_in: list[tuple[float, Any]] = [(share, task)]
        while let_in:
            (share, task), *others = let_in
            for other in others:
                self._core.call(self._core.pool.put, (self._run_computing, *other))
            try:
                task[0](line, *task[1:])
            finally:
                let_in = self._core.gate.leave(share)

    def ask(self, own: Line, conn: Connection, plan: Plan, request: Request) -> None:
        """Ask the handler whether the client shall send its body (RFC 9110 section 10.1.1)."""
        intake, context = conn.intake, Context()
        assert intake is not None
        line = intake.line
        if line is not None:
            self._core.lines.begin(line, own)
        try:
            handler, refusal = context.run(self._ask, plan, request)
            if refusal is None:
                self._core.call(self.go_on, conn, (handler, context))
                return
            output = context.run(self.prepare, plan, request, *refusal, _mono(), True)
            output.context = context
            output.line, intake.line = line, None
            self._delivery.send(conn, output, own)
        except BaseException as error:
            self._core.faults.tell(error, f"answering {name_of(plan, request)} failed")
            self._core.call(self._core.break_off, conn)

    def _ask(self, plan: Plan, request: Request) -> tuple[Any, tuple[Any, Any] | None]:
        """The handler, and the error handler and its result if it refuses."""
        handler = None
        try:
            handler = plan.handler(request, plan.groups)
            if not plan.answers:
                handler.is_method_known = self._routes.knows(plan.head.method)
                raise handler.not_allowed()
            if handler.check_continue() is False:
                raise HTTPError(417)
        except BaseException as error:
            return None, self.failed(plan, request, error, handler)
        return handler, None

    # -- whoever ran the handler --------------------------------------------------------------------------------------

    def call(self, plan: Plan, request: Request, handler: HTTPHandler | None = None) -> tuple[Any, Any]:
        """The handler and its result; those of an error handler if it raised."""
        try:
            if handler is None:
                handler = plan.handler(request, plan.groups)
            return handler, plan.call(handler)
        except BaseException as error:
            return self.failed(plan, request, error, handler)

    def prepare(
        self, plan: Plan, request: Request, handler: Any, result: Any, began_s: float, closing: bool = False
    ) -> Output:
        """What is to be sent for a handler's result: for one that cannot be sent, a 500.

        Reads what the application gave, so not for whoever holds the lead. Raises nothing.
        """
        core = self._core
        closing = closing or core.closing
        try:
            response = handler._response
            answer = None if closing or not plan.plain else self._render_shortly(result, response)
            if answer is None:
                headers = None if response is None else response.headers
                answer = render(plan.head, headers, result, SERVER, core.clock.date, closing)
            output = Output(answer, plan, began_s)
        except BaseException as error:
            trace = None if isinstance(error, BadResult) else error
            log = core.log.now
            log.error("the answer of %s cannot be sent: %s", name_of(plan, request), error, exc_info=trace)
            output = Output(self._delivery.error_answer(plan, request, 500, closing), plan, began_s)
        output.request = request
        return output

    def deliver(self, conn: Connection, output: Output, own: Line | None) -> None:
        """Send a prepared answer (the leader; or a thread that was it, with its own line)."""
        self._delivery.send(conn, output, own)

    def _render_shortly(self, result: Any, response: Response | None) -> Answer | None:
        """The answer that is text, bytes or a file and nothing special, at a quarter of the cost of `render`; None for
        others."""
        if type(result) is not tuple or len(result) != 2 or type(result[0]) is not int:
            return None
        status, body = result
        kind = type(body)
        if kind is not str and kind is not bytes and kind is not io.BufferedReader and kind is not io.FileIO:
            return None
        try:
            prefix = self._core.clock.prefix(status, kind is str, response)
        except BaseException:  # `render` says what is wrong, and closes the file
            return None
        if prefix is None:
            return None
        answer = Answer(status)
        if kind is str or kind is bytes:
            answer.payload = body.encode() if kind is str else body
            length = len(answer.payload)
        else:
            answer.file = file_range(body)
            if answer.file is None:
                return None
            answer.owner = body
            length = answer.file.count
        answer.head = b"%b%d\r\n\r\n" % (prefix, length)
        return answer

    # -- the leader -------------------------------------------------------------------------------------------------

    def go_on(self, conn: Connection, handler: Early | None) -> None:
        """Tell the client to send its body."""
        if conn.phase == Phase.CLOSED or conn.intake is None:
            self._core.leftovers.append(handler)
            return
        intake = conn.intake
        intake.handler = handler
        if intake.stream is None:
            self._core.lines.show_waiting(intake, conn, intake.plan, _mono())
        try:
            conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")  # a few bytes into a buffer that is empty
        except OSError:
            self._core.forget(conn)
            return
        conn.phase = Phase.BODY
        conn.since_s = _mono()
        intake.client_time.begin(conn.since_s)
        if conn.parked:
            self._core.watch(conn, select.EPOLLIN)

    def _settle_streamed(self, conn: Connection, output: Output) -> None:
        self._core.leftovers.append(output)
        if conn.phase == Phase.CLOSED:
            # the client has left: a pool thread finds that out by sending, logs it, and closes the body
            self._core.pool.put((self._send_to_nobody, conn, output))
            return
        intake = conn.intake
        if intake is not None:
            intake.reader_line = None
            if output.answer.close and not intake.complete:
                intake.abandon()  # nobody receives it any more: a body of the answer that reads it must not wait
            else:
                conn.intake = None
            self._core.leftovers.append(intake)
        conn.phase = Phase.RUNNING
        self._delivery.send(conn, output, None)

    def _send_to_nobody(self, own: Line, conn: Connection, output: Output) -> None:
        self._delivery.send(conn, output, own)
