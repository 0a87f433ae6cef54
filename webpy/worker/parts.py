"""Owns `Parts`: what the exchanges and protocols of a worker share, each part made once.

Each part has a file; this one only says which there are, and in which order they are made. `Worker` adds to it what is
built upon them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..supervisor import QUEUE_ACTIVITIES
from .connections.connection import AbstractExchange, Connection
from .connections.reactor import Reactor
from .connections.table import ConnectionTable
from .exchanges.activities import Activities
from .exchanges.failures import Failures
from .exchanges.forwarding import Forwarding
from .exchanges.recorder import Recorder
from .lifecycle import Lifecycle
from .log.complaints import Complaints
from .log.errorlog import ErrorLog
from .log.faults import Faults
from .schemes import Schemes
from .shield import ClientBuckets, Shield
from .threads.chores import Chores
from .threads.pace import Gate
from .threads.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..framework.routing.routes import RouteTable
    from ..protocol import Limits
    from ..settings import Settings
    from ..supervisor import Context
    from .exchanges.clock import Clock
    from .exchanges.plan import Planner
    from .threads.pool import Task

__all__ = ["Parts"]


class Parts:
    """The parts of a worker.

    context: what the supervisor gave it; row: its row of the scoreboard. settings, limits, routes, planner, clock: of
    the application that it serves. log: the error log. admission: what begins requests whose plans vary, the schemes or
    the shield in front of them. The others are named after their class.
    """

    __slots__ = (
        "activities",
        "admission",
        "chores",
        "clock",
        "context",
        "failures",
        "faults",
        "forwarding",
        "gate",
        "lifecycle",
        "limits",
        "log",
        "planner",
        "pool",
        "reactor",
        "recorder",
        "routes",
        "row",
        "schemes",
        "settings",
        "table",
    )

    def __init__(
        self, context: Context, settings: Settings, planner: Planner, clock: Clock, log: logging.Logger
    ) -> None:
        self.context = context
        self.row = context.row
        self.settings = settings
        self.planner = planner
        self.routes: RouteTable = planner.routes
        self.limits: Limits = planner.limits
        self.clock = clock
        self.log = ErrorLog(log, self._defer_log)
        self.faults = Faults(self.log)
        self.lifecycle = Lifecycle(self.log)
        self.reactor = Reactor(self._call_failed)
        self.gate = Gate()
        self.pool = Pool(self.row.activities[:-QUEUE_ACTIVITIES], settings.threads, self.log, self.reactor.call)
        self.activities = Activities(self.row.activities[-QUEUE_ACTIVITIES:])
        self.chores = Chores(self.pool)
        scoreboard = context.scoreboard
        self.table = ConnectionTable(self.reactor, self.lifecycle, self.faults, self.row, scoreboard)
        self.recorder = Recorder(self.row, scoreboard, clock, self.chores, self.log)
        self.failures = Failures(self.log, self.routes)
        complaints = Complaints(self.log)
        self.forwarding = Forwarding(settings, planner, self.row, complaints)
        self.schemes = Schemes(settings, planner, clock, self.forwarding)
        self.admission: Schemes | Shield = self.schemes
        if settings.max_request_rate:
            planner.varies = True
            buckets = ClientBuckets(scoreboard, settings.max_request_rate)
            self.admission = Shield(buckets, self.schemes, self.forwarding, self.row, complaints)
        Connection.multithread = settings.threads > 1

    def leave(self) -> None:
        """Close what a process inherited that the application forked: it is not the worker."""
        self.table.close_all()
        self.reactor.close()

    def _defer_log(self, task: Task) -> None:
        self.chores.put_log(task)

    def _call_failed(self, error: BaseException, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        """Tell the fault of a call that another thread had the leader make, and reset the connection it was for."""
        self.faults.tell(error, f"a call of {getattr(function, '__qualname__', function)} failed")
        for each in (*args, getattr(function, "__self__", None)):
            conn = each.connection if isinstance(each, AbstractExchange) else each
            if isinstance(conn, Connection):
                self.table.reset(conn, theirs=False)  # the thread that called has done with it
                return
