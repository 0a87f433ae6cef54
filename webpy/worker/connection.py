"""Owns what the worker keeps of one connection, and its phases; knows neither HTTP nor the loop.

Between requests a connection costs this object and its socket: nothing else is kept for it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .intake import Intake
    from .output import Output

__all__ = ["Connection", "Phase"]

_GONE = getattr(select, "POLLRDHUP", select.POLLHUP)


class Phase(IntEnum):
    """What a connection waits for. Only the leader changes it, but for RUNNING, which ends with whoever ran."""

    IDLE = 0  # the next request's first byte
    NEW = 1  # the first request's first byte
    HANDSHAKE = 2  # the rest of a TLS handshake
    HEAD = 3  # the rest of a head
    BODY = 4  # the rest of a body
    PIPELINED = 5  # its turn: the next request's bytes are there
    RUNNING = 6  # a handler on another thread
    STREAMING = 7  # a handler that reads the body while it arrives
    WRITING = 8  # the client to take more of the answer
    LINGER = 9  # the client to see the answer and close
    CLOSED = 10


class Connection:
    """One client: its socket and where its exchange stands.

    multithread: whether several threads of this process may run the application at once; the worker's setting.
    """

    multithread: ClassVar[bool] = True

    __slots__ = (
        "_server_address",
        "buffer",
        "client_address",
        "fd",
        "intake",
        "output",
        "parked",
        "peer",
        "phase",
        "recv",
        "send",
        "since_s",
        "sock",
    )

    def __init__(self, sock: socket.socket, address: tuple[str, int], peer: tuple[bytes, bytes], now_s: float) -> None:
        """peer: the address for the log, and the same padded for the scoreboard."""
        self.sock = sock
        self.fd = sock.fileno()
        self.recv: Callable[[int], bytes]
        self.send: Callable[[bytes | memoryview[int]], int]
        if isinstance(sock, ssl.SSLSocket):
            self.recv = sock.read
            self.send = sock.write
        else:
            self.recv = sock.recv
            self.send = sock.send
        self.client_address = address
        self.peer = peer
        self.phase: int = Phase.NEW
        self.since_s = now_s  # when the present wait began (monotonic); what a timeout counts from
        self.buffer: bytes | bytearray = b""  # bytes received and not yet looked at
        self.parked = False  # taken out of epoll while a handler runs, as the client sent or went meanwhile
        self.intake: Intake | None = None
        self.output: Output | None = None

    @property
    def tls(self) -> ssl.SSLSocket | None:
        """The socket if it speaks TLS."""
        return self.sock if isinstance(self.sock, ssl.SSLSocket) else None

    @property
    def server_address(self) -> tuple[str, int]:
        """The host and port that the client connected to; ("unix", 0) for a unix socket."""
        try:
            return self._server_address
        except AttributeError:  # WSGI and CGI ask for each request, others never
            name = self.sock.getsockname()
            self._server_address: tuple[str, int] = (name[0], name[1]) if isinstance(name, tuple) else ("unix", 0)
            return self._server_address

    @property
    def gone(self) -> bool:
        """Whether the client has closed the connection, or its half of it: the kernel tells no difference."""
        if self.phase == Phase.CLOSED:
            return True
        poller = select.poll()
        poller.register(self.fd, _GONE)
        return bool(poller.poll(0))

    def unread(self) -> bool:
        """Whether bytes wait that nobody has read; under TLS that is not looked for."""
        if isinstance(self.sock, ssl.SSLSocket):
            return False
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK))
        except (OSError, ValueError):
            return False

    def end_sending(self) -> None:
        """Tell the client that nothing more comes: close_notify under TLS, then FIN."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()  # non-blocking: sends ours, and raises as the client's is not there yet
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def close(self, politely: bool = True) -> None:
        """Close the socket; politely: under TLS with close_notify (RFC 8446 section 6.1)."""
        self.phase = Phase.CLOSED
        if politely and isinstance(self.sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self.sock.unwrap()
        with contextlib.suppress(OSError):  # the application may have closed a descriptor that was not its own
            self.sock.close()

    def let_go(self) -> None:
        """Close this process's descriptor of a socket that another process has taken over."""
        self.phase = Phase.CLOSED
        self.sock.close()
