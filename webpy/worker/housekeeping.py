"""Owns what the worker does once a second, or when its master says so: timeouts, the clock, the heartbeat.

The leader's.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from ..supervisor import Cell, Message
from .accepting import Acceptor
from .connection import Connection, Phase
from .core import Core
from .draining import Draining
from .rate import LeastRate

if TYPE_CHECKING:
    from .delivery import Delivery
    from .reading import Reading

__all__ = ["Housekeeping"]

_TICK_S = 1.0
_LINGER_S = 2.0  # for a client to take its last answer and close
_FOREVER_S = float("inf")

_mono = time.monotonic


class Housekeeping:
    """Sweeps connections, keeps the clock, and obeys the master."""

    def __init__(self, core: Core, reading: Reading, delivery: Delivery, acceptor: Acceptor) -> None:
        settings = core.settings
        self.acceptor = acceptor
        self._core = core
        self._reading = reading
        self._delivery = delivery
        self._draining = Draining(core, acceptor)
        self.rate = LeastRate(settings.min_body_rate)
        self._sweep_s = 0.0
        self._limits_s: dict[int, float] = {
            Phase.IDLE: settings.keepalive,
            Phase.NEW: settings.keepalive,
            Phase.HANDSHAKE: settings.header_timeout,
            Phase.HEAD: settings.header_timeout,
            Phase.BODY: settings.body_timeout,
            Phase.PIPELINED: _FOREVER_S,
            Phase.RUNNING: _FOREVER_S,
            Phase.STREAMING: settings.body_timeout,
            Phase.WRITING: settings.write_timeout,
            Phase.LINGER: _LINGER_S,
        }

    def start(self) -> None:
        """Listen to the master (before the loop runs)."""
        channel = self._core.context.channel.fileno()
        self._core.others[channel] = self._obey
        self._core.epoll.register(channel, select.EPOLLIN)
        self._core.row.cells[Cell.THREADS] = self._core.settings.threads
        self.tick(_mono())

    def tick(self, now_s: float) -> None:
        """Do what is due, and say when to come again."""
        core = self._core
        if now_s >= core.clock.due_s:
            core.clock.tick(now_s)
        core.row.cells[Cell.HEARTBEAT_NS] = int(now_s * 1e9)
        if self.acceptor.resting:
            self.acceptor.look(now_s)
        sweeps = now_s >= self._sweep_s
        if sweeps:
            self._sweep(now_s)
            self.acceptor.refresh()
            core.pool.admit()  # a place is no longer kept once quick handlers have ceased to come
        if core.draining:
            self._draining.check_over(now_s)
        tick_s = self._draining.tick_s if core.draining else _TICK_S
        if sweeps:
            self._sweep_s = now_s + tick_s
        core.wait_s = self.acceptor.wait_s(now_s, tick_s)
        core.due_s = min(core.clock.due_s, self._sweep_s, now_s + core.wait_s)

    def _sweep(self, now_s: float) -> None:
        """End the waits that took too long; while draining, see who can go."""
        limits_s, draining = self._limits_s, self._core.draining
        if draining:
            self._draining.begin_sweep(now_s)
        for conn in list(self._core.conns.values()):
            if conn.phase == Phase.WRITING and conn.output is not None and conn.output.has_moved(conn.transport):
                conn.since_s = now_s
            if (conn.output is not None or conn.intake is not None) and self._is_too_slow(conn, now_s):
                self._end_slow(conn)
            elif now_s - conn.since_s > limits_s[conn.phase]:
                self._time_out(conn)
            elif draining:
                self._draining.look(conn, now_s)

    def _is_too_slow(self, conn: Connection, now_s: float) -> bool:
        """Whether the client is waited for, and sends its body or takes its answer below the least rate."""
        output, intake = conn.output, conn.intake
        if conn.phase == Phase.WRITING and output is not None:
            return self.rate.is_missed(output.client_time, output.taken_bytes, now_s)
        if conn.phase in (Phase.BODY, Phase.STREAMING) and intake is not None:
            return self.rate.is_missed(intake.client_time, intake.received_bytes, now_s)
        return False

    def _end_slow(self, conn: Connection) -> None:
        if conn.phase == Phase.WRITING:
            client = conn.origin.client_address[0]
            self._core.log.debug("%s takes its answer slower than %d bytes a second", client, self.rate.bytes_s)
        self._time_out(conn, f"came slower than {self.rate.bytes_s} bytes a second")

    def _time_out(self, conn: Connection, *why: str) -> None:
        if conn.phase in (Phase.HEAD, Phase.BODY, Phase.STREAMING):
            self._core.row.cells[Cell.TIMEOUTS] += self._reading.timed_out(conn, *why)
        elif conn.phase == Phase.WRITING:
            self._core.row.cells[Cell.TIMEOUTS] += 1
            self._delivery.give_up(conn)
        else:
            if conn.phase != Phase.LINGER:  # that one has had its answer, and has been counted by its cause
                self._core.row.cells[Cell.CLOSED_IDLE if conn.phase == Phase.IDLE else Cell.TIMEOUTS] += 1
            self._core.forget(conn)

    def _obey(self, _event: int) -> None:
        while not self._core.over:
            message = self._core.context.receive()
            if message is None:
                return
            if message is Message.ORPHANED:
                self._core.log.error("the master has died; this worker ends")
                self._core.over = True
            elif message in (Message.DRAIN, Message.STOP):
                self._sweep_s = 0.0
                if message is Message.DRAIN:
                    self._draining.drain()
                else:
                    self._draining.stop()
