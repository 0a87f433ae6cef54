"""Owns where handlers run that the loop does not run itself: on a thread of the pool, computing ones through the gate.

The leader dispatches; the threads of the pool run. Nobody else knows of the gate.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .pace import COMPUTING, QUICK

if TYPE_CHECKING:
    from ...supervisor import Activity
    from ..exchanges.exchange import Exchange
    from ..parts import Parts

__all__ = ["Dispatcher"]


class Dispatcher:
    """Has exchanges run by threads of the pool."""

    __slots__ = ("_gate", "_gated", "_parts")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._gate = parts.gate
        self._gated = parts.settings.threads > 1  # else all wait in order for the one place there is

    def dispatch(self, exchange: Exchange) -> None:
        """Have a thread of the pool call the handler and answer (the leader)."""
        parts = self._parts
        exchange.began_s = now_s = time.monotonic()
        exchange.activity = parts.activities.take(exchange, now_s)
        exchange.connection.protocol.on_dispatch(exchange)
        task = (exchange.run,)
        work = exchange.plan.work
        if work.kind == COMPUTING and self._gated:
            share = self._gate.enter(work, task)
            if share:
                parts.pool.put((self._run_computing, share, task))
        elif work.kind == QUICK and exchange.handler is None and exchange.intake is None:
            parts.pool.put_quick(task)  # the leader would run it, but there was no place
        else:
            parts.pool.put(task)

    def _run_computing(self, activity: Activity, share: float, task: Any) -> None:
        let_in: list[tuple[float, Any]] = [(share, task)]
        while let_in:
            (share, task), *others = let_in
            for other in others:
                self._parts.reactor.call(self._parts.pool.put, (self._run_computing, *other))
            try:
                task[0](activity, *task[1:])
            finally:
                let_in = self._gate.leave(share)
