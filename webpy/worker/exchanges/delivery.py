"""Owns `Delivery`: one answer on its way, from the first byte sent to its record and the end of its body.

It knows neither handlers nor any protocol's bytes. A thread never waits for a client: what the transport does not take
at once is left to the leader, who goes on when there is room. `leading` says that the caller holds the lead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ...framework.errors import HTTPError
from ..connections.connection import AbstractExchange, Phase
from ..connections.transport import CLIENT_LEFT
from ..threads.pace import Work

if TYPE_CHECKING:
    from ...supervisor import Activity
    from ..connections.connection import Connection
    from ..parts import Parts
    from ..threads.pool import Task
    from .output import Output

__all__ = ["Delivery"]

_mono = time.monotonic


class Delivery(AbstractExchange):
    """The answer's half of an exchange."""

    __slots__ = ("parts",)

    def __init__(self, parts: Parts, connection: Connection) -> None:
        AbstractExchange.__init__(self, connection)
        self.parts = parts

    # -- what kinds of it differ in -----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What the error log calls it."""
        raise NotImplementedError

    @property
    def work(self) -> Work:
        """What is known of the pace of its handler."""
        raise NotImplementedError

    def record(self, leading: bool) -> None:
        """Log and count it."""
        raise NotImplementedError

    def show_waiting(self, start_s: float) -> None:
        """Show on the scoreboard that it waits for its client."""
        raise NotImplementedError

    def show_queued(self) -> None:
        """Show on the scoreboard that it waits for a thread."""
        raise NotImplementedError

    def error_output(self, status: Any, closing: bool) -> Output:
        """Make the plainest answer of this status."""
        raise NotImplementedError

    # -- any thread that it belongs to --------------------------------------------------------------------------------

    def send(self, own: Activity | None = None, *, leading: bool = False) -> None:
        output, parts, conn = self.output, self.parts, self.connection
        assert output is not None
        if conn.phase != Phase.OTHER:
            conn.exchange = self
        if output.answer.source is not None:
            if own is not None:
                self._pull(own)
            elif leading:
                self._have_pulled(parts.pool.put_ahead)
            else:
                parts.reactor.call(self._have_pulled, parts.pool.put_ahead)
            return
        if leading and parts.reactor.crowded and output.is_long(self.transport):
            self._wait(conn.protocol.on_postponed)
            return
        try:
            whole = output.push(self.transport)
        except OSError as error:
            self.break_off(error, leading)
            return
        if whole:
            self.finish(leading)
        elif leading:
            self._wait_for_room()
        else:
            self._leave_to_the_leader()

    def finish(self, leading: bool, broken: bool = False) -> None:
        """End the exchange, whose answer has been sent or (broken) never will be: record it, end its activity and its
        body, and give the connection back to its protocol."""
        output, parts, conn = self.output, self.parts, self.connection
        assert output is not None
        self.record(leading)
        parts.activities.end(self)
        parts.recorder.count_sent(output.sent_bytes, leading)
        self.output = None
        answer = output.answer
        if answer.owner is not None or answer.source is not None:
            self._end_body(output, leading)
        if not broken:
            conn.protocol.on_finished(self, answer.close, leading)
            return
        if leading:
            parts.chores.leftovers.append(self)  # what is the application's is dropped outside the lead
        conn.protocol.on_broken(self, leading)

    def break_off(self, error: OSError | None, leading: bool) -> None:
        left = self.connection.phase == Phase.CLOSED or isinstance(error, CLIENT_LEFT)
        if error is not None and not left:
            self.parts.log.error("the answer of %s broke off: %s", self.name, error)
        self.finish(leading, broken=True)

    def _leave_to_the_leader(self) -> None:
        self.show_waiting(self.began_s)
        self.parts.reactor.call(self._await_room)

    def _end_body(self, output: Output, leading: bool) -> None:
        """Close the answer's body: if that may run the application's code, not by a thread that leads."""
        if not leading:
            self._close_body(None, output)
        elif output.closes_quietly:
            output.close(None)
        else:
            self.parts.chores.put(self.work, (self._close_body, output))

    def _close_body(self, _activity: object, output: Output) -> None:
        error = output.close(self.context)
        if error is not None:
            self.parts.log.error("closing the body of %s", self.name, exc_info=error)
            self.parts.failures.on_fault(self.connection, error)

    # -- a thread of the pool: the iterator of a body -----------------------------------------------------------------

    def pull(self, own: Activity) -> None:
        """Send what the body's iterator gives, as far as the client takes it (as a task). Raises nothing."""
        parts, output = self.parts, self.output
        try:
            assert output is not None
            if self.activity is not None:
                parts.activities.begin(self.activity, own)
                if output.sent_bytes:
                    parts.activities.move_on(self.activity)
            self._pull(own)
        except BaseException as error:
            parts.faults.tell(error, "sending a body failed")
            parts.reactor.call(self.give_up)

    def _pull(self, own: Activity) -> None:
        output, transport = self.output, self.transport
        assert output is not None
        source = output.answer.source
        assert source is not None
        if self.context is None:
            self.context = Context()
        more = True
        while more:
            try:
                piece = self.context.run(next, source, None)
            except BaseException as error:  # the application's own, an OSError too: the client is not gone
                self._fail_body(error, own)
                return
            before = output.sent_bytes
            try:
                if piece is None:
                    output.answer.source = None
                    more = False
                    taken = output.push(transport)
                else:
                    taken = output.pass_on(piece, transport)
                if not taken:
                    self._leave_to_the_leader()
                    return
            except OSError as error:
                self.break_off(error, False)
                return
            if output.sent_bytes > before:
                if self.activity is not None:
                    self.parts.activities.move_on(self.activity)
                elif own.start[0]:  # it stands for the request
                    own.start[0] = _mono()
        self.finish(False)

    def _fail_body(self, error: BaseException, own: Activity) -> None:
        """The body's iterator raised: answer that in place of the answer, or break it off once it has begun."""
        output, log = self.output, self.parts.log
        assert output is not None
        meant = issubclass(type(error), HTTPError)  # isinstance would ask the error itself
        if not meant:
            log.error("the body of %s broke off", self.name, exc_info=error)
            self.parts.failures.on_fault(self.connection, error)
        elif output.sent_bytes:  # otherwise the client is told
            log.error("the body of %s broke off: %s", self.name, error)
        if output.sent_bytes:
            self.break_off(None, False)
            return
        self._end_body(output, False)
        status = getattr(error, "status", 500) if meant else 500
        self.output = self.error_output(status, output.answer.close)
        self.send(own)

    # -- the leader ---------------------------------------------------------------------------------------------------

    def drop_intake(self) -> None:
        intake, self.intake = self.intake, None
        if intake is not None:
            intake.abandon()

    def advance(self) -> None:
        output, conn, parts = self.output, self.connection, self.parts
        assert output is not None
        before = output.sent_bytes
        try:
            whole = output.push(self.transport)
        except OSError as error:
            self.break_off(error, True)
            return
        if output.sent_bytes > before:
            conn.since_s = _mono()
        if not whole:
            return
        output.client_time.end(_mono())
        conn.protocol.on_unblocked(self)
        if output.answer.source is not None:
            self._have_pulled(parts.pool.put)
        else:
            parts.chores.leftovers.append(self)
            self.finish(True)

    def resume_plain(self, sent_bytes: int) -> None:
        """Go on with a plain answer of which the transport took so much; -1 if the client has gone."""
        output, conn = self.output, self.connection
        assert output is not None
        if conn.phase != Phase.OTHER:
            conn.exchange = self
        if sent_bytes < 0:
            self.finish(True, broken=True)
        else:
            output.skip(sent_bytes)
            self._wait_for_room()

    def give_up(self) -> None:
        """Reset the connection after a fault, or because the client takes nothing of the answer."""
        self.parts.chores.leftovers.append(self)
        self.abandon()
        self.parts.table.break_off(self.connection)

    def abandon(self) -> None:
        self.parts.activities.end(self)
        output, self.output = self.output, None
        if output is not None:
            self._end_body(output, True)

    def _await_room(self) -> None:
        if self.connection.phase != Phase.CLOSED and self.output is not None:
            self._wait_for_room()

    def _wait_for_room(self) -> None:
        self._wait(self.connection.protocol.on_blocked)

    def _wait(self, tell: Callable[[AbstractExchange], None]) -> None:
        output, conn = self.output, self.connection
        assert output is not None
        if conn.phase != Phase.OTHER:
            conn.exchange = self
        self.show_waiting(self.began_s)
        conn.since_s = _mono()
        output.client_time.begin(conn.since_s)
        output.has_moved(self.transport)  # from here on
        tell(self)

    def _have_pulled(self, put: Callable[[Task], None]) -> None:
        """Have a thread of the pool run the body's iterator."""
        activities = self.parts.activities
        self.connection.protocol.on_dispatch(self)
        if self.activity is not None:
            activities.move_on(self.activity)
        else:
            self.show_queued()
        put((self.pull,))
