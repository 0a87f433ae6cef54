"""Owns the curves of a reload: how long it takes until all old workers are gone, against workers and connections."""

from __future__ import annotations

import http.client
import os
import signal
import time

from .. import load, measure
from ..scenario import Scenario
from ..servers import Server
from .counts import hold
from .curve import Curve, Metrics

__all__ = ["CURVES"]

LIMIT_S = 60.0


def _reload(server: Server, value: int, seconds: float) -> Metrics:
    """Reload, and return the ms until every worker is a new one and an answer has come from one of them."""
    old = set(measure.children(server.process.pid))
    began = time.monotonic()
    os.kill(server.process.pid, signal.SIGHUP)
    while time.monotonic() - began < LIMIT_S:
        if not old & set(measure.children(server.process.pid)):
            try:
                if int(server.get("/pid")[1]) not in old:
                    break
            except (OSError, http.client.HTTPException):
                pass
        time.sleep(0.005)
    else:
        raise load.LoadError(f"the reload was not over after {LIMIT_S:g} s")
    took_ms = (time.monotonic() - began) * 1e3
    return {"cost": took_ms, "memory_mb": measure.private_bytes(server.tree()) / 1e6}


def _reload_with_connections(server: Server, value: int, seconds: float) -> Metrics:
    with hold(server, value):
        return _reload(server, value, seconds)


CURVES = (
    Curve(
        "reload-workers",
        "A reload, until all old workers are gone",
        "workers",
        (1, 2, 4, 8, 16),
        lambda value: Scenario(workers=value, every_cpu=True),
        _reload,
        unit="ms",
        rounds=3,
        together=False,
    ),
    Curve(
        "reload-connections",
        "A reload of 2 workers with idle connections",
        "idle connections",
        (0, 10, 100, 1000, 10_000),
        lambda value: Scenario(workers=2, every_cpu=True),
        _reload_with_connections,
        unit="ms",
        rounds=3,
        together=False,
    ),
)
