"""Owns what the worker does once a second, or when its master says so: timeouts, the clock, the heartbeat.

Knows nothing of what connections wait for: their protocols do. The leader's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..supervisor import Cell, Message
from .draining import Draining

if TYPE_CHECKING:
    from .connections.accepting import Acceptor
    from .parts import Parts

__all__ = ["Housekeeping"]

_TICK_S = 1.0

_mono = time.monotonic


class Housekeeping:
    """Sweeps connections, keeps the clock, and obeys the master."""

    def __init__(self, parts: Parts, acceptor: Acceptor) -> None:
        self.acceptor = acceptor
        self._parts = parts
        self._draining = Draining(parts, acceptor)
        self._sweep_s = 0.0

    def start(self) -> None:
        """Listen to the master (before the loop runs)."""
        parts = self._parts
        parts.reactor.watch(parts.context.channel.fileno(), self._obey)
        parts.row.cells[Cell.THREADS] = parts.settings.threads
        self.tick(_mono())

    def tick(self, now_s: float) -> None:
        """Do what is due, and say when to come again."""
        parts = self._parts
        if now_s >= parts.clock.due_s:
            parts.clock.tick(now_s)
        parts.row.cells[Cell.HEARTBEAT_NS] = int(now_s * 1e9)
        parts.reactor.run_timers(now_s)
        sweeps = now_s >= self._sweep_s
        if sweeps:
            self._sweep(now_s)
            self.acceptor.refresh()
            parts.pool.admit()  # a place is no longer kept once quick handlers have ceased to come
        draining = parts.lifecycle.draining
        if draining:
            self._draining.check_over(now_s)
        tick_s = self._draining.tick_s if draining else _TICK_S
        if sweeps:
            self._sweep_s = now_s + tick_s
        parts.reactor.come_back(now_s, tick_s, min(parts.clock.due_s, self._sweep_s))

    def _sweep(self, now_s: float) -> None:
        """End the waits that took too long; while draining, ask each connection's protocol what to do about that. A
        fault of a protocol costs its connection."""
        parts = self._parts
        draining = parts.lifecycle.draining
        if draining:
            self._draining.begin_sweep(now_s)
        for conn in list(parts.table.by_fd.values()):
            protocol = conn.protocol
            try:
                if now_s > protocol.deadline(conn, now_s):
                    protocol.on_timeout(conn, now_s)
                elif draining:
                    protocol.on_drain(conn, now_s)
            except BaseException as error:
                client = conn.origin.client_address[0]
                parts.faults.tell(error, f"a look at a connection of {client} failed; it is reset")
                parts.table.reset(conn)

    def _obey(self, _event: int) -> None:
        parts = self._parts
        while not parts.lifecycle.over:
            message = parts.context.receive()
            if message is None:
                return
            if message is Message.ORPHANED:
                parts.log.error("the master has died; this worker ends")
                parts.lifecycle.over = True
            elif message in (Message.DRAIN, Message.STOP):
                self._sweep_s = 0.0
                if message is Message.DRAIN:
                    self._draining.drain()
                else:
                    self._draining.stop()
