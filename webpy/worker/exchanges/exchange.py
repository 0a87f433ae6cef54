"""Owns `Exchange`: one request and its answer, from the moment that it needs more than the loop's quick path.

It runs the handler, or is answered by any thread later. Sending is the other half (delivery.py), and the bytes are made
by the connection's protocol. An exchange and its connection belong to the thread that runs the handler, then to the
thread that answers; while the client is waited for, to the leader. The handler, the iterator of its body
and the body's `close` run in one `contextvars.Context`, which no other request sees.
"""

from __future__ import annotations

import threading
import time
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ...framework.answer import STREAMS, BadResult, read_small
from ...framework.errors import HTTPError
from ...framework.later import Later
from ...framework.response import Response
from ...protocol import REASONS
from ..connections.connection import Phase
from ..connections.transport import WOULD_BLOCK
from ..threads.pace import COMPUTING, QUICK, Probe, Work
from .activities import show
from .delivery import Delivery
from .output import Output
from .plan import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...framework.handler import HTTPHandler
    from ...framework.request import Request
    from ...supervisor import Activity
    from ..connections.connection import Connection, ConnectionProtocol
    from ..parts import Parts
    from .intake import Intake
    from .plan import Plan

__all__ = ["Exchange", "Rejection"]

_PLAIN_BYTES = 65536  # a body longer than this is not copied behind its head

_mono = time.monotonic


class Exchange(Delivery):
    """One request and its answer.

    handler: the one that was made before the body was there, or that
    answers later. later: what it returned then.
    """

    __slots__ = ("_changes", "_claim", "handler", "later")

    _changes: tuple[Callable[[Any], Any], ...]  # of `later`; set when that begins

    def __init__(self, parts: Parts, connection: Connection, plan: Plan, request: Request) -> None:
        self.parts = parts  # as in Delivery and AbstractExchange: two calls less for each exchange
        self.connection = connection
        self.transport = connection.transport
        self.began_s = 0.0
        self.context: Context | None = None
        self.activity: Activity | None = None
        self.intake: Intake | None = None
        self.output: Output | None = None
        self.successor: ConnectionProtocol | None = None
        self.plan = plan
        self.request = request
        self.handler: HTTPHandler | None = None
        self.later: Later | None = None
        self._claim: threading.Lock | None = None

    @property
    def name(self) -> str:
        return name_of(self.plan, self.request)

    @property
    def work(self) -> Work:
        return self.plan.work

    def record(self, leading: bool) -> None:
        self.parts.recorder.record(self, leading)

    def show_waiting(self, start_s: float) -> None:
        self.parts.activities.show_waiting(self, start_s)

    def show_queued(self) -> None:
        self.activity = self.parts.activities.take(self, _mono())

    # -- running the handler: a thread that does not hold the lead ----------------------------------------------------

    def run(self, own: Activity) -> None:
        """Call the handler and answer, as a task of a thread whose activity is `own`. Raises nothing."""
        activity, parts = self.activity, self.parts
        if activity is None:
            show(own, self)
            own.start[0] = _mono()
        else:  # as Activities.begin
            activity.thread[0], activity.ident[0], activity.start[0] = own.thread[0], own.ident[0], _mono()
        try:
            self._run(own)
        except BaseException as error:  # what a handler raises is answered: this is a fault of ours
            parts.faults.tell(error, f"answering {self.name} failed")
            parts.reactor.call(self.give_up)
        if activity is None:
            own.start[0] = 0.0

    def _run(self, own: Activity) -> None:
        work, context = self.plan.work, self.context
        if context is None:
            context = self.context = Context()
        closing_s = 0.0
        # Of a quick handler nothing is learned here, where it may wait for the GIL; one that reads a stream never is.
        learns = work.kind != QUICK or self.intake is not None
        probe = Probe() if learns and work.wants_sample() else None
        handler, result = context.run(self.call)
        wall_s, cpu_s = probe.end() if probe is not None else (0.0, 0.0)
        intake = self.intake
        if intake is not None and intake.is_settled() and intake.by_reader:
            self.intake = None  # the leader has no part in it any more
            if self.connection.phase == Phase.STREAMING:
                self.connection.phase = Phase.RUNNING
        if self.intake is not None or not self._answer_plainly(handler, result, own):
            context.run(self.prepare, handler, result)
            output = self.output
            self.deliver(own)
            closing_s = output.closing_s if output is not None else 0.0
        if probe is not None:
            others = self.parts.gate.running - (work.kind == COMPUTING)
            work.sample(wall_s + closing_s, cpu_s, others > 0)
        handler = result = None  # an error handler has the error, whose traceback has this frame

    def call(self) -> tuple[Any, Any]:
        """Return the handler and its result; those of an error handler if it raised."""
        plan, handler = self.plan, self.handler
        try:
            if handler is None:
                handler = plan.handler(self.request, plan.groups)
            return handler, plan.call(handler)
        except BaseException as error:
            return self.parts.failures.answer(plan, self.request, error, handler)

    def prepare(self, handler: Any, result: Any) -> None:
        """Make the output of a handler's result: a 500 if it cannot be sent, none if it is a `Later`. Raises nothing.

        It reads what the application gave, so a thread that holds the lead must not call it.
        """
        if type(result) is Later:
            self.later, self.handler = result, handler
            return
        closing = self.intake is not None and not self.intake.is_settled()
        try:
            self.output = self.connection.protocol.serialize(self, handler._response, result, closing)
        except BaseException as error:
            trace = None if isinstance(error, BadResult) else error
            self.parts.log.now.error("the answer of %s cannot be sent: %s", self.name, error, exc_info=trace)
            self.parts.failures.on_fault(self.connection, error)
            self.output = self._explained(error, closing) or self.error_output(500, closing)

    def _explained(self, error: BaseException, closing: bool) -> Output | None:
        """Return the output that shows why an answer cannot be sent, None outside of development."""
        explanation = self.parts.failures.explanation(self.request, error)
        if explanation is None:
            return None
        try:
            result = explanation.respond()
            return self.connection.protocol.serialize(self, explanation.response, result, closing)
        except BaseException as again:
            self.parts.log.now.error("the exception cannot be shown", exc_info=again)
            return None

    def error_output(self, status: Any, closing: bool) -> Output:
        """Make the plainest answer of this status, with the fields that go with errors; a 500 without any if those are
        not valid."""
        serialize, request = self.connection.protocol.serialize, self.request
        try:
            response = Response(request.error_headers) if request.has_error_headers else None
            return serialize(self, response, (status, f"{status} - {REASONS.get(status, '')}\n"), closing)
        except BaseException as error:
            self.parts.log.now.error("the error answer of %s cannot be sent", self.name, exc_info=error)
            return serialize(self, None, (500, "500 - Internal Server Error\n"), closing)

    def _answer_plainly(self, handler: Any, result: Any, own: Activity) -> bool:
        """Send and record an answer of the plainest kind, as the loop does in place: at a fifth of the cost of `send`.

        Returns False for any other, and has done nothing then.
        """
        conn, parts = self.connection, self.parts
        preamble, lifecycle = self.plan.plain, parts.lifecycle
        if preamble is None or not parts.recorder.is_plain or (lifecycle.draining and lifecycle.closes(conn)):
            return False
        prefix = None
        try:
            status, body = result
            response = handler._response
            if type(body) is str:
                body = body.encode()
                prefix = preamble.text[status] if response is None else preamble.prefix(status, True, response)
            elif type(body) is bytes:
                prefix = preamble.plain[status] if response is None else preamble.prefix(status, False, response)
            elif type(body) in STREAMS:
                prefix = preamble.prefix(status, False, response)
                if prefix is not None and type(status) is int:  # it closes what it reads
                    body = read_small(body)
                    if type(body) is not bytes:
                        return False
        except BaseException:  # the application's, or because the result is not valid
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
            self.output = Output.of_plain(status, out, body)
            parts.reactor.call(self.resume_plain, sent)
            return True
        activity, self.activity = self.activity, None
        parts.recorder.record_plain(self, status, len(body), sent, activity or own)
        if activity is not None:
            parts.activities.free(activity)
        conn.protocol.on_finished(self, False, False)
        return True

    def ask(self, own: Activity) -> None:
        """Ask the handler whether the client shall send its body (RFC 9110 section 10.1.1), as a task of the pool."""
        parts = self.parts
        context = self.context = Context()
        try:
            if self.activity is not None:
                parts.activities.begin(self.activity, own)
            refusal = context.run(self._ask)
            if refusal is None:
                parts.reactor.call(self.connection.protocol.go_on, self)
                return
            self.began_s = _mono()
            context.run(self.prepare, *refusal)
            refusal = None  # as in `_run`
            if self.later is not None:
                self._answer_later(own)
            else:
                self.send(own)
        except BaseException as error:
            parts.faults.tell(error, f"answering {self.name} failed")
            parts.reactor.call(self.give_up)

    def _ask(self) -> tuple[Any, Any] | None:
        """Make the handler; return the error handler and its result if it refuses."""
        plan, handler = self.plan, None
        try:
            handler = plan.handler(self.request, plan.groups)
            if not plan.answers:
                handler.is_method_known = self.parts.routes.knows(plan.head.method)
                raise handler.not_allowed()
            if handler.check_continue() is False:
                raise HTTPError(417)
        except BaseException as error:
            return self.parts.failures.answer(plan, self.request, error, handler)
        self.handler = handler
        return None

    def deliver(self, own: Activity | None) -> None:
        """Send what `prepare` made; own: the activity of the thread that ran the handler, None if it leads now."""
        if self.later is not None:
            self._answer_later(own)
        elif self.intake is not None:
            self.parts.reactor.call(self.connection.protocol.end_intake, self)
        else:
            self.send(own, leading=own is None)

    # -- an answer that comes after the handler has returned ----------------------------------------------------------

    def _answer_later(self, own: Activity | None) -> None:
        activities, conn = self.parts.activities, self.connection
        if self.intake is not None and self.intake.stream is not None:
            self.intake.stream.give_back()
        if self.activity is None:
            self.activity = activities.take(self, _mono())
        if self.activity is not None:
            activities.wait(self.activity)
        self._claim = threading.Lock()
        if own is not None:
            self._begin(own)
        else:
            conn.protocol.on_dispatch(self)
            self.parts.chores.put(self.work, (self._begin,))

    def _begin(self, _activity: object) -> None:
        """Call the application, which answers now or later (a thread that does not hold the lead)."""
        later, self.later = self.later, None
        assert later is not None
        self._changes = later.changes
        context = self.context
        if context is None:
            context = self.context = Context()
        try:
            context.run(later.begin, self)
        except BaseException as error:
            try:
                self.fail(error)
            except RuntimeError:  # it had answered before
                self.parts.log.now.error("%s raised after its answer", self.name, exc_info=error)

    def respond(self, result: Any) -> None:
        """Answer with what a handler would have returned, after the handler gave a `Later`.

        From any thread that does not hold the lead, which is any that runs the application. Raises RuntimeError if it
        has been answered already.
        """
        self._take_claim()
        self._answer(self._change, result)

    def fail(self, error: BaseException) -> None:
        """Answer as if the handler had raised this; otherwise as `respond`."""
        self._take_claim()
        self._answer(self._fail, error)

    def upgrade(self, fields: Iterable[tuple[str, str]], successor: ConnectionProtocol) -> None:
        """Answer that the connection changes its protocol, with these fields, and hand it to `successor` then.

        Otherwise as `respond`. Raises ValueError, before anything is answered, for fields that would break the message.
        """
        output = self.connection.protocol.serialize_switch(self, fields)
        self._take_claim()
        self.output, self.successor = output, successor
        self._send_from_anywhere()

    def _take_claim(self) -> None:
        if self._claim is None or not self._claim.acquire(blocking=False):
            raise RuntimeError(f"{self.name} has been answered already")

    def _change(self, result: Any) -> tuple[Any, Any]:
        """Return the handler and its result, as those have changed it that wait for it."""
        handler = self.handler
        try:
            for change in self._changes:
                result = change(result)
        except BaseException as error:
            return self._fail(error)
        return handler, result

    def _fail(self, error: BaseException) -> tuple[Any, Any]:
        return self.parts.failures.answer(self.plan, self.request, error, self.handler)

    def _answer(self, find: Callable[[Any], tuple[Any, Any]], given: Any) -> None:
        """Send the result that `find` makes of what was given, from a thread that may be none of the pool's."""
        parts = self.parts
        try:
            assert self.context is not None
            self.context = self.context.copy()  # another thread may just be leaving the handler's own
            handler, result = self.context.run(find, given)
            self.context.run(self.prepare, handler, result)
            if self.output is None:  # a second `Later`
                self.later = None
                self.output = self.error_output(500, False)
            self._send_from_anywhere()
        except BaseException as error:
            parts.faults.tell(error, f"answering {self.name} failed")
            parts.reactor.call(self.give_up)

    def _send_from_anywhere(self) -> None:
        """Send the output, from a thread that may be none of the pool's."""
        if self.intake is not None:
            self.parts.reactor.call(self.connection.protocol.end_intake, self)
        else:
            self.send()


class Rejection(Delivery):
    """The answer to a malformed request, which has been recorded already: it has neither plan nor handler."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return "an answer"

    @property
    def work(self) -> Work:
        return self.parts.chores.dropping

    def record(self, leading: bool) -> None:
        """It has been recorded when it was made."""

    def show_waiting(self, start_s: float) -> None:
        """No activity shows it: there is no request line that could be shown."""

    def show_queued(self) -> None:
        """As `show_waiting`; it never waits for a thread, having no body that is pulled."""
