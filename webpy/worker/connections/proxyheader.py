"""Owns the PROXY header at the beginning of connections (`--proxy-protocol on`): who has to send one, and what follows
from it. The protocol before the TLS handshake and the first one. The leader's.

A peer that is trusted (`--forwarded-allow-ips`) has to send a header, and nobody else may. Otherwise the connection is
closed. No byte behind the header is taken: those are for the handshake, or for HTTP.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...framework.origin import Origin
from ...protocol.proxy import (
    MAX_HEADER_BYTES,
    MalformedProxyHeader,
    ProxyHeader,
    begins_proxy_header,
    read_proxy_header,
)
from ...supervisor import Cell
from .connection import Connection, ConnectionProtocol, Phase, Relay, RelayedConnection
from .transport import WOULD_BLOCK

if TYPE_CHECKING:
    from ..log.complaints import Complaints
    from ..worker import Worker
    from .room import Room
    from .transport import Transport

__all__ = ["ProxyHeaders"]

Labels = Callable[[str, Relay], tuple[bytes, bytes]]


class ProxyHeaders(ConnectionProtocol):
    """Reads the headers of trusted peers, and looks that others send none."""

    __slots__ = ("_complaints", "_labels", "_room", "_worker")

    def __init__(self, worker: Worker, room: Room, complaints: Complaints, labels: Labels) -> None:
        """labels: gives `Connection.peer` for a host."""
        self._worker = worker
        self._room = room
        self._complaints = complaints
        self._labels = labels

    def connection(self, transport: Transport, origin: Origin) -> Connection:
        """Return a new connection, whose first bytes are looked at before all else. origin: of its other end."""
        host = origin.client_address[0]
        relays = self._worker.forwarding.trusts(host)
        kind = RelayedConnection if relays else Connection
        conn = kind(transport, origin, self._labels(host, Relay.NONE), time.monotonic())
        conn.protocol = self
        if relays:
            conn.phase = Phase.OTHER
        return conn

    # -- what comes ---------------------------------------------------------------------------------------------------

    def on_event(self, conn: Connection, event: int) -> None:
        came = self._receive(conn, MAX_HEADER_BYTES, socket.MSG_PEEK)
        if came is None:
            return None
        if not came:
            self._ended(conn)
        elif isinstance(conn, RelayedConnection):
            self._read(conn, bytes(conn.buffer) + came)
        else:
            self._look(conn, bytes(conn.buffer) + came)
        return None

    def _read(self, conn: RelayedConnection, data: bytes) -> None:
        """The beginning of a connection that has to begin with a header. What of it waits in the socket is taken as far
        as the header goes, or the poller would tell of it again and again."""
        try:
            header = read_proxy_header(data)
        except MalformedProxyHeader as error:
            self._refuse(conn, f"the proxy {conn.peer_address[0]}", str(error))
            return
        end = len(data) if header is None else header.length
        if self._receive(conn, end - len(conn.buffer)) is None:
            return
        if header is None:
            conn.buffer = data
        else:
            conn.buffer = b""
            self._obey(conn, header)

    def _look(self, conn: Connection, data: bytes) -> None:
        """The beginning of a connection that must not begin with a header."""
        begins = begins_proxy_header(data)
        if begins:
            wanted = "wanted none from a peer that is not in forwarded-allow-ips"
            self._refuse(conn, conn.origin.client_address[0], f"got a PROXY header, {wanted}")
        elif begins is None and self._receive(conn, len(data) - len(conn.buffer)):
            if not conn.buffer:
                conn.since_s = time.monotonic()
            conn.buffer = data
        elif begins is False:  # TLS never begins like a header: what was taken is missed by no handshake that is one
            self._go_on(conn)

    def _obey(self, conn: RelayedConnection, header: ProxyHeader) -> None:
        """The client is the one that the header names."""
        worker, room = self._worker, self._room
        if header.client is None:
            conn.relay = Relay.UNNAMED
        else:
            host = header.client[0]
            if room.refuses(host, Relay.NAMED):
                worker.table.forget(conn)
                return
            scheme = "https" if header.tls else conn.origin.scheme
            conn.origin = Origin(header.client, scheme)
            conn.relay, conn.told_server = Relay.NAMED, header.server
            room.entered(conn)
        conn.peer = self._labels(conn.origin.client_address[0], conn.relay)
        self._go_on(conn)

    def _go_on(self, conn: Connection) -> None:
        worker = self._worker
        worker.table.hand(conn, worker.http1 if conn.transport.tls is None else worker.handshake)

    def _receive(self, conn: Connection, count: int, flags: int = 0) -> bytes | None:
        """Return what has come: None if nothing has, or the connection has broken, b"" at its end."""
        try:
            return conn.transport.recv_before(count, flags)
        except WOULD_BLOCK:
            return None
        except (OSError, ValueError):
            self._worker.table.forget(conn)
            return None

    # -- what does not ------------------------------------------------------------------------------------------------

    def _ended(self, conn: Connection) -> None:
        """The peer has closed the connection: as a check does whether the port is open."""
        if conn.buffer and isinstance(conn, RelayedConnection):
            self._refuse(conn, f"the proxy {conn.peer_address[0]}", "its PROXY header was cut short")
        else:
            self._worker.table.forget(conn)

    def _refuse(self, conn: Connection, peer: str, why: str) -> None:
        worker = self._worker
        worker.row.cells[Cell.BAD_PROXY_HEADERS] += 1
        self._complaints.say("proxy header", f"closed a connection of {peer}: {why}")
        worker.table.forget(conn)

    def deadline(self, conn: Connection, now_s: float) -> float:
        settings = self._worker.settings
        if conn.phase == Phase.NEW and not conn.buffer and conn.transport.tls is None:
            return conn.since_s + settings.keepalive  # as any other connection before its first byte
        return conn.since_s + settings.header_timeout

    def on_timeout(self, conn: Connection, now_s: float) -> None:
        self._worker.row.cells[Cell.TIMEOUTS] += 1
        self._worker.table.forget(conn)

    def on_drain(self, conn: Connection, now_s: float) -> None:
        """Wait for the rest of a header, at most as long as it may take: the connection can move afterwards."""
        lifecycle = self._worker.lifecycle
        if conn.phase == Phase.NEW and not conn.buffer and lifecycle.hand_over(conn, now_s):
            return
        if lifecycle.may_close(conn, now_s) and not conn.transport.readable:
            self._worker.table.forget(conn)

    def may_make_way(self, conn: Connection) -> bool:
        return True
