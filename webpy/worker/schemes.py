"""Owns what a request's scheme decides before its handler runs: whether it is redirected to https, and whether its
answer says that the client shall use nothing else (HSTS, RFC 6797).

A head says nothing of the scheme: that is its connection's, or what a trusted proxy says. So plans vary where this is
asked for, and each has a variant for either scheme, which is kept with it; otherwise nothing here is called for a
request. Knows no protocol's bytes. `Schemes` is the leader's.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from ..framework.errors import HTTPError
from ..framework.groups import Groups
from ..framework.handler import HTTPHandler
from ..framework.request import Request
from ..settings.names import CHALLENGE_PATHS
from .connections.connection import RelayedConnection
from .exchanges.forwarding import ForwardedPeer
from .threads.pace import Work

if TYPE_CHECKING:
    from ..framework.response import Result
    from ..protocol import Head
    from ..settings import Settings
    from .connections.connection import Connection
    from .connections.listener import Listener
    from .exchanges.clock import Clock
    from .exchanges.forwarding import Forwarding
    from .exchanges.plan import Plan, Planner

__all__ = ["HTTPSRedirect", "Schemes", "redirect_port"]

_HTTPS_PORT = 443
_NO_GROUPS = Groups.of((), ())
_NO_HOST = "400 - this is served by https only, and the request names no host to redirect to\n"


class HTTPSRedirect(HTTPHandler):
    """Redirects requests of any method to the same resource of https, in place of the routes' handler.

    No mix-in stands before it: one that asks for a password would have it sent in the clear.
    """

    port: ClassVar[int] = _HTTPS_PORT

    def respond(self) -> Result:
        location = self._location()
        if not location:
            return 400, _NO_HOST
        self.response.headers.set("Location", location)
        return 308, f"{location}\n"

    def check_continue(self) -> None:
        """Answer before the body is sent: it would be sent in the clear, for nothing."""
        location = self._location()
        raise HTTPError(308, f"{location}\n", {"Location": location}) if location else HTTPError(400, _NO_HOST)

    def _location(self) -> str:
        """Return the URL to redirect to, "" if the request names no host."""
        request = self.request
        host = request.host
        if not host.endswith("]"):  # of an IPv6 address
            name, colon, _ = host.rpartition(":")
            host = name if colon else host
        # a proxy speaks https at its own port, whatever ours is
        is_behind_proxy = isinstance(request._peer, (ForwardedPeer, RelayedConnection))
        port = _HTTPS_PORT if is_behind_proxy else self.port
        if port != _HTTPS_PORT:
            host = f"{host}:{port}"
        resource = "/" if request.resource == "*" else request.resource
        return f"https://{host}{resource}" if request.host else ""


def redirect_port(ports: Sequence[int]) -> int:
    """Return to which of these ports, which speak https, redirects lead; without any it is that of a proxy."""
    return _HTTPS_PORT if not ports or _HTTPS_PORT in ports else ports[0]


class Schemes:
    """Begins requests whose plans vary."""

    __slots__ = ("_excepted", "_forwarding", "_handler", "_preamble", "_redirects", "_work")

    def __init__(self, settings: Settings, planner: Planner, clock: Clock, forwarding: Forwarding) -> None:
        """Has all of the planner's plans vary if that is needed."""
        self._forwarding = forwarding
        self._redirects = settings.https_redirect
        excepted = [settings.https_redirect_except] if settings.https_redirect_except else []
        if settings.acme:  # the directory asks by http
            excepted.append(CHALLENGE_PATHS)
        self._excepted = re.compile("|".join(f"(?:{each})" for each in excepted) or "(?!)")
        self._handler: type[HTTPHandler] = HTTPSRedirect
        self._work = Work()
        secure = clock.preambles["https"]
        self._preamble = secure if secure.more else None  # of answers of https, if it is not that of all
        planner.preamble = clock.preambles["http"]
        planner.varies = self._redirects or self._preamble is not None

    def redirect_to(self, listeners: Iterable[Listener]) -> None:
        """Have redirects lead to that of these listeners which speaks https."""
        tcp = (each for each in listeners if each.socket.family in (socket.AF_INET, socket.AF_INET6))
        port = redirect_port([each.socket.getsockname()[1] for each in tcp if each.scheme == "https"])
        self._handler = type(HTTPSRedirect.__name__, (HTTPSRedirect,), {"port": port})

    def begin(self, conn: Connection, plan: Plan) -> tuple[Plan, Request]:
        """Return a request whose plan varies, and its plan."""
        if plan.forwards:
            plan, request = self._forwarding.begin(conn, plan)
        else:
            request = Request(conn, plan.head)
        if request._peer.origin.scheme == "https":
            if self._preamble is not None and plan.plain is not None:
                plan = plan.secured or self._secure(plan)
        elif self._redirects and not self._is_excepted(plan.head):
            plan = plan.redirected or self._redirect(plan)
        return plan, request

    def _is_excepted(self, head: Head) -> bool:
        """Return whether plain requests of this head are answered as if there were no redirects."""
        return self._excepted.fullmatch(head.resource.partition("?")[0]) is not None

    def _secure(self, plan: Plan) -> Plan:
        made = plan.secured = plan.copy()
        made.plain = self._preamble
        return made

    def _redirect(self, plan: Plan) -> Plan:
        made = plan.redirected = plan.copy()
        made.handler = self._handler
        made.groups = _NO_GROUPS
        made.call = self._handler.respond
        made.answers = True
        made.work = self._work
        return made
