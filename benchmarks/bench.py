"""What the rows of a run share: its options, its servers in alternation, its results.

Owns how a measure is taken (warm-up, rounds in turn, medians); knows neither what a row loads nor which
figures are wanted. Called by the rows; `run` makes the one Bench and hands its results to `report`.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from . import load, measure, servers
from .load import Load
from .recipes import Scenario
from .servers import Server

__all__ = ["Bench", "Column", "Metrics", "Row", "loaded"]

Metrics = dict[str, float]


@dataclass(slots=True, frozen=True)
class Column:
    """A column of a row's table: the metric, its heading, how many decimals."""

    metric: str
    heading: str
    decimals: int = 0


@dataclass(slots=True, frozen=True)
class Row:
    """One row of work: the servers it is measured on, how, and what of it the table shows."""

    name: str
    title: str
    servers: tuple[str, ...]
    run: Callable[[Bench, Row], None]
    columns: tuple[Column, ...]
    note: str = ""


@dataclass(slots=True)
class Bench:
    """A run: options in, results out. `results[row][server][metric]` are medians of the rounds."""

    python: str
    seconds: float
    rounds: int
    peers: frozenset[str]
    quick: bool
    static: Path
    results: dict[str, dict[str, Metrics]] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)

    def names(self, row: Row) -> list[str]:
        """The row's servers that this run has, and webpy of another checkout beside webpy."""
        return [name for name in (*row.servers, "other") if name in self.peers]

    def warm_up(self, seconds: float) -> float:
        """How long to warm up for instead of that many seconds."""
        return min(seconds, 0.3) if self.quick else seconds

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def remark(self, row: str, text: str) -> None:
        """A line under the row's table, and on the terminal at once."""
        self.remarks.setdefault(row, []).append(text)
        self.say(f"  {text}")

    def start(self, row: str, name: str, scenario: Scenario) -> Server | None:
        """Starts the server; one that does not start is a remark."""
        try:
            return servers.start(name, scenario, self.python, self.static)
        except servers.ServerError as error:
            self.remark(row, f"{name} left out: {error}")
            return None

    def put(self, row: str, name: str, samples: Sequence[Metrics]) -> None:
        """Stores the medians of the samples, and the range of the CPU time."""
        if not samples:
            return
        medians = {metric: statistics.median(sample[metric] for sample in samples) for metric in samples[0]}
        if "cpu_us" in medians:
            medians["cpu_us_low"] = min(sample["cpu_us"] for sample in samples)
            medians["cpu_us_high"] = max(sample["cpu_us"] for sample in samples)
        self.results.setdefault(row, {})[name] = medians
        shown = "  ".join(f"{metric} {value:.4g}" for metric, value in medians.items())
        self.say(f"  {name:9} {shown}")

    def alternate(
        self,
        row: Row,
        scenario: Scenario,
        sample: Callable[[Server], Metrics],
        warm_up: Callable[[Server], float] | None = None,
    ) -> None:
        """Starts all servers of the row, warms each up, then samples them in turn, round by round.

        `warm_up` gives the number of requests it made; a sample has `requests` when the log is to be counted.
        """
        with ExitStack() as stack:
            running = [
                stack.enter_context(server)
                for name in self.names(row)
                if (server := self.start(row.name, name, scenario)) is not None
            ]
            samples: dict[str, list[Metrics]] = {server.name: [] for server in running}
            requests = {server.name: warm_up(server) if warm_up else 0.0 for server in running}
            for _ in range(self.rounds):
                for server in list(running):
                    try:
                        metrics = sample(server)
                    except (OSError, load.LoadError) as error:
                        self.remark(row.name, f"{server.name} failed: {error!r} {server.complaint()}")
                        running.remove(server)
                        continue
                    requests[server.name] += metrics.get("requests", 0.0)
                    samples[server.name].append(metrics)
            if scenario.logged:
                for server in running:
                    self._count_log(row, server, requests[server.name])
        for name, taken in samples.items():
            self.put(row.name, name, taken)

    def _count_log(self, row: Row, server: Server, requests: float) -> None:
        """A log that has fewer lines than there were answers is a remark: cheap because lost."""
        deadline = time.monotonic() + 3.0
        while (lines := server.log_lines()) < requests:
            if time.monotonic() > deadline:
                self.remark(row.name, f"{server.name} logged {lines} lines of {requests:.0f} requests")
                return
            time.sleep(0.1)


def loaded(server: Server, run: Callable[[], Load]) -> tuple[Load, Metrics]:
    """Runs the load; gives it with its metrics: CPU of all the server's processes, rate, latencies, memory."""
    pids = server.tree()
    before = measure.cpu_s(pids)
    result = run()
    cpu_s = measure.cpu_s(pids) - before
    return result, {
        "requests": float(result.requests),
        "rate": result.rate,
        "cpu_us": cpu_s / max(result.requests - result.errors, 1) * 1e6,
        "p50_ms": result.p50_ms,
        "p99_ms": result.p99_ms,
        "worst_ms": result.worst_ms,
        "private_mb": measure.private_bytes(pids) / 1e6,
        "errors": float(result.errors),
    }
