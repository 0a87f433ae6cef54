"""Owns plans: all that follows from the bytes of a request's head alone, worked out once per distinct head.

Clients repeat themselves: the same head comes again and again on a keep-alive connection, and if only its path changes,
the same fields. So the worker remembers both. A plan is never changed once made, so threads share it. Only the leader
calls the planner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from ..framework.errors import HTTPError
from ..framework.handler import HTTPHandler
from ..framework.routes import STANDARD_METHODS, Groups, Route, RouteTable
from ..protocol import Fields, Head, Limits, parse_fields, parse_head
from ..supervisor import LINE_BYTES
from .memo import Memo
from .pace import PaceTable, Work

if TYPE_CHECKING:
    from ..accesslog import AccessFormat
    from ..framework.atomic import ResourceLocks

__all__ = ["PEER_BYTES", "Plan", "Planner"]

PEER_BYTES = 40  # of a thread's line on the scoreboard, for the client's address: the longest IPv6 one is 39
_LINE_BYTES = LINE_BYTES - PEER_BYTES  # and for the request line
_MOST = 512  # plans, and field blocks, in each generation
_LONGEST_BYTES = 2048  # heads and field blocks longer than this are parsed every time
_MOST_WAYS = 1024


class Way(NamedTuple):
    """How a handler is called for a method."""

    call: Callable[[HTTPHandler], Any]
    answers: bool
    method: str  # under which its pace is learned; empty for all that neither RFC 9110 nor the handler names


class Plan:
    """A head, the handler for it, and what the log and the scoreboard will say of it.

    call: a handler object to its result; answers: the handler has something to say to this method; plain: the answer
    may keep the connection and carry its body (HTTP/1.1, not HEAD); text: the request line for the scoreboard.
    """

    __slots__ = ("answers", "call", "groups", "handler", "has_body", "head", "parts", "plain", "text", "work")

    def __init__(
        self,
        head: Head,
        handler: type[HTTPHandler],
        groups: Groups,
        way: Way,
        work: Work,
        parts: tuple[bytes, ...],
        plain: bool,
    ) -> None:
        self.head = head
        self.handler = handler
        self.groups = groups
        self.call = way.call
        self.answers = way.answers
        self.work = work
        self.parts = parts
        self.plain = plain
        self.has_body = head.chunked or bool(head.content_length)
        self.text = b"%-*b" % (_LINE_BYTES, head.line[:_LINE_BYTES])


class Planner:
    """Makes plans.

    `recent` maps the bytes of a whole head to its plan, if it has no body: such a request can run at once.
    """

    def __init__(
        self, routes: RouteTable, limits: Limits, log_format: AccessFormat | None, locks: ResourceLocks
    ) -> None:
        self._plans: Memo[Plan] = Memo(_MOST, _LONGEST_BYTES)
        self._plans_with_body: Memo[Plan] = Memo(_MOST, _LONGEST_BYTES)
        self._fields: Memo[Fields] = Memo(_MOST, _LONGEST_BYTES)
        self._ways: dict[tuple[type[HTTPHandler], str], Way] = {}
        self.recent = self._plans.recent
        self._routes = routes
        self._limits = limits
        self._log_format = log_format
        self._locks = locks
        self._pace = PaceTable()
        self._closing = False

    def close(self) -> None:
        """From now on every answer closes its connection."""
        self._closing = True
        self._plans.clear()
        self._plans_with_body.clear()

    def plan(self, block: bytes) -> Plan:
        """The plan of a whole head; raises ProtocolError for one that is not good."""
        plan = self._plans.get(block) or self._plans_with_body.get(block)
        if plan is None:
            plan = self._make(parse_head(block, self._limits, self._parse_fields))
            (self._plans_with_body if plan.has_body else self._plans).offer(block, plan)
        return plan

    def _parse_fields(self, block: bytes, limits: Limits) -> Fields:
        fields = self._fields.get(block)
        if fields is None:
            fields = parse_fields(block, limits)
            self._fields.offer(block, fields)
        return fields

    def _make(self, head: Head) -> Plan:
        route, groups = self._routes.resolve(head.resource)
        way = self._ways.get((route.handler, head.method)) or self._find_way(route, head.method)
        work = self._pace.find(route, way.method, head.resource)
        parts = self._log_format.parts(head) if self._log_format is not None else ()
        plain = head.keep_alive and head.minor == 1 and head.method != "HEAD" and not self._closing
        return Plan(head, route.handler, groups, way, work, parts, plain)

    def _find_way(self, route: Route, method: str) -> Way:
        handler = route.handler
        named = handler.method_for(method) is not None
        call = self._locked(handler) if handler.atomic else route.call(method)
        if not named and not self._routes.knows(method):
            call = _unknown(call)
        answers = named or handler.respond is not HTTPHandler.respond
        # a client may send any method, and all are remembered
        way = Way(call, answers, method if named or method in STANDARD_METHODS else "")
        if len(self._ways) < _MOST_WAYS:
            self._ways[handler, method] = way
        return way

    def _locked(self, handler: type[HTTPHandler]) -> Callable[[HTTPHandler], Any]:
        locks = self._locks

        def call(instance: HTTPHandler) -> Any:
            request = instance.request
            try:  # one resource for handlers that decode the path, too
                held = locks.acquire(unquote(request.path), request.method not in handler.nonatomic)
            except TimeoutError:  # others hold it all the time: no fault of the handler's, nor of this request
                raise HTTPError(503, headers={"Retry-After": "1"}) from None
            try:
                return instance.respond()
            finally:
                locks.release(held)

        return call


def _unknown(call: Callable[[HTTPHandler], Any]) -> Callable[[HTTPHandler], Any]:
    """Have a handler refuse a method that no handler of the server answers."""

    def refuse(instance: HTTPHandler) -> Any:
        instance.is_method_known = False
        return call(instance)

    return refuse
