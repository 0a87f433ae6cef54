"""Owns what the worker keeps of one connection, and its phases; knows neither HTTP nor the loop.

Between requests a connection costs this object, its transport and its socket: nothing else is kept for it.
"""

from __future__ import annotations

import ssl
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from ..framework.origin import Origin

if TYPE_CHECKING:
    from .delivery import Delivery
    from .protocol import ConnectionProtocol
    from .transport import Transport

__all__ = ["Connection", "Phase"]


class Phase(IntEnum):
    """What a connection waits for. Its protocol says so, on the leader's thread; but RUNNING ends on the thread that
    answers the request."""

    IDLE = 0  # the next HTTP/1 request's first byte: the loop reads it by itself
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
    OTHER = 11  # something that only a protocol other than HTTP/1 knows of


class Connection:
    """One client: its transport, the protocol it speaks, and how far that has come.

    peer: the client's address for the log, and the same padded for the scoreboard. since_s: the monotonic time when the
    present wait began, from which a timeout counts. buffer: bytes that were received and not looked at yet. exchange:
    the one that HTTP/1 is at, if its request needs more than a look. parked: it has been taken out of epoll, because
    the client sent more or went while its handler runs.
    """

    #: whether several threads of this process may run the application at once; the worker's setting
    multithread: ClassVar[bool] = True

    __slots__ = (
        "buffer",
        "exchange",
        "fd",
        "origin",
        "parked",
        "peer",
        "phase",
        "protocol",
        "recv",
        "send",
        "since_s",
        "transport",
    )

    def __init__(self, transport: Transport, origin: Origin, peer: tuple[bytes, bytes], now_s: float) -> None:
        self.transport = transport
        self.fd = transport.fd
        self.recv = transport.recv
        self.send = transport.send
        self.origin = origin
        self.peer = peer
        self.protocol: ConnectionProtocol
        self.phase: int = Phase.NEW
        self.since_s = now_s
        self.buffer: bytes | bytearray = b""
        self.parked = False
        self.exchange: Delivery | None = None

    # -- what a request asks (`framework.request.Peer`) ---------------------------------------------------------------

    @property
    def tls(self) -> ssl.SSLSocket | None:
        """The socket if it speaks TLS: for `request.tls` only."""
        return self.transport.tls

    @property
    def server_address(self) -> tuple[str, int]:
        """The host and port that the client connected to; ("unix", 0) for a unix socket."""
        return self.transport.server_address

    @property
    def gone(self) -> bool:
        """Whether the client has closed the connection, or its half of it: the kernel tells no difference."""
        return self.phase == Phase.CLOSED or self.transport.gone
