"""Owns who a request's client is when a proxy that is trusted forwards it: what its fields say, or the peer itself.

The fields are read by webpy/protocol/forwarded.py. What they come to, the verdict, is kept in two places: with the plan
of a head, for heads that come again as a whole, and in a table by the lines of these fields, as other requests of the
client have the same ones. Both hold only for the peer from which they came. A head without such fields costs nothing.
The leader's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...framework.origin import Origin
from ...framework.request import Request
from ...framework.trust import TrustedPeers
from ...protocol.forwarded import FORWARDED, X_FORWARDED, Said, read_forwarded, read_x_forwarded
from ...supervisor import Cell
from ..cache import Cache
from ..connections.connection import Connection, Relay, peer_label

if TYPE_CHECKING:
    from ...framework.tlsclient import TLSClient
    from ...protocol import Head
    from ...settings import Settings
    from ...supervisor import Row
    from ..log.complaints import Complaints
    from .plan import Plan, Planner

__all__ = ["ForwardedPeer", "Forwarding", "forwarding_fields"]

_PORTS = {"http": 80, "https": 443}
_RFC_7239, _X = (FORWARDED, read_forwarded), (X_FORWARDED, read_x_forwarded)
_FAMILIES = {"auto": (_RFC_7239, _X), "forwarded": (_RFC_7239,), "x-forwarded": (_X,)}
_NOTHING = Said()
_MAX_VERDICTS = 1024  # in each generation


def forwarding_fields(settings: Settings) -> tuple[str, ...]:
    """Return the fields, in lower case, that may say who a client is; none if nobody is trusted to say so."""
    if not settings.forwarded_allow_ips:
        return ()
    return tuple(field for fields, _ in _FAMILIES[settings.forwarded_header] for field in fields)


class ForwardedPeer:
    """The peer of one request (`framework.request.Peer`), whose client is not the one at the other end."""

    __slots__ = ("connection", "origin", "peer")

    def __init__(self, connection: Connection, origin: Origin, peer: tuple[bytes, bytes]) -> None:
        """peer: as in `Connection`, of the client."""
        self.connection = connection
        self.origin = origin
        self.peer = peer

    @property
    def peer_address(self) -> tuple[str, int]:
        return self.connection.peer_address

    @property
    def tls(self) -> object | None:
        return self.connection.tls

    @property
    def tls_client(self) -> TLSClient | None:
        return self.connection.tls_client

    @property
    def server_address(self) -> tuple[str, int]:
        return self.connection.server_address

    @property
    def gone(self) -> bool:
        return self.connection.gone

    @property
    def multithread(self) -> bool:
        return self.connection.multithread


class _Verdict:
    """What the fields of a head come to.

    peer, scheme: of the connections for which that holds; `peer` is another object for each value of their `relay`.
    origin: None if the fields say nothing that counts. names_client: whether they say who the client is; otherwise it
    is the peer, and its port that of each connection. label: the client's, as `Connection.peer`. fault: "" or which
    field is malformed, and how.
    """

    __slots__ = ("fault", "label", "names_client", "origin", "peer", "scheme")

    def __init__(self, conn: Connection) -> None:
        self.peer = conn.peer
        self.scheme = conn.origin.scheme
        self.origin: Origin | None = None
        self.names_client = False
        self.label = conn.peer
        self.fault = ""


class Forwarding:
    """Finds out who the clients of forwarded requests are."""

    __slots__ = ("_cells", "_complaints", "_families", "_fields", "_planner", "_trusted", "_verdicts")

    def __init__(self, settings: Settings, planner: Planner, row: Row, complaints: Complaints) -> None:
        self._trusted = TrustedPeers(settings.forwarded_allow_ips)
        self._families = _FAMILIES[settings.forwarded_header]
        self._fields = forwarding_fields(settings)
        self._planner = planner
        self._cells = row.cells
        self._complaints = complaints
        self._verdicts: Cache[tuple[Any, ...], _Verdict] = Cache(_MAX_VERDICTS)

    def trusts(self, host: str) -> bool:
        """Return whether a peer of this address is trusted to say who its clients are."""
        return self._trusted.has_peer(host)

    def trusts_named(self, host: str) -> bool:
        """Return whether an address that a trusted peer names, in a PROXY header, is that of another trusted proxy."""
        return self._trusted.has_proxy(host)

    def begin(self, conn: Connection, plan: Plan) -> tuple[Plan, Request]:
        """Return a request whose head has fields that may say who the client is, and its plan."""
        head = plan.head
        verdict: _Verdict | None = plan.verdict
        if verdict is None or verdict.peer is not conn.peer or verdict.scheme != conn.origin.scheme:
            verdict = plan.verdict = self._find(conn, head)
            plan.hosted = None
        if verdict.fault:
            self._cells[Cell.BAD_FORWARDED] += 1
            host = conn.origin.client_address[0]
            self._complaints.say("forwarded", f"ignored what the proxy {host} says of its client; {verdict.fault}")
        origin = verdict.origin
        if origin is None:
            return plan, Request(conn, head)
        if not verdict.names_client:
            origin = Origin(conn.origin.client_address, origin.scheme, origin.host)
        if origin.host is not None and self._planner.routes.has_hosts:  # the handler is that for this host
            if plan.hosted is None:
                plan.hosted = self._planner.plan(head, plan.plain is not None, origin.host)
            plan = plan.hosted
        return plan, Request(ForwardedPeer(conn, origin, verdict.label), head)

    def _find(self, conn: Connection, head: Head) -> _Verdict:
        """Return the verdict on the fields of a head, whether or not it is in the table."""
        lines = head.lines_of(self._fields)
        if lines is None:
            return self._verdict(conn, head)
        for line in lines:
            if line is not None and not line.known:  # it came for the first time, so this comes for the first time
                return self._verdict(conn, head)
        key = (conn.peer, conn.relay, conn.origin.scheme, head.host, *lines)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdict(conn, head)
            self._verdicts.offer(key, verdict)
        return verdict

    def _verdict(self, conn: Connection, head: Head) -> _Verdict:
        verdict = _Verdict(conn)
        peer, scheme, _ = conn.origin
        if not self._believes(conn):
            return verdict
        said = self._read(head)
        client, said_scheme, host, port, fault = said
        verdict.fault = fault
        if client is None and said_scheme is None and host is None and port is None:
            return verdict
        scheme = said_scheme or scheme
        if port is not None:
            host = _authority(said, head.host, scheme)
        if client is not None:
            verdict.names_client = True
            verdict.label = peer_label(client[0])
        verdict.origin = Origin(client or peer, scheme, host)
        return verdict

    def _believes(self, conn: Connection) -> bool:
        """Return whether the fields of a connection's requests count.

        After a PROXY header they are those of the client that it names: they count if that is a trusted proxy too.
        """
        host = conn.origin.client_address[0]
        if conn.relay == Relay.NONE:
            return self._trusted.has_peer(host)
        return conn.relay == Relay.NAMED and self._trusted.has_proxy(host)

    def _read(self, head: Head) -> Said:
        """Return what the fields that count say; nothing if there are those of both families and they disagree."""
        trusts = self._trusted.has_proxy
        said = [read(head.joined, trusts) for fields, read in self._families if head.has_any(fields)]
        if len(said) == 1:
            return said[0]
        fault = said[0].fault or said[1].fault
        if not fault and _gist(said[0], head) != _gist(said[1], head):
            fault = "Forwarded and X-Forwarded-* disagree: say by --forwarded-header which of them the proxy sets"
        return Said(fault=fault) if fault else said[0]


def _gist(said: Said, head: Head) -> tuple[str | None, str | None, str]:
    """Return that in which both families have to agree."""
    scheme = said.scheme or "http"
    client = None if said.client is None else said.client[0]
    return client, said.scheme, (_authority(said, head.host, scheme) or head.host).lower()


def _authority(said: Said, own: str, scheme: str) -> str | None:
    """Return the authority that the client asked for; None if it is the request's own."""
    host = own if said.host is None else said.host
    if said.port is None or not host:
        return said.host
    if not host.endswith("]"):
        name, colon, _ = host.rpartition(":")
        host = name if colon else host
    return host if said.port == _PORTS[scheme] else f"{host}:{said.port}"
