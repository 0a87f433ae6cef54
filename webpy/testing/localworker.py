"""Owns `LocalWorker`: a worker of the server in this process, without a master, a listener or an access log.

It is put together by the same `WebApplication` as the workers of `webpy serve`, so a request takes the same way: loop,
protocol, routes, handler, serializer. Only the connection differs: its two ends are in this process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

from ..framework.atomic import ResourceLocks
from ..framework.origin import Origin
from ..supervisor import Context, Means, Message, Place, Scoreboard
from ..supervisor.processes.messages import channel_pair, send
from ..worker.application import Site, WebApplication
from ..worker.connections.connection import Connection
from ..worker.connections.transport import PlainTransport

if TYPE_CHECKING:
    from ..settings import Resolved
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

    def __init__(self, sock: socket.socket, transport: _Transport) -> None:
        self.sock = sock
        self._transport = transport

    @property
    def errors(self) -> list[BaseException]:
        """What the application raised on this connection and did not mean as an answer."""
        return self._transport.errors

    def close(self) -> None:
        """Close the client's end."""
        self.sock.close()

    def finish(self) -> None:
        """Close the client's end, and wait until the server has done with the connection."""
        self.sock.close()
        self._transport.ended.wait()


class LocalWorker:
    """Serves a site with threads of this process until `close`. Its methods may be called by any thread."""

    def __init__(self, site: Site, resolved: Resolved) -> None:
        """Raises LoadError, or what `site.warm_up` raises."""
        self._locks = ResourceLocks()
        self._lock = threading.Lock()
        self._closed = False
        application = _Application(resolved, lambda: site, self._locks, logging.getLogger("webpy"))
        try:
            application.load()
        except BaseException:
            os.close(self._locks.fileno())
            raise
        self._scoreboard = Scoreboard(1, resolved.settings.threads, _RING_BYTES, _RING_BYTES)
        self._master, self._channel = channel_pair()
        place, means = Place(0, 1, self._scoreboard.rows[0]), Means(self._scoreboard, [], self._channel)
        self._worker, self._loop = application.assemble(Context(place, means))
        self._worker.failures.on_fault = self._note
        self._thread = threading.Thread(target=self._loop.run, name="webpy.testing", daemon=True)
        self._thread.start()

    def connect(self, origin: Origin, server_address: tuple[str, int]) -> LocalConnection:
        """Return a new connection, as if a client at `origin` had connected to the server's address."""
        if self._closed:
            raise RuntimeError("the client has been closed")
        theirs, ours = socket.socketpair()
        ours.setblocking(False)
        transport = _Transport(ours, server_address, self._worker)
        host = origin.client_address[0].encode("ascii", "replace")
        conn = Connection(transport, origin, (host, b"%-40b" % host[:40]), time.monotonic())
        conn.protocol = self._worker.http1
        self._worker.reactor.call(self._worker.table.add, conn)
        return LocalConnection(theirs, transport)

    def close(self) -> None:
        """Stop gracefully, and give everything back. Handlers that still run get some seconds; the descriptors of a
        worker whose handlers run on are left open, as their threads use them."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        send(self._master, Message.STOP)
        deadline_s = time.monotonic() + _PATIENCE_S
        self._thread.join(_PATIENCE_S)
        ended = not self._thread.is_alive()
        if ended:
            self._worker.pool.close()
            while any(line.ident[0] for line in self._worker.row.activities) and time.monotonic() < deadline_s:
                time.sleep(_TICK_S)
            ended = not any(line.ident[0] for line in self._worker.row.activities)
        if not ended:
            self._worker.log.now.warning("handlers still run %g s after their client was closed", _PATIENCE_S)
            return
        self._worker.leave()
        self._master.close()
        self._channel.close()
        self._scoreboard.close()
        with contextlib.suppress(OSError):
            os.close(self._locks.fileno())

    @staticmethod
    def _note(peer: object, error: BaseException) -> None:
        """Keep what the application raised with its connection (any thread)."""
        transport = peer.transport if isinstance(peer, Connection) else None
        if isinstance(transport, _Transport):
            transport.errors.append(error)
