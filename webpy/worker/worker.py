"""Owns `Worker`: all of a worker's parts, and the protocols that connections begin with.

Each part has a file; this one only says which there are, and in which order they are made.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .connections.handshake import Handshake
from .exchanges.intake import keep_memory
from .exchanges.streams import Streams
from .http1.protocol import Http1
from .parts import Parts
from .threads.dispatcher import Dispatcher

if TYPE_CHECKING:
    from ..settings import Settings
    from ..supervisor import Context
    from .exchanges.clock import Clock
    from .exchanges.plan import Planner

__all__ = ["Worker"]


class Worker(Parts):
    """All parts of a worker, each named after its class."""

    __slots__ = ("dispatcher", "handshake", "http1", "streams")

    def __init__(
        self, context: Context, settings: Settings, planner: Planner, clock: Clock, log: logging.Logger
    ) -> None:
        """See `Parts`."""
        super().__init__(context, settings, planner, clock, log)
        keep_memory()
        self.dispatcher = Dispatcher(self)
        self.streams = Streams(self, self.dispatcher)
        self.http1 = Http1(self, self.dispatcher, self.streams)
        self.handshake = Handshake(self, self.http1)
        self.lifecycle.on_closing = self.http1.heads.close
