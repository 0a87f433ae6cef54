"""Owns the rows of two loads at the same time: hello from 4 clients beside a slower route from 32.

They also measure which part of its own rate the slower route keeps. `bench` takes the measurements.
"""

from __future__ import annotations

import time

from .. import load, measure
from ..bench import Bench, Column, Metrics, Row, loaded
from ..scenario import Scenario
from ..servers import Server

__all__ = ["ROWS"]

COLUMNS = (
    Column("rate", "hello requests/s"),
    Column("p50_ms", "hello p50 ms", 2),
    Column("p99_ms", "hello p99 ms", 2),
    Column("other_rate", "other route/s beside"),
    Column("other_alone_rate", "other route/s alone"),
    Column("kept", "kept", 2),
)
USEFUL = (
    Column("busy", "core busy", 2),
    Column("useful", "core computing", 2),
    Column("useful_with_hello", "core computing or answering hello", 2),
)


def _row(name: str, title: str, path: str, compute_ms: float = 0.0, at_least_s: float = 0.0) -> Row:
    """Return a row. at_least_s: the shortest measurement, as slow servers give only a few answers in a short one."""

    def run(bench: Bench, row: Row) -> None:
        seconds = bench.measured(at_least_s)
        hello_us: dict[str, float] = {}  # CPU per hello from the same 4 clients with nothing beside: the least seen

        def hello_alone(server: Server) -> None:
            load.wrk(server.url("/"), 4, bench.warm_up(0.5))
            cost = loaded(server, lambda: load.wrk(server.url("/"), 4, bench.warm_up(0.5)))[1]["cpu_us"]
            hello_us[server.name] = min(cost, hello_us.get(server.name, cost))

        def both(server: Server, seconds: float) -> tuple[load.Load, load.Load, float]:
            pids, began = server.tree(), time.monotonic()
            before = measure.cpu_s(pids)
            other = load.start(server.url(path), 32, seconds)
            hello = load.start(server.url("/"), 4, seconds)
            hello_load, other_load = load.finish([hello, other], seconds)
            return hello_load, other_load, (measure.cpu_s(pids) - before) / (time.monotonic() - began)

        def warm_up(server: Server) -> float:
            hello_alone(server)
            both(server, bench.warm_up(1.0))
            return 0.0

        def sample(server: Server) -> Metrics:
            alone = load.wrk(server.url(path), 32, seconds)
            hello, other, busy = both(server, seconds)
            useful = other.rate * compute_ms / 1e3
            return {
                "rate": hello.rate,
                "p50_ms": hello.p50_ms,
                "p99_ms": hello.p99_ms,
                "other_rate": other.rate,
                "other_alone_rate": alone.rate,
                "kept": other.rate / max(alone.rate, 1e-9),
                "busy": busy,
                "useful": useful,
                "useful_with_hello": min(useful + hello.rate * hello_us[server.name] / 1e6, busy),
            }

        bench.alternate(row, Scenario(), sample, warm_up)

    columns = COLUMNS + (USEFUL if compute_ms else ())
    return Row(name, title, ("webpy", "granian"), run, columns, compared=("rate",), quick=not compute_ms)


ROWS = (
    _row("beside-wait", "Hello (4 clients) beside 32 clients of a route that waits 5 ms", "/w/5"),
    _row("beside-compute-1", "Hello (4 clients) beside 32 clients of a route that computes 1 ms", "/c/1", 1.0),
    _row(
        "beside-compute-12",
        "Hello (4 clients) beside 32 clients of a route that computes 12 ms",
        "/c/12",
        12.0,
        4.0,
    ),
)
