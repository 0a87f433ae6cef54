"""Owns `Bench`, which the rows of a run share: its options, its results, and how a measurement is taken.

A measurement starts all servers of a row, warms them up, takes rounds in turn, and keeps the medians. `run` makes one
Bench, the rows call it, `report` prints its results. Knows neither what a row loads nor which figures are wanted.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from . import load, measure, servers
from .load import Load
from .scenario import Scenario
from .servers import Server

__all__ = ["Bench", "Column", "Metrics", "Row", "loaded"]

_SMOKE_TRIES = 4

Metrics = dict[str, float]


@dataclass(slots=True, frozen=True)
class Column:
    """A column of a row's table. metric: its name in the results; decimals: how many are printed."""

    metric: str
    heading: str
    decimals: int = 0


@dataclass(slots=True, frozen=True)
class Row:
    """One kind of work to measure. servers: by name; run: takes the measurements; columns, note: of its table.

    compared: the metrics that a quick run prints ratios of; quick: whether a quick run has the row unless asked.
    """

    name: str
    title: str
    servers: tuple[str, ...]
    run: Callable[[Bench, Row], None]
    columns: tuple[Column, ...]
    note: str = ""
    compared: tuple[str, ...] = ("cpu_us_low",)
    quick: bool = True


@dataclass(slots=True)
class Bench:
    """A run. smoke: only to see that it works; brief: short, as in a smoke test and a quick run.

    results: `results[row][server][metric]` is the median of the rounds; remarks: lines by row.
    """

    python: str
    seconds: float
    rounds: int
    peers: frozenset[str]
    static: Path
    smoke: bool = False
    brief: bool = False
    quick: bool = False  # results are not printed as they come, and servers are kept from row to row
    results: dict[str, dict[str, Metrics]] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    kept: dict[str, Server] = field(default_factory=dict)

    def names(self, row: Row) -> list[str]:
        """Return the row's servers that this run has; with `--against`, also webpy of the other checkout."""
        return [name for name in (*row.servers, "other") if name in self.peers]

    def warm_up(self, seconds: float) -> float:
        """Return how long to warm up: `seconds`, or less in a brief run."""
        return min(seconds, 0.2) if self.brief else seconds

    def measured(self, at_least_s: float) -> float:
        """Return how long to measure, with a lower limit where answers are slow, of 1 s in a brief run."""
        return max(self.seconds, 0.0 if self.smoke else min(at_least_s, 1.0) if self.brief else at_least_s)

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def remark(self, row: str, text: str) -> None:
        """Add a line under the row's table, and print it at once."""
        self.remarks.setdefault(row, []).append(text)
        self.say(f"  {text}")

    def start(self, row: str, name: str, scenario: Scenario) -> Server | None:
        """Start a server and return it; None if it does not start, which becomes a remark."""
        try:
            return servers.start(name, scenario, self.python, self.static)
        except servers.ServerError as error:
            self.remark(row, f"{name} left out: {error}")
            return None

    def _borrow(self, row: str, name: str, scenario: Scenario, stack: ExitStack) -> Server | None:
        """Return a server, which the stack ends; in a quick run, under the usual conditions, one that `close` ends."""
        if not self.quick or scenario != Scenario():
            server = self.start(row, name, scenario)
            return stack.enter_context(server) if server else None
        kept = self.kept.pop(name, None)
        if kept is not None and kept.process.poll() is not None:
            kept.stop()
            kept = None
        if kept is None:
            kept = self.start(row, name, scenario)
        if kept is not None:
            self.kept[name] = kept
        return kept

    def close(self) -> None:
        """End the servers that were kept."""
        for server in self.kept.values():
            server.stop()
        self.kept.clear()

    def put(self, row: str, name: str, samples: Sequence[Metrics]) -> None:
        """Store the medians of the samples, and the range of the CPU time."""
        if not samples:
            return
        medians = {metric: statistics.median(sample[metric] for sample in samples) for metric in samples[0]}
        if "cpu_us" in medians:
            medians["cpu_us_low"] = min(sample["cpu_us"] for sample in samples)
            medians["cpu_us_high"] = max(sample["cpu_us"] for sample in samples)
        self.results.setdefault(row, {})[name] = medians
        shown = "  ".join(f"{metric} {value:.4g}" for metric, value in medians.items())
        if not self.quick:
            self.say(f"  {name:9} {shown}")

    def alternate(
        self,
        row: Row,
        scenario: Scenario,
        sample: Callable[[Server], Metrics],
        warm_up: Callable[[Server], float] | None = None,
    ) -> None:
        """Start all servers of the row, warm each up, then take samples of them in turn, round by round.

        sample, warm_up: called with a server. `warm_up` returns how many requests it made; a sample has its own number
        as `requests` if the lines of the log are to be counted.
        """
        with ExitStack() as stack:
            running = [
                server
                for name in self.names(row)
                if (server := self._borrow(row.name, name, scenario, stack)) is not None
            ]
            samples: dict[str, list[Metrics]] = {server.name: [] for server in running}
            requests = dict.fromkeys(samples, 0.0)
            for turn in range(-1 if warm_up else 0, self.rounds):
                for server in list(running):
                    try:
                        if turn < 0 and warm_up:
                            requests[server.name] += warm_up(server)
                            continue
                        metrics = self._taken(sample, server)
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

    def _taken(self, sample: Callable[[Server], Metrics], server: Server) -> Metrics:
        """Take a sample. A smoke run's is so short that on a busy machine its load may not even have begun: that is
        tried again."""
        for _ in range(_SMOKE_TRIES if self.smoke else 0):
            with suppress(load.LoadError):
                return sample(server)
        return sample(server)

    def _count_log(self, row: Row, server: Server, requests: float) -> None:
        """Add a remark if the log has fewer lines than there were answers: logging that loses lines is cheap."""
        deadline = time.monotonic() + 3.0
        while (lines := server.log_lines()) < requests:
            if time.monotonic() > deadline:
                self.remark(row.name, f"{server.name} logged {lines} lines of {requests:.0f} requests")
                return
            time.sleep(0.1)


def loaded(server: Server, run: Callable[[], Load]) -> tuple[Load, Metrics]:
    """Run the load and return it with its metrics: CPU of all the server's processes, rate, latencies, memory.

    Raises LoadError if nothing was answered.
    """
    pids = server.tree()
    before = measure.cpu_s(pids)
    result = run()
    cpu_s = measure.cpu_s(pids) - before
    if result.requests == result.errors:
        raise load.LoadError(f"no request was answered; {result.errors} errors")
    return result, {
        "requests": float(result.requests),
        "rate": result.rate,
        "cpu_us": cpu_s / (result.requests - result.errors) * 1e6,
        "p50_ms": result.p50_ms,
        "p99_ms": result.p99_ms,
        "worst_ms": result.worst_ms,
        "private_mb": measure.private_bytes(pids) / 1e6,
        "errors": float(result.errors),
    }
