"""Owns what the worker keeps of one connection, and what it asks of the protocol that the client speaks and of the
exchange that is under way; knows neither HTTP nor the loop.

Between requests a connection costs this object, its transport and its socket: nothing else is kept for it. HTTP/1 is
one protocol (http1/), the TLS handshake before it another (handshake.py); exchanges/ has the exchanges.
"""

from __future__ import annotations

import ssl
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

from ...framework.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextvars import Context

    from ...framework.request import Request
    from ...framework.response import Response
    from ...framework.tlsclient import TLSClient
    from ...supervisor import Activity
    from ..exchanges.intake import Intake
    from ..exchanges.output import Output
    from ..exchanges.plan import Plan
    from .transport import Transport

__all__ = [
    "FOREVER_S",
    "AbstractExchange",
    "Connection",
    "ConnectionProtocol",
    "Phase",
    "Relay",
    "RelayedConnection",
    "peer_label",
]

FOREVER_S = float("inf")


def peer_label(host: str) -> tuple[bytes, bytes]:
    """Return a client's address for the log, and the same padded for the scoreboard (`Connection.peer`)."""
    text = host.encode("ascii", "replace")
    return text, b"%-40b" % text[:40]


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


class Relay(IntEnum):
    """What a PROXY header said of the client of a connection."""

    NONE = 0  # there was none, or not yet
    NAMED = 1
    UNNAMED = 2  # the proxy speaks for itself, or does not know for whom


class Connection:
    """One client: its transport, the protocol it speaks, and how far that has come.

    origin, peer: of whoever is at the other end; a request that a proxy forwards has those of its client
    (exchanges/forwarding.py). peer is the address for the log, and the same padded for the scoreboard. since_s: the
    monotonic time when the present wait began, from which a timeout counts. buffer: bytes that were received and not
    looked at yet. exchange: the one that HTTP/1 is at, if its request needs more than a look. parked: it is out of
    epoll, because an event came (more bytes, or the client left) while its handler ran.
    """

    #: whether several threads of this process may run the application at once; the worker's setting
    multithread: ClassVar[bool] = True
    #: what a PROXY header said of the client
    relay: Relay = Relay.NONE

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
        self.exchange: AbstractExchange | None = None

    # -- what a request asks (`framework.request.Peer`) ---------------------------------------------------------------

    @property
    def peer_address(self) -> tuple[str, int]:
        """Host and port of the other end of the connection; ("unix", 0) for a unix socket."""
        return self.origin.client_address

    @property
    def tls(self) -> ssl.SSLSocket | None:
        """The socket if it speaks TLS: for `request.tls` only."""
        return self.transport.tls

    @property
    def tls_client(self) -> TLSClient | None:
        """The client's certificate; None without one."""
        return self.transport.tls_client

    @property
    def server_address(self) -> tuple[str, int]:
        """The host and port that the client connected to; ("unix", 0) for a unix socket."""
        return self.transport.server_address

    @property
    def gone(self) -> bool:
        """Whether the client has closed the connection, or its half of it: the kernel tells no difference."""
        return self.phase == Phase.CLOSED or self.transport.gone


class RelayedConnection(Connection):
    """A connection of a proxy that tells its client by a PROXY header: from then on origin and peer are the client's.

    peer_address: the proxy's. told_server: where the client connected to; None if nobody has said so.
    """

    __slots__ = ("peer_address", "relay", "told_server")

    peer_address: tuple[str, int]

    def __init__(self, transport: Transport, origin: Origin, peer: tuple[bytes, bytes], now_s: float) -> None:
        super().__init__(transport, origin, peer, now_s)
        self.peer_address = origin.client_address
        self.relay = Relay.NONE
        self.told_server: tuple[str, int] | None = None

    @property
    def server_address(self) -> tuple[str, int]:
        return self.told_server or self.transport.server_address


class AbstractExchange:
    """One request and its answer, as far as the connection, its protocol and the recorder know it.

    plan: what follows from the request's head. began_s: the monotonic time from which the log counts. context: in which
    the application's part of it runs. activity: on the scoreboard, while no thread's own activity shows the request.
    intake: the request's body, while it is not over. output: the answer, while it is sent. transport: what it is sent
    by, the connection's or, where several exchanges share that, one of the protocol's own. successor: the protocol that
    gets the connection afterwards, if it changes. The answer to a malformed request has neither plan nor request.
    """

    __slots__ = (
        "activity",
        "began_s",
        "connection",
        "context",
        "intake",
        "output",
        "plan",
        "request",
        "successor",
        "transport",
    )

    plan: Plan
    request: Request

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.transport = connection.transport
        self.began_s = 0.0
        self.context: Context | None = None
        self.activity: Activity | None = None
        self.intake: Intake | None = None
        self.output: Output | None = None
        self.successor: ConnectionProtocol | None = None

    def send(self, own: Activity | None = None, *, leading: bool = False) -> None:
        """Send the output as far as the transport takes it.

        own: the activity of the thread of the pool that calls, if it has a place there: then it runs the body's
        iterator too. leading: the caller holds the lead. Another thread leaves the iterator to the pool.
        """
        raise NotImplementedError

    def advance(self) -> None:
        """Go on sending: the transport has room again (the leader)."""
        raise NotImplementedError

    def break_off(self, error: OSError | None, leading: bool) -> None:
        """End the connection in the middle of the answer, so that the client cannot take it for whole."""
        raise NotImplementedError

    def abandon(self) -> None:
        """End the activity and the body, without a record, as the connection is reset after a fault (the leader)."""
        raise NotImplementedError

    def drop_intake(self) -> None:
        """Nobody receives the rest of the request's body any more (the leader)."""
        raise NotImplementedError


class ConnectionProtocol:
    """What the loop, housekeeping and the exchanges of a connection ask of its protocol.

    An object may serve one connection or all of its kind. Its methods are called by the leader, unless something else
    is said, and must neither block nor run anything of the application's (see threads/chores.py).
    `ConnectionTable.hand` gives a connection to one. A protocol without requests need not define the methods below "its
    exchanges".
    """

    __slots__ = ()

    # -- the connection -----------------------------------------------------------------------------------------------

    def on_start(self, conn: Connection, received: bytes) -> None:
        """The connection is this protocol's from now on; received: what was read and not looked at yet."""
        raise NotImplementedError

    def on_event(self, conn: Connection, event: int) -> AbstractExchange | None:
        """The poller has an event. Returns an exchange for the loop to run, or None; further ones are dispatched
        (`Dispatcher.dispatch`)."""
        raise NotImplementedError

    def deadline(self, conn: Connection, now_s: float) -> float:
        """Return the monotonic time until which the client may keep the connection waiting; infinite for none. Asked
        once a second."""
        return FOREVER_S

    def on_timeout(self, conn: Connection, now_s: float) -> None:
        """The deadline has passed: answer, or close the connection."""
        raise NotImplementedError

    def on_drain(self, conn: Connection, now_s: float) -> None:
        """The worker drains; called again at every sweep until the connection has gone. By default nothing is done: the
        connection stays until `drain-timeout`, when the worker is killed."""

    def on_close(self, conn: Connection) -> None:
        """The connection is about to be closed: drop what is under way in it."""

    def abandon(self, conn: Connection) -> None:
        """The connection is about to be reset after a fault: end its answers, unless a thread is at them."""

    def may_make_way(self, conn: Connection) -> bool:
        """Return whether the connection may be closed for a new one when there are too many."""
        return False

    # -- its exchanges ------------------------------------------------------------------------------------------------

    def on_dispatch(self, exchange: AbstractExchange) -> None:
        """A thread of the pool is going to work on the exchange."""
        raise NotImplementedError

    def serialize(self, exchange: AbstractExchange, response: Response | None, result: Any, closing: bool) -> Output:
        """Make what is to be sent for a handler's result (status, body) and the fields of its response.

        closing: the connection shall end with it. Called by the thread that ran the handler, without the lead. Raises
        BadResult for a result that is not valid, ValueError for fields that would break the message.
        """
        raise NotImplementedError

    def serialize_switch(self, exchange: AbstractExchange, fields: Iterable[tuple[str, str]]) -> Output:
        """Make the answer after which the connection speaks another protocol. Raises ValueError for fields that would
        break the message."""
        raise NotImplementedError

    def go_on(self, exchange: AbstractExchange) -> None:
        """The handler has agreed to receive the body (`Exchange.ask`): tell the client to send it."""
        raise NotImplementedError

    def end_intake(self, exchange: AbstractExchange) -> None:
        """The handler of a body that still arrives has answered, whether or not it has read all of it: send that."""
        raise NotImplementedError

    def on_blocked(self, exchange: AbstractExchange) -> None:
        """The transport takes no more of the answer for now: call `AbstractExchange.advance` when it does."""
        raise NotImplementedError

    def on_postponed(self, exchange: AbstractExchange) -> None:
        """The answer is long and others wait: call `AbstractExchange.advance` when they have had their turn. By default
        this is left to the poller, as in `on_blocked`."""
        self.on_blocked(exchange)

    def on_unblocked(self, exchange: AbstractExchange) -> None:
        """The transport has taken all that there was of the answer for now."""
        raise NotImplementedError

    def on_broken(self, exchange: AbstractExchange, leading: bool) -> None:
        """The answer cannot be sent whole, and the client must not take it for whole; leading: see `on_finished`."""
        raise NotImplementedError

    def on_finished(self, exchange: AbstractExchange, close: bool, leading: bool) -> None:
        """The answer has left. close: the connection ends with it; leading: the caller holds the lead, otherwise it is
        the thread that answered."""
        raise NotImplementedError
