"""Owns the TLS handshake of a new connection, which blocks nobody: the protocol before the first one. The leader's."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from ...protocol import ProtocolError
from ...supervisor import Cell
from ..http1.serializer import reject
from .connection import Connection, ConnectionProtocol, Phase

if TYPE_CHECKING:
    from ..parts import Parts

__all__ = ["Handshake"]

_NO_TLS = "HTTP_REQUEST"  # OpenSSL's reason for a handshake that began with GET, HEAD, POST or PUT


class Handshake(ConnectionProtocol):
    """Goes on with the transport's handshake, and hands the connection to the protocol that follows."""

    __slots__ = ("_next", "_parts")

    def __init__(self, parts: Parts, following: ConnectionProtocol) -> None:
        self._parts = parts
        self._next = following

    def on_start(self, conn: Connection, received: bytes) -> None:
        """Begin with the client's first bytes; nothing can have been received before."""
        conn.phase = Phase.HANDSHAKE

    def on_event(self, conn: Connection, event: int) -> None:
        table = self._parts.table
        try:
            wanted = conn.transport.handshake()
        except (OSError, ValueError) as error:
            self._parts.log.debug("TLS handshake with %s failed: %s", conn.origin.client_address[0], error)
            if getattr(error, "reason", None) == _NO_TLS:
                self._refuse(conn)
            table.forget(conn)
            return None
        table.watch(conn, wanted or select.EPOLLIN)
        if not wanted:
            conn.protocol = self._next
            conn.since_s = time.monotonic()
            self._next.on_start(conn, b"")
        return None

    def _refuse(self, conn: Connection) -> None:
        """Tell a client that sent a request without TLS what is wrong: its user may have typed http:// for https://."""
        parts = self._parts
        error = ProtocolError(400, "this address speaks https, and the request came without TLS")
        answer = reject(error, parts.clock.preambles["http"])
        conn.transport.refuse_in_the_clear(answer.head + answer.payload)
        us = int((time.monotonic() - conn.since_s) * 1e6)
        parts.recorder.record_rejection(conn.peer, b"", answer.status, len(answer.payload), us)

    def deadline(self, conn: Connection, now_s: float) -> float:
        return conn.since_s + self._parts.settings.header_timeout

    def on_timeout(self, conn: Connection, now_s: float) -> None:
        self._parts.row.cells[Cell.TIMEOUTS] += 1
        self._parts.table.forget(conn)

    def on_drain(self, conn: Connection, now_s: float) -> None:
        """Wait for the end of the handshake: a request follows it, and its answer ends the connection."""

    def may_make_way(self, conn: Connection) -> bool:
        return True
