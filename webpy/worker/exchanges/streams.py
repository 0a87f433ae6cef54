"""Owns which handlers read their body while it arrives (`stream = True`), and the requests that wait to be among them.

Such a handler holds a thread for as long as its client takes, so at most half of the threads go to them. Further
requests wait as connections: some of their body is received meanwhile, and one whose body is whole runs like any other.
With one thread there are none: bodies are gathered first. The leader's.
"""

from __future__ import annotations

import functools
import os
import select
import time
from typing import TYPE_CHECKING

from ...protocol import ProtocolError
from ..connections.connection import Phase
from ..connections.transport import WOULD_BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..connections.connection import Connection
    from ..parts import Parts
    from ..threads.dispatcher import Dispatcher
    from .exchange import Exchange

__all__ = ["Streams"]

_mono = time.monotonic


class _Source:
    """The connection of a request whose reader receives the rest of the body, of a fixed length, by itself
    (`intake.Source`).

    The leader does not watch the connection meanwhile. Whoever receives holds the stream's lock, under which the leader
    makes the stream fail before it closes the connection.
    """

    __slots__ = ("_bell_fd", "_exchange", "_over", "_poller")

    def __init__(self, exchange: Exchange, over: Callable[[Exchange], None]) -> None:
        """over: called by the thread that receives the last byte."""
        self._exchange = exchange
        self._over = over
        self._bell_fd = -1  # an eventfd: rung when the reader shall not wait any more
        self._poller: select.poll | None = None

    @property
    def left(self) -> int:
        intake = self._exchange.intake
        return 0 if intake is None else intake.reader.fixed_bytes

    def receive(self, view: memoryview[int]) -> int:
        exchange = self._exchange
        intake, conn = exchange.intake, exchange.connection
        if intake is None:
            return 0
        left = intake.reader.fixed_bytes
        try:
            count = conn.transport.sock.recv_into(view if len(view) <= left else view[:left])
        except WOULD_BLOCK:
            return 0
        except (OSError, ValueError):
            self._end(ProtocolError(400, "the connection ended inside the body"), conn)
            return 0
        if not count:
            self._end(ProtocolError(400, "the connection ended inside the body"))
            return 0
        conn.since_s = _mono()
        if exchange.activity is not None:
            exchange.parts.activities.move_on(exchange.activity)  # a handler that waits for its client is not late
        intake.received_bytes += count
        intake.reader.skip(count)
        if count == left:
            intake.by_reader, intake.over = True, None
            self._over(exchange)
        return count

    def _end(self, error: ProtocolError, gone: Connection | None = None) -> None:
        exchange = self._exchange
        assert exchange.intake is not None and exchange.intake.stream is not None
        exchange.intake.stream.fail(error)
        if gone is not None:
            exchange.parts.reactor.call(exchange.parts.table.forget, gone)
        else:
            exchange.parts.reactor.call(exchange.intake.tell_over)

    def prepare(self) -> None:
        if self._poller is None:
            self._bell_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._poller = select.poll()
            self._poller.register(self._exchange.connection.fd, select.POLLIN)
            self._poller.register(self._bell_fd, select.POLLIN)

    def wait(self) -> None:
        intake = self._exchange.intake
        if intake is None or self._poller is None:
            return
        conn = self._exchange.connection
        now_s = _mono()
        conn.since_s = now_s
        intake.client_time.begin(now_s)
        self._poller.poll()
        if intake.stream is not None and intake.stream.receives:  # otherwise the leader waits for the client now
            intake.client_time.end(_mono())

    def wake(self) -> None:
        if self._bell_fd >= 0:
            os.eventfd_write(self._bell_fd, 1)

    def __del__(self) -> None:
        if self._bell_fd >= 0:
            os.close(self._bell_fd)


class Streams:
    """Starts streaming handlers while there is room for them; max_handlers: how many may wait for their clients at
    once."""

    def __init__(self, parts: Parts, dispatcher: Dispatcher) -> None:
        self.max_handlers = parts.settings.threads // 2
        self._parts = parts
        self._dispatcher = dispatcher
        self._reading: set[Exchange] = set()
        self._waiting: dict[Exchange, None] = {}  # in order

    def begin(self, exchange: Exchange) -> None:
        """Run the handler of a request whose body has begun to arrive, now or when there is room."""
        intake = exchange.intake
        assert intake is not None
        if intake.complete:
            self._dispatcher.dispatch(exchange)
            return
        intake.over = functools.partial(self._over, exchange)
        if len(self._reading) < self.max_handlers:
            self._start(exchange)
        else:
            self._waiting[exchange] = None
            self._parts.activities.show_waiting(exchange, time.monotonic())
            self._fill()  # a thread may have ended a stream since

    def waits(self, exchange: object) -> bool:
        """Return whether the handler of this request has not been started."""
        return exchange in self._waiting

    def _start(self, exchange: Exchange) -> None:
        self._reading.add(exchange)
        intake = exchange.intake
        plain = exchange.transport.tls is None  # TLS may hold bytes that no poll tells of
        if plain and intake is not None and intake.stream is not None and intake.reader.fixed_bytes:
            self._parts.table.park(exchange.connection)
            intake.client_time.end(time.monotonic())
            intake.stream.receive_from(_Source(exchange, self._read))
        self._run(exchange)

    def _run(self, exchange: Exchange) -> None:
        self._parts.activities.end(exchange)
        self._dispatcher.dispatch(exchange)

    def _over(self, exchange: Exchange) -> None:
        """No more of the body will come: it is whole, or broken off."""
        if exchange in self._waiting:
            del self._waiting[exchange]
            if exchange.intake is not None and exchange.intake.complete:
                self._run(exchange)
            return
        self._reading.discard(exchange)
        self._fill()

    def _read(self, exchange: Exchange) -> None:
        """As `_over`, by the thread that reads."""
        self._reading.discard(exchange)
        if self._waiting:
            self._parts.reactor.call(self._fill)

    def _fill(self) -> None:
        """Start those that wait, as far as there is room."""
        while self._waiting and len(self._reading) < self.max_handlers:
            following = next(iter(self._waiting))
            del self._waiting[following]
            if following.connection.phase == Phase.STREAMING:
                self._start(following)
