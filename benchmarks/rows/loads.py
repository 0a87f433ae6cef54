"""Owns how a row of one load at a time is made: a path, a script of wrk, the columns of its table.

Called by the modules of such rows. `bench` takes the measurements.
"""

from __future__ import annotations

from dataclasses import replace

from .. import load
from ..bench import Bench, Column, Metrics, Row, loaded
from ..scenario import Scenario
from ..servers import Server

__all__ = ["row"]

COLUMNS = (
    Column("cpu_us", "CPU µs/request", 2),
    Column("cpu_us_range", "range"),
    Column("rate", "requests/s"),
    Column("p50_ms", "p50 ms", 2),
    Column("p99_ms", "p99 ms", 2),
    Column("private_mb", "private MB", 1),
    Column("cpu_nginx", "CPU / nginx", 2),
    Column("cpu_best", "CPU / best Python peer", 2),
    Column("cpu_granian", "CPU / granian", 2),
    Column("errors", "errors"),
)


# parameters: the columns of the table ROWS
def row(
    name: str,
    title: str,
    servers: tuple[str, ...],
    path: str,
    *,
    scenario: Scenario | None = None,
    clients: int = 64,
    script: str | None = None,
    argument: int | None = None,
    at_least_s: float = 0.0,
    warm_up_s: float = 0.4,
    refused: bool = False,
    note: str = "",
    compared: tuple[str, ...] = ("cpu_us_low",),
    quick: bool = True,
) -> Row:
    """Return a row that loads one path with wrk.

    script, argument: see `load.start`; at_least_s: the shortest measurement, where answers are slow; refused: whether
    an answer of 400 and up is what is asked for, and no error.
    """
    scenario = scenario or Scenario()

    def run(bench: Bench, row: Row) -> None:
        seconds = bench.measured(at_least_s)

        def loads(server: Server) -> load.Load:
            result = load.wrk(server.url(path), clients, seconds, script, argument)
            return replace(result, errors=result.errors - result.refused) if refused else result

        def sample(server: Server) -> Metrics:
            return loaded(server, lambda: loads(server))[1]

        def warm_up(server: Server) -> float:
            return load.wrk(server.url(path), clients, bench.warm_up(warm_up_s), script, argument).requests

        bench.alternate(row, scenario, sample, warm_up)

    return Row(name, title, servers, run, COLUMNS, note, compared, quick)
