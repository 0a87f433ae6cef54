"""Owns the TLS handshake of a new connection, which blocks nobody: the protocol before the first one. The leader's."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from ...supervisor import Cell
from .connection import Connection, ConnectionProtocol, Phase

if TYPE_CHECKING:
    from ..parts import Parts

__all__ = ["Handshake"]


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
            table.forget(conn)
            return None
        table.watch(conn, wanted or select.EPOLLIN)
        if not wanted:
            conn.protocol = self._next
            conn.since_s = time.monotonic()
            self._next.on_start(conn, b"")
        return None

    def deadline(self, conn: Connection, now_s: float) -> float:
        return conn.since_s + self._parts.settings.header_timeout

    def on_timeout(self, conn: Connection, now_s: float) -> None:
        self._parts.row.cells[Cell.TIMEOUTS] += 1
        self._parts.table.forget(conn)

    def on_drain(self, conn: Connection, now_s: float) -> None:
        """Wait for the end of the handshake: a request follows it, and its answer ends the connection."""

    def may_make_way(self, conn: Connection) -> bool:
        return True
