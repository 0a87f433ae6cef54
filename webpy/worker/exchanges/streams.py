"""Owns which handlers read their body while it arrives (`stream = True`), and the requests that wait to be among them.

Such a handler holds a thread for as long as its client takes, so at most half of the threads go to them. Further
requests wait as connections: some of their body is received meanwhile, and one whose body is whole runs like any other.
With one thread there are none: bodies are gathered first, as they are under TLS. The leader's.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

from ..connections.connection import Phase

if TYPE_CHECKING:
    from ..parts import Parts
    from ..threads.dispatcher import Dispatcher
    from .exchange import Exchange

__all__ = ["Streams"]


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

    def waits(self, exchange: object) -> bool:
        """Return whether the handler of this request has not been started."""
        return exchange in self._waiting

    def _start(self, exchange: Exchange) -> None:
        self._reading.add(exchange)
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
        while self._waiting and len(self._reading) < self.max_handlers:
            following = next(iter(self._waiting))
            del self._waiting[following]
            if following.connection.phase == Phase.STREAMING:
                self._start(following)
