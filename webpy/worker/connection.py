"""Owns what the worker keeps of one connection, and its phases; knows neither HTTP nor the loop.

Between requests a connection costs this object and its socket: nothing else is kept for it.
"""

from __future__ import annotations

import ssl
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from ..framework.origin import Origin

if TYPE_CHECKING:
    from .intake import Intake
    from .output import Output
    from .transport import Transport

__all__ = ["Connection", "Phase"]


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
    """One client: its transport and how far its request has come.

    peer: the client's address for the log, and the same padded for the scoreboard. since_s: the monotonic time when the
    present wait began, from which a timeout counts. buffer: bytes that were received and not looked at yet. parked: it
    has been taken out of epoll, because the client sent more or went while its handler runs.
    """

    #: whether several threads of this process may run the application at once; the worker's setting
    multithread: ClassVar[bool] = True

    __slots__ = (
        "buffer",
        "fd",
        "intake",
        "origin",
        "output",
        "parked",
        "peer",
        "phase",
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
        self.phase: int = Phase.NEW
        self.since_s = now_s
        self.buffer: bytes | bytearray = b""
        self.parked = False
        self.intake: Intake | None = None
        self.output: Output | None = None

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
