"""Owns which handlers read their body while it arrives (`stream = True`), and the requests that wait to be among them.

Such a handler holds a thread for as long as its client takes, so at most half of the threads go to them. Further
requests wait as connections: some of their body is received meanwhile, and one whose body is whole runs like any other.
With one thread there are none: bodies are gathered first, as they are under TLS. The leader's.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .connection import Connection, Phase

if TYPE_CHECKING:
    from ..framework.request import Request
    from .core import Core
    from .intake import Intake
    from .plan import Plan

__all__ = ["Streams"]


class Streams:
    """Starts streaming handlers while there is room for them; most: how many may wait for their clients at once."""

    def __init__(self, core: Core, dispatch: Callable[[Connection, Plan, Request], None]) -> None:
        self.most = core.settings.threads // 2
        self._core = core
        self._dispatch = dispatch
        self._reading: set[Connection] = set()
        self._waiting: dict[Connection, Intake] = {}  # in order

    def begin(self, conn: Connection, intake: Intake) -> None:
        """Run the handler of a request whose body has begun to arrive, now or when there is room."""
        if intake.complete:
            self._dispatch(conn, intake.plan, intake.request)
            return
        intake.over = functools.partial(self._over, conn)
        if len(self._reading) < self.most:
            self._start(conn, intake)
        else:
            self._waiting[conn] = intake
            self._core.lines.show_waiting(intake, conn, intake.plan, time.monotonic())

    def waits(self, conn: Connection) -> bool:
        """Whether the handler of this connection's request has not been started."""
        return conn in self._waiting

    def _start(self, conn: Connection, intake: Intake) -> None:
        self._reading.add(conn)
        self._run(conn, intake)

    def _run(self, conn: Connection, intake: Intake) -> None:
        self._core.lines.end(intake)
        self._dispatch(conn, intake.plan, intake.request)

    def _over(self, conn: Connection) -> None:
        """No more of the body will come: it is whole, or broken off."""
        waiting = self._waiting.pop(conn, None)
        if waiting is not None:
            if waiting.complete:
                self._run(conn, waiting)
            return
        self._reading.discard(conn)
        while self._waiting and len(self._reading) < self.most:
            following = next(iter(self._waiting))
            intake = self._waiting.pop(following)
            if following.phase == Phase.STREAMING:
                self._start(following, intake)
