"""Rows of two loads at once: hello from 4 clients beside a slower route from 32.

Owns the pair of loads and what the slower route keeps of what it makes alone. Uses `bench` for the measuring.
"""

from __future__ import annotations

from .. import load
from ..bench import Bench, Column, Metrics, Row, loaded
from ..recipes import Scenario
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
    Column("useful", "core computing", 2),
    Column("useful_with_hello", "core computing or answering hello", 2),
)


def _row(name: str, title: str, path: str, compute_ms: float = 0.0, at_least_s: float = 0.0) -> Row:
    """`at_least_s`: for peers so slow that a short window would count a handful of answers."""

    def run(bench: Bench, row: Row) -> None:
        seconds = bench.seconds if bench.quick else max(bench.seconds, at_least_s)
        hello_us: dict[str, float] = {}  # CPU per hello from the same 4 clients with nothing beside

        def both(server: Server, seconds: float) -> tuple[load.Load, load.Load]:
            other = load.start(server.url(path), 32, seconds)
            hello = load.start(server.url("/"), 4, seconds)
            result, beside = load.finish([hello, other], seconds)
            return result, beside

        def warm_up(server: Server) -> float:
            hello_us[server.name] = loaded(server, lambda: load.wrk(server.url("/"), 4, 0.5))[1]["cpu_us"]
            both(server, 1.0)
            return 0.0

        def sample(server: Server) -> Metrics:
            alone = load.wrk(server.url(path), 32, seconds)
            hello, other = both(server, seconds)
            useful = other.rate * compute_ms / 1e3
            return {
                "rate": hello.rate,
                "p50_ms": hello.p50_ms,
                "p99_ms": hello.p99_ms,
                "other_rate": other.rate,
                "other_alone_rate": alone.rate,
                "kept": other.rate / max(alone.rate, 1e-9),
                "useful": useful,
                "useful_with_hello": useful + hello.rate * hello_us[server.name] / 1e6,
            }

        bench.alternate(row, Scenario(), sample, warm_up)

    return Row(name, title, ("webpy", "granian"), run, COLUMNS + (USEFUL if compute_ms else ()))


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
