"""Owns the rows of failures: a worker is killed, and the time until its replacement answers is measured.

`bench` has the servers and results.
"""

from __future__ import annotations

import http.client
import os
import signal
import time

from ..bench import Bench, Column, Metrics, Row
from ..scenario import Scenario
from ..servers import Server

__all__ = ["ROWS"]

LIMIT_S = 15.0


def _kill_and_wait(server: Server) -> float:
    """Kill the only worker; return the seconds until another process answers, or the limit if none does."""
    victim = int(server.get("/pid")[1])
    if victim not in server.tree():
        raise RuntimeError(f"{server.name} answered pid {victim}, which is not one of its processes")
    began = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    while (took := time.monotonic() - began) < LIMIT_S:
        try:
            status, body = server.get("/pid", timeout_s=LIMIT_S - took + 0.1)
            if status == 200 and int(body) != victim:
                return time.monotonic() - began
        except (OSError, http.client.HTTPException):
            time.sleep(0.002)
    return LIMIT_S


def _kill(bench: Bench, row: Row) -> None:
    """Measure with a new server for each kill, so that no back-off after an earlier kill counts."""
    import_s = 1.0 if bench.smoke else 3.0
    for name in bench.names(row):
        samples: list[Metrics] = []
        for _ in range(bench.rounds):
            if (
                name not in bench.peers
                or (server := bench.start(row.name, name, Scenario(import_s=import_s, preload=True))) is None
            ):
                break
            with server:
                time.sleep(0.5)
                samples.append({"recovery_s": _kill_and_wait(server)})
        bench.put(row.name, name, samples)
        if samples:
            worst = max(sample["recovery_s"] for sample in samples)
            bench.results[row.name][name]["recovery_worst_s"] = worst


ROWS = (
    Row(
        "kill",
        "kill -9 of the only worker of an application that takes 3 s to import: until the replacement answers",
        ("webpy", "granian", "gunicorn"),
        _kill,
        (Column("recovery_s", "median s", 3), Column("recovery_worst_s", "worst s", 3)),
        "gunicorn with --preload, granian with --respawn-failed-workers.",
        ("recovery_s",),
        quick=False,
    ),
)
