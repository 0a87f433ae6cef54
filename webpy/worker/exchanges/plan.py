"""Owns plans: all that follows from a request's head alone, worked out once per distinct head.

Knows no protocol's bytes: what parses heads may keep their plans (http1/heads.py). A plan is never changed once it is
made, but for `verdict`, and threads share it. Only the leader calls the planner.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from ...framework.errors import HTTPError
from ...framework.groups import Groups
from ...framework.handler import HTTPHandler
from ...framework.routing.routes import STANDARD_METHODS, Route, RouteTable
from ...protocol import FRAMING_FIELDS, Head, Limits
from ...supervisor import TEXT_BYTES
from ..threads.pace import PaceTable, Work
from .clock import Preamble

if TYPE_CHECKING:
    from ...accesslog import AccessFormat
    from ...framework.atomic import ResourceLocks
    from ...framework.request import Request

__all__ = ["PEER_BYTES", "Plan", "Planner", "name_of"]

PEER_BYTES = 40  # of an activity's text on the scoreboard, for the client's address: the longest IPv6 one is 39
_REQUEST_LINE_BYTES = TEXT_BYTES - PEER_BYTES  # and for the request line
_MAX_ENTRIES = 1024

_new = object.__new__


class DispatchEntry(NamedTuple):
    """How a handler is called for a method."""

    call: Callable[[HTTPHandler], Any]
    answers: bool
    method: str  # under which its pace is learned; empty for all that neither RFC 9110 nor the handler names


class Plan:
    """A head, the handler for it, and what the log and the scoreboard will say of it.

    call: gives a handler object's result. answers: whether the handler has something to say to this method. work: what
    is known of its pace. parts: of the access log's line. plain: what the plainest answers begin with, which the loop
    may serialize in place, for HTTP/1.1 with a body and a connection that is kept; None if it may not. text: the
    request line for the scoreboard. forwards: whether fields may say who the client is. varies: whether what becomes of
    a request depends on more than its head: on who its client is, or on the scheme.

    None at first, and kept with the plan by others. verdict, hosted: what forwarding fields come to, and the plan for
    the host that they name (forwarding.py). secured, redirected: the plans for requests of https, and for those of http
    if they are redirected (schemes.py). refused: that for clients over the limit (shield.py).
    """

    __slots__ = (
        "answers",
        "call",
        "forwards",
        "groups",
        "handler",
        "has_body",
        "head",
        "hosted",
        "parts",
        "plain",
        "redirected",
        "refused",
        "secured",
        "text",
        "varies",
        "verdict",
        "work",
    )

    def __init__(
        self,
        head: Head,
        handler: type[HTTPHandler],
        groups: Groups,
        entry: DispatchEntry,
        work: Work,
    ) -> None:
        """parts, plain and forwards are the planner's to set."""
        self.head = head
        self.handler = handler
        self.groups = groups
        self.call = entry.call
        self.answers = entry.answers
        self.work = work
        self.parts: tuple[bytes, ...] = ()
        self.plain: Preamble | None = None
        self.forwards = self.varies = False
        self.secured: Plan | None = None
        self.redirected: Plan | None = None
        self.refused: Plan | None = None
        self.verdict: Any = None
        self.hosted: Plan | None = None
        self.has_body = head.chunked or bool(head.content_length)
        self.text = b"%-*b" % (_REQUEST_LINE_BYTES, head.line[:_REQUEST_LINE_BYTES])

    def copy(self) -> Plan:
        """Return another plan of the same head, without what others keep with this one, to be changed before anybody
        else has it."""
        made = _new(Plan)  # line by line, at a fifth of the cost of a loop: heads that are alike have copies
        made.head = self.head
        made.handler = self.handler
        made.groups = self.groups
        made.call = self.call
        made.answers = self.answers
        made.work = self.work
        made.parts = self.parts
        made.plain = self.plain
        made.forwards = self.forwards
        made.varies = self.varies
        made.secured = made.redirected = made.refused = made.verdict = made.hosted = None
        made.has_body = self.has_body
        made.text = self.text
        return made


class Planner:
    """Makes plans: finds the route of a request and how its handler is called.

    preamble: of plain answers. varies: of all plans. Both are the worker's to set.
    deciding_fields: names, in lower case, of the fields that a plan depends on. Heads of the same request line that
    have the same lines of these, each once, have the same plan (`plan_alike`).
    """

    __slots__ = (
        "_entries",
        "_forwarding_fields",
        "_locks",
        "_log_format",
        "_pace",
        "deciding_fields",
        "limits",
        "preamble",
        "routes",
        "varies",
    )

    def __init__(
        self,
        routes: RouteTable,
        limits: Limits,
        log_format: AccessFormat | None,
        locks: ResourceLocks,
        forwarding_fields: Collection[str] = (),
    ) -> None:
        """limits: of the heads that plans are made for; forwarding_fields: names, in lower case, of fields that may
        say who the client is."""
        self._forwarding_fields = forwarding_fields
        self._entries: dict[tuple[type[HTTPHandler], str], DispatchEntry] = {}
        self.routes = routes
        self.limits = limits
        self._log_format = log_format
        self._locks = locks
        self._pace = PaceTable()
        self.preamble = Preamble()
        self.varies = False
        logged = () if log_format is None else sorted(log_format.fields)
        self.deciding_fields = tuple(dict.fromkeys((*FRAMING_FIELDS, *logged)))

    def plan(self, head: Head, plain: bool, host: str | None = None) -> Plan:
        """Return the plan of a request's head, of whatever protocol. plain: whether it has that (see `Plan`); host:
        that which the client asked for, if it is not the head's."""
        route, groups = self.routes.resolve(head.resource, head.host if host is None else host)
        entry = self._entries.get((route.handler, head.method)) or self._find_entry(route, head.method)
        work = self._pace.find(route, entry.method, head.resource)
        plan = Plan(head, route.handler, groups, entry, work)
        plan.plain = self.preamble if plain else None
        plan.varies = self.varies
        if self._forwarding_fields and head.has_any(self._forwarding_fields):
            plan.forwards = plan.varies = True
        if self._log_format is not None:
            plan.parts = self._log_format.parts(head)
        return plan

    def plan_alike(self, plan: Plan, head: Head) -> Plan:
        """Return the plan of a head that has the request line and the deciding fields of another plan's."""
        made = plan.copy()
        made.head = head
        made.forwards = bool(self._forwarding_fields) and head.has_any(self._forwarding_fields)
        made.varies = self.varies or made.forwards
        return made

    def _find_entry(self, route: Route, method: str) -> DispatchEntry:
        handler = route.handler
        named = handler.method_for(method) is not None
        call = self._locked(handler) if handler.atomic else route.call(method)
        if not named and not self.routes.knows(method):
            call = _unknown(call)
        answers = named or handler.respond is not HTTPHandler.respond
        # a client may send any method, and each would have an entry
        entry = DispatchEntry(call, answers, method if named or method in STANDARD_METHODS else "")
        if len(self._entries) < _MAX_ENTRIES:
            self._entries[handler, method] = entry
        return entry

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


def name_of(plan: Plan, request: Request) -> str:
    """Return what the error log calls a request."""
    name = f"{plan.head.method} {plan.head.resource} ({plan.handler.__qualname__})"
    named = type(request.id) is str and request.id
    return f"{name} [{named}]" if named else name
