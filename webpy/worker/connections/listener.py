"""Owns what a listener brings to its connections: their scheme, and the certificates if they are under TLS.

A server may have listeners of both kinds. Knows nothing of when a connection is accepted.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

from .transport import PlainTransport, TLSTransport, Transport

__all__ = ["Listener"]


class Listener:
    """A listening socket, shared by all workers.

    context: for TLS; None for plain connections. scheme: of its requests, "https" or "http".
    """

    __slots__ = ("_family", "_proto", "_type", "context", "scheme", "socket")

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None = None) -> None:
        self.socket = sock
        self._family, self._type, self._proto = int(sock.family), int(sock.type), sock.proto
        self.context = context
        self.scheme = "http" if context is None else "https"

    def fileno(self) -> int:
        """The descriptor to wait at."""
        return self.socket.fileno()

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection that waits: its socket and the client's address. Raises OSError."""
        # as `socket.accept`, which looks up the names of family and type for each: 1.5 µs
        fd, address = self.socket._accept()  # type: ignore[attr-defined]
        return socket.socket(self._family, self._type, self._proto, fd), address

    def transport(self, sock: socket.socket) -> Transport:
        """Return the transport of an accepted socket. Raises OSError or ValueError if the client has gone already."""
        sock.setblocking(False)
        if self.context is None:
            return PlainTransport(sock)
        return TLSTransport(self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False))

    def close(self) -> None:
        """Close this process's descriptor of the listener."""
        self.socket.close()
