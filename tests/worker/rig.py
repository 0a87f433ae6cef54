"""A worker's parts in the test's own process: a real scoreboard, channel, epoll and sockets, and no loop of its own.

The test is the leader: it calls what the loop would call.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.heads import head_bytes
from webpy.accesslog import compile_format
from webpy.framework.atomic import ResourceLocks
from webpy.framework.origin import Origin
from webpy.framework.request import Request
from webpy.framework.routing.routes import compile_routes
from webpy.settings import resolve
from webpy.supervisor import Adoption, Context, Means, Message, Place, Row, Scoreboard
from webpy.supervisor.processes.messages import channel_pair, send
from webpy.worker.application import limits_of
from webpy.worker.connections.accepting import Acceptor
from webpy.worker.connections.connection import Connection, Phase
from webpy.worker.connections.listener import Listener
from webpy.worker.connections.transport import PlainTransport
from webpy.worker.exchanges.clock import Clock
from webpy.worker.exchanges.exchange import Exchange
from webpy.worker.exchanges.forwarding import forwarding_fields
from webpy.worker.exchanges.plan import Planner
from webpy.worker.housekeeping import Housekeeping
from webpy.worker.http1.reading import Begun
from webpy.worker.loop import Loop
from webpy.worker.worker import Worker

__all__ = ["Rig", "led", "records", "until"]

WAIT_S = 10.0


def until(condition: Callable[[], object], what: str = "what was waited for") -> None:
    """Wait for what no event tells of."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.002)


def records(row: Row) -> list[str]:
    """What a row's two lanes hold for the access log; taken out."""
    found = []
    for lane in (row.lead, row.pool):
        text = b"".join(bytes(view) for view in lane.pending())
        lane.advance(len(text))
        found += text.decode("latin-1").splitlines()
    return found


class Rig:
    """`worker`, its parts, and what stands around it; `close` gives everything back."""

    def __init__(
        self,
        routes: dict[str, Any] | None = None,
        *,
        http_log: logging.Logger | None = None,
        adoption: Adoption | None = None,
        listeners: list[Listener] | None = None,
        tls: ssl.SSLContext | None = None,
        **given: Any,
    ) -> None:
        settings = resolve({"access_format": "common", "threads": 4, **given}, {}, None).settings
        self.scoreboard = Scoreboard(4, settings.threads)
        self.row = self.scoreboard.rows[1]
        self.master, channel = channel_pair()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.address = self.listener.getsockname()
        context = Context(Place(0, 1, self.row), Means(self.scoreboard, [self.listener], channel, adoption))
        table = compile_routes(routes or {})
        access = compile_format(settings.access_format) if settings.access_log != "off" or http_log else None
        limits = limits_of(settings)
        self.locks = ResourceLocks()
        self.planner = Planner(table, limits, access, self.locks, forwarding_fields(settings))
        clock = Clock(access.stamp if access is not None else lambda _now: b"", settings.hsts)
        self.log = logging.Logger("rig")
        self.complaints: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: self.complaints.append(record.getMessage())  # type: ignore[method-assign]
        self.log.addHandler(handler)
        self.worker = Worker(context, settings, self.planner, clock, self.log)
        self.worker.recorder.write_to(access, http_log)
        self.reactor = self.worker.reactor
        self.table = self.worker.table
        self.lifecycle = self.worker.lifecycle
        self.recorder = self.worker.recorder
        self.chores = self.worker.chores
        self.pool = self.worker.pool
        self.heads = self.worker.http1.heads
        self.http1 = self.worker.http1
        self.reading = self.http1.reading
        self.dispatcher = self.worker.dispatcher
        self.listeners = [Listener(self.listener, tls), *(listeners or ())]
        self.acceptor = Acceptor(self.worker, self.listeners)
        self.housekeeping = Housekeeping(self.worker, self.acceptor)
        self.clients: list[socket.socket] = []

    def connection(self, phase: Phase = Phase.IDLE) -> tuple[Connection, socket.socket]:
        """A connection of the worker, and its client's end."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.settimeout(10)
        origin = Origin(("192.0.2.1", 1), "http")
        conn = Connection(PlainTransport(ours), origin, (b"192.0.2.1", b"%-40b" % b"192.0.2.1"), 0.0)
        conn.protocol = self.worker.handshake if phase == Phase.HANDSHAKE else self.http1
        conn.phase = phase
        self.table.add(conn)
        self.clients.append(theirs)
        return conn, theirs

    def exchange(self, conn: Connection, method: str = "GET", target: str = "/a") -> Exchange:
        """An exchange of this connection, whose request has no body."""
        plan = self.heads.plan(head_bytes(method, target))
        return Exchange(self.worker, conn, plan, Request(conn, plan.head))

    def dispatched(self, conn: Connection, begun: Begun | None) -> Exchange:
        """Have a request that is there put to the pool."""
        assert begun is not None
        exchange = Exchange(self.worker, conn, *begun)
        self.dispatcher.dispatch(exchange)
        return exchange

    def client(self) -> socket.socket:
        """A client that has connected to the listener."""
        sock = socket.create_connection(self.address, timeout=10)
        self.clients.append(sock)
        return sock

    def say(self, message: Message) -> None:
        """From the master to this worker."""
        assert send(self.master, message)

    def poll(self, timeout_s: float = 0.0) -> dict[int, int]:
        """Descriptors that are ready, and their events, as the loop would see them."""
        return dict(self.reactor.epoll.poll(timeout_s))

    def obey(self, message: Message) -> None:
        """Have the master say so, and do it; what is due at once is not done yet."""
        self.say(message)
        self.reactor.fd_callbacks[self.worker.context.channel.fileno()](0)

    def start(self) -> None:
        """Listen to the master, and accept."""
        self.housekeeping.start()
        self.acceptor.start()

    def running(self) -> list[str]:
        """What the scoreboard's activities say: "PEER GET /path HTTP/1.1", in no order."""
        busy = [activity for activity in self.row.activities if activity.start[0]]
        return sorted(" ".join(bytes(activity.text).decode().split()) for activity in busy)

    def turn(self, timeout_s: float = 0.0) -> None:
        """Have what is ready among the descriptors that are no connections looked at."""
        for fd, event in self.poll(timeout_s).items():
            if fd in self.reactor.fd_callbacks:
                self.reactor.fd_callbacks[fd](event)
        self.do_chores()

    def do_chores(self) -> None:
        """Run what is the application's, as the leader does once it has left the lead."""
        while self.chores.queue or self.chores.leftovers:
            self.chores.leftovers.clear()
            if self.chores.queue:
                _, task = self.chores.queue.popleft()
                task[0](self.row.activities[0], *task[1:])

    def watched(self, conn: Connection) -> bool:
        """Whether the poller has this connection."""
        try:
            self.reactor.epoll.register(conn.fd, select.EPOLLIN)
        except FileExistsError:
            return True
        self.reactor.epoll.unregister(conn.fd)
        return False

    def close(self) -> None:
        for conn in list(self.table.by_fd.values()):
            conn.transport.let_go()
        for sock in (*self.clients, self.master, self.worker.context.channel, self.listener):
            sock.close()
        self.reactor.epoll.close()
        os.close(self.reactor._wake_fd)
        os.close(self.locks.fileno())
        self.pool.close()  # or its idle threads would keep the whole rig, and its descriptors, until the session ends
        self.scoreboard.close()


@contextmanager
def led(parts: Rig) -> Iterator[Loop]:
    """A loop that leads, on threads of its own."""
    loop = Loop(parts.worker, parts.housekeeping)
    parts.start()
    main = threading.Thread(target=loop.run)
    main.start()
    try:
        yield loop
    finally:
        parts.lifecycle.over = True
        parts.reactor.call(lambda: None)
        main.join(10)
        assert not main.is_alive()
