"""Owns the worker's lines on the scoreboard that stand for requests: from the head's arrival to the answer's last byte.

When the worker is killed, the access log names the requests that stand there; the status and the master's watchdog read
them too. Quick handlers are not shown here: the leader's own line shows them. A request that finds no line free goes on
without. Called by all threads.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from ...supervisor import SENDING, Line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..connections.connection import AbstractExchange

__all__ = ["Lines", "show"]


def show(line: Line, exchange: AbstractExchange) -> None:
    """Write who asks for what on a line."""
    line.text[:] = exchange.connection.peer[1] + exchange.plan.text


class Lines:
    """The free lines, and what is done to those that requests have taken.

    A line says that its request waits for a thread, that a thread runs it (`begin`), that a thread gives an answer
    whose pieces leave as they are made (`move_on`), or that it waits for its client (`show_waiting`).
    """

    __slots__ = ("_free",)

    def __init__(self, lines: Iterable[Line]) -> None:
        self._free = deque(lines)  # a deque, as its ends are atomic; the last one freed is taken first: fewer pages

    def take(self, exchange: AbstractExchange, start_s: float) -> Line | None:
        """Take a line for a request that waits for a thread since `start_s`; None when all are taken."""
        try:
            line = self._free.pop()
        except IndexError:
            return None
        line.text[:] = exchange.connection.peer[1] + exchange.plan.text
        line.start[0] = start_s
        return line

    def free(self, line: Line) -> None:
        """Free the line of a request that is over."""
        line.start[0] = 0.0
        line.thread[0] = line.ident[0] = 0
        self._free.append(line)

    def end(self, exchange: AbstractExchange) -> None:
        """Free the line of a request, if it has one."""
        line, exchange.line = exchange.line, None
        if line is not None:
            self.free(line)

    @staticmethod
    def begin(line: Line, own: Line) -> None:
        """Show that the thread whose own line is `own` runs the request now."""
        line.thread[0] = own.thread[0]
        line.ident[0] = own.ident[0]
        line.start[0] = time.monotonic()

    @staticmethod
    def move_on(line: Line) -> None:
        """Restart the request's timer: bytes were sent or received, or it waits for a thread again."""
        line.ident[0] = 0
        line.start[0] = time.monotonic()

    @staticmethod
    def wait(line: Line) -> None:
        """Show that no thread works on the request for now; its time goes on."""
        line.thread[0] = line.ident[0] = 0

    def show_waiting(self, exchange: AbstractExchange, start_s: float) -> None:
        """Show that the request waits for its client, to send or to take the answer; no thread waits with it."""
        line = exchange.line
        if line is None:
            line = exchange.line = self.take(exchange, start_s)
        if line is not None:
            line.thread[0] = 0
            line.ident[0] = SENDING
