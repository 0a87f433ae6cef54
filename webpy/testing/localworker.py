"""Owns `LocalWorker`: a worker of the server in this process, without a master, a listener or an access log.

It is put together by the same `WebApplication` as the workers of `webpy serve`, so a request takes the same way: loop,
protocol, routes, handler, serializer. Only the connection differs: its two ends are in this process.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..framework.atomic import ResourceLocks
from ..framework.origin import Origin
from ..supervisor import Context, Means, Message, Place, Scoreboard
from ..supervisor.processes.messages import channel_pair, send
from ..worker.application import Site, WebApplication
from ..worker.connections.connection import Connection, peer_label
from ..worker.connections.transport import PlainTransport
from ..worker.exchanges.forwarding import ForwardedPeer

if TYPE_CHECKING:
    from ..settings import Resolved
    from ..target.target import Target
    from ..worker.worker import Worker

__all__ = ["LocalConnection", "LocalWorker"]

_RING_BYTES = 1 << 12  # for records of the access log, of which there are none
_TICK_S = 0.002  # between looks whether the last thread has ended
_PATIENCE_S = 5.0  # for handlers that still run when the worker is closed


class _Application(WebApplication):
    """An application whose log records go where those of the tests go."""

    def direct_logs(self) -> None:
        """Leave Python's logging to the test."""


class _Transport(PlainTransport):
    """The server's end of a connection within this process.

    errors: what the application raised while it answered. ended: set once the server has done all that belongs to the
    connection, closing bodies included.
    """

    __slots__ = ("_worker", "ended", "errors")

    def __init__(self, sock: socket.socket, server_address: tuple[str, int], worker: Worker) -> None:
        super().__init__(sock)
        self._server_address = server_address
        self._worker = worker
        self.errors: list[BaseException] = []
        self.ended = threading.Event()

    def close(self) -> None:
        super().close()
        self._worker.reactor.call_at(0.0, self._end)

    def abort(self) -> None:
        super().abort()
        self._worker.reactor.call_at(0.0, self._end)

    def _end(self) -> None:
        """Tell the client, once what the leader has put aside has been done: timers run after that (the leader)."""
        if self._worker.chores.open:
            self._worker.reactor.call_at(time.monotonic() + _TICK_S, self._end)
        else:
            self.ended.set()


class LocalConnection:
    """The client's end of a connection: `sock`, and what becomes of it on the server's side."""

    def __init__(self, sock: socket.socket, transport: _Transport, connections: set[LocalConnection]) -> None:
        """connections: those of the worker, to which this one belongs until it is closed."""
        self.sock = sock
        self._transport = transport
        self._connections = connections
        connections.add(self)

    @property
    def errors(self) -> list[BaseException]:
        """What the application raised on this connection and did not mean as an answer."""
        return self._transport.errors

    def close(self) -> None:
        """Close the client's end."""
        self.sock.close()
        self._connections.discard(self)

    def finish(self) -> None:
        """Close the client's end, and wait until the server has done with the connection."""
        self.sock.close()
        self._transport.ended.wait()
        self._connections.discard(self)

    def break_off(self) -> None:
        """End the connection, as its worker has ended before it could do so."""
        self._transport.sock.close()
        self._transport.ended.set()


class LocalWorker:
    """Serves a target with threads of this process until `close`. Its methods may be called by any thread."""

    def __init__(self, target: Target, resolved: Resolved) -> None:
        """Raises LoadError or TargetError."""
        self._when_closed: Callable[[], None] | None = None
        self._connections: set[LocalConnection] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._locks = ResourceLocks()
        try:
            site = Site(target.routes, target.error_routes, target.settings, lambda: self._warm_up(target), own=True)
            site.mixins = target.mixins
            application = _Application(resolved, lambda: site, self._locks, logging.getLogger("webpy"))
            application.load()
        except BaseException:
            self._give_back()
            raise
        self._scoreboard = Scoreboard(1, resolved.settings.threads, _RING_BYTES, _RING_BYTES)
        self._master, self._channel = channel_pair()
        place, means = Place(0, 1, self._scoreboard.rows[0]), Means(self._scoreboard, [], self._channel)
        self._worker, loop = application.assemble(Context(place, means))
        self._worker.failures.on_fault = _note
        self._thread = threading.Thread(target=loop.run, name="webpy.testing", daemon=True)
        self._thread.start()

    def _warm_up(self, target: Target) -> None:
        self._when_closed = target.warm_up(alone=True)

    def connect(self, origin: Origin, server_address: tuple[str, int]) -> LocalConnection:
        """Return a new connection, as if a client at `origin` had connected to the server's address.

        Raises RuntimeError if the worker has been closed.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the client has been closed")
            theirs, ours = socket.socketpair()
            ours.setblocking(False)
            transport = _Transport(ours, server_address, self._worker)
            conn = Connection(transport, origin, peer_label(origin.client_address[0]), time.monotonic())
            conn.protocol = self._worker.http1
            connection = LocalConnection(theirs, transport, self._connections)
            self._worker.reactor.call(self._worker.table.add, conn)
            return connection

    def close(self) -> None:
        """Stop gracefully, and give everything back. Handlers that still run get some seconds; the descriptors of a
        worker whose handlers run on are left open, as their threads use them."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        send(self._master, Message.STOP)
        if not self._has_ended():
            self._worker.log.now.warning("handlers still run %g s after their client was closed", _PATIENCE_S)
            return
        for connection in list(self._connections):
            connection.break_off()
        self._worker.leave()
        self._master.close()
        self._channel.close()
        self._scoreboard.close()
        self._give_back()

    def _give_back(self) -> None:
        """Close the file of the locks, and end what the target has begun."""
        os.close(self._locks.fileno())
        if self._when_closed is not None:
            self._when_closed()

    def _has_ended(self) -> bool:
        """Wait until no thread of the worker runs any more; return False if that takes too long."""
        deadline_s = time.monotonic() + _PATIENCE_S
        self._thread.join(_PATIENCE_S)
        if self._thread.is_alive():
            return False
        while any(each.ident[0] for each in self._worker.row.activities):
            if time.monotonic() > deadline_s:
                return False
            self._worker.pool.close()  # again and again: a thread that was deposed as leader may join it late
            time.sleep(_TICK_S)
        return True


def _note(peer: object, error: BaseException) -> None:
    """Keep what the application raised with its connection (any thread)."""
    conn = peer.connection if isinstance(peer, ForwardedPeer) else peer
    transport = conn.transport if isinstance(conn, Connection) else None
    if isinstance(transport, _Transport):
        transport.errors.append(error)
