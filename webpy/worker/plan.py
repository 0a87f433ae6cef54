"""Owns plans: all that follows from the bytes of a request's head alone, worked out once per distinct head.

Clients repeat themselves: the same head comes again and again on a keep-alive connection. So the worker keeps the
recent ones, in two generations of bounded size. A plan is never changed once made, so threads share it. Only the
leader calls the planner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..handler import HTTPHandler
from ..protocol import Head, Limits, parse_head
from ..routes import Groups, RouteTable
from .pace import PaceTable, Work

if TYPE_CHECKING:
    from ..accesslog import AccessFormat
    from ..atomic import ResourceLocks

__all__ = ["PEER_BYTES", "Plan", "Planner"]

PEER_BYTES = 40  # of a thread's line on the board, for the client's address: the longest IPv6 one is 39
_LINE_BYTES = 200  # and for the request line
_MOST_PLANS = 512  # in each generation
_LONGEST_BYTES = 2048  # heads longer than this are parsed every time
#: methods whose pace is learned apart, beside those that a handler names: a client may send any, and all are remembered
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"})


class Plan:
    """A head, the handler for it, and what the log and the board will say of it.

    answers: the handler has something to say to this method; call: a handler object to its result; plain: the answer may be one that keeps the connection open and carries its
    body (HTTP/1.1, not HEAD); text: the request line for the board.
    """

    __slots__ = ("answers", "call", "groups", "handler", "has_body", "head", "parts", "plain", "text", "work")

    def __init__(
        self,
        head: Head,
        handler: type[HTTPHandler],
        groups: Groups,
        call: Callable[[HTTPHandler], Any],
        work: Work,
        parts: tuple[bytes, ...],
        plain: bool,
    ) -> None:
        self.head = head
        self.handler = handler
        self.groups = groups
        self.call = call
        self.work = work
        self.parts = parts
        self.plain = plain
        self.answers = handler.respond is not HTTPHandler.respond or handler.method_for(head.method) is not None
        self.has_body = head.chunked or bool(head.content_length)
        self.text = b"%-*b" % (_LINE_BYTES, head.line[:_LINE_BYTES])


class Planner:
    """Makes plans and keeps the recent ones.

    `recent` maps the bytes of a whole head to its plan, if it has no body: such a request can run at once.
    """

    def __init__(self, routes: RouteTable, limits: Limits, log_format: AccessFormat | None, locks: ResourceLocks) -> None:
        self.recent: dict[bytes, Plan] = {}
        self._with_body: dict[bytes, Plan] = {}
        self._older: dict[bytes, Plan] = {}
        self._routes = routes
        self._limits = limits
        self._log_format = log_format
        self._locks = locks
        self._pace = PaceTable()
        self._closing = False

    def close(self) -> None:
        """From now on every answer closes its connection."""
        self._closing = True
        self.recent.clear()
        self._with_body.clear()
        self._older.clear()

    def plan(self, block: bytes) -> Plan:
        """The plan of a whole head; raises ProtocolError for one that is not good."""
        plan = self.recent.get(block) or self._with_body.get(block)
        if plan is not None:
            return plan
        plan = self._older.get(block) or self._make(parse_head(block, self._limits))
        if len(block) <= _LONGEST_BYTES:
            if len(self.recent) + len(self._with_body) >= _MOST_PLANS:
                self._older = self.recent | self._with_body
                self.recent.clear()  # the same object: the loop holds on to it
                self._with_body.clear()
            (self._with_body if plan.has_body else self.recent)[block] = plan
        return plan

    def _make(self, head: Head) -> Plan:
        route, groups = self._routes.resolve(head.resource)
        handler = route.handler
        call = self._locked(handler) if handler.atomic else route.call(head.method)
        known = head.method in _METHODS or handler.method_for(head.method) is not None
        work = self._pace.find(route, head.method if known else "", head.resource)
        parts = self._log_format.parts(head) if self._log_format is not None else ()
        plain = head.keep_alive and head.minor == 1 and head.method != "HEAD" and not self._closing
        return Plan(head, handler, groups, call, work, parts, plain)

    def _locked(self, handler: type[HTTPHandler]) -> Callable[[HTTPHandler], Any]:
        locks = self._locks

        def call(instance: HTTPHandler) -> Any:
            request = instance.request
            lock = locks.read if request.method in handler.nonatomic else locks.write
            with lock(unquote(request.path)):  # one resource, however its path is spelled
                return instance.respond()

        return call
