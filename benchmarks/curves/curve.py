"""Owns what a curve is, how its points are measured in turn, and the word for its shape: flat, or how it grows.

Called by `scale`; the modules beside define the curves. Knows no plots.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from .. import load, servers
from ..scenario import Scenario
from ..servers import Server

__all__ = ["FLAT", "Curve", "Effort", "Metrics", "Point", "shape", "take"]

Metrics = dict[str, float]
FLAT = 1.3  # the dearest point of a flat curve costs at most so many times the cheapest: equal points differ by 1.27


@dataclass(slots=True, frozen=True)
class Effort:
    """How much is measured. seconds: of a measurement; rounds: of which the least and the median count."""

    seconds: float
    rounds: int
    most: float  # larger points are left out
    python: str
    static: Path
    say: Callable[[str], None]


@dataclass(slots=True, frozen=True)
class Point:
    """What was measured at one value. least, median: of the cost in µs (or ms for a reload) over the rounds."""

    label: str
    value: float
    least: float
    median: float
    memory_mb: float
    rate: float = 0.0


@dataclass(slots=True, frozen=True)
class Curve:
    """A cost against something that grows.

    axis: what grows; values: its points; labels: their names if they are no numbers (then a bar chart is drawn).
    scenario: the server's conditions at a value. sample: one measurement, which gives `cost`, `memory_mb`, and `rate`.
    around: what is held open meanwhile, such as idle connections. per_mb: whether the value is a size in bytes, so that
    the cost of a MB is what should be flat. cause: why a curve that is not flat is so, if that is known.
    """

    name: str
    title: str
    axis: str
    values: tuple[int, ...]
    scenario: Callable[[int], Scenario]
    sample: Callable[[Server, int, float], Metrics]
    around: Callable[[Server, int], AbstractContextManager[object]] = lambda server, value: nullcontext()
    labels: tuple[str, ...] = ()
    unit: str = "CPU µs/request"
    memory: str = "private MB"
    per_mb: bool = False
    together: bool = True  # the servers of all points run at the same time, and are measured in turn
    rounds: int = 1000  # at most, where a measurement takes seconds
    cause: str = ""

    def label(self, value: int) -> str:
        """Return what is written at the value: its name, its size, or its number."""
        if self.labels:
            return self.labels[self.values.index(value)]
        if self.per_mb and value >= 1 << 10:
            return f"{value >> 20:,} MB" if value >= 1 << 20 else f"{value >> 10:,} KB"
        return f"{value:,}"


def take(curve: Curve, effort: Effort) -> list[Point]:
    """Measure all points of the curve, in turn or one after the other, and return them. Raises ServerError, OSError."""
    values = [value for value in curve.values if curve.labels or value <= effort.most]
    groups = [values] if curve.together else [[value] for value in values]
    return [point for group in groups for point in _take_together(curve, group, effort)]


def _take_together(curve: Curve, values: Sequence[int], effort: Effort) -> list[Point]:
    samples: dict[int, list[Metrics]] = {value: [] for value in values}
    with ExitStack() as stack:
        running: dict[int, Server] = {}
        for value in values:
            server = servers.start("webpy", curve.scenario(value), effort.python, effort.static)
            running[value] = stack.enter_context(server)
            stack.enter_context(curve.around(server, value))
        for turn in range(-1, min(effort.rounds, curve.rounds)):
            for value, server in running.items():
                try:
                    metrics = curve.sample(server, value, effort.seconds / 2 if turn < 0 else effort.seconds)
                except load.LoadError as error:
                    effort.say(f"{curve.name} at {value}: {error}")
                    continue
                if turn >= 0:
                    samples[value].append(metrics)
    return [_point(curve, value, taken) for value, taken in samples.items() if taken]


def _point(curve: Curve, value: int, taken: Sequence[Metrics]) -> Point:
    costs = [metrics["cost"] for metrics in taken]
    return Point(
        label=curve.label(value),
        value=float(value),
        least=min(costs),
        median=statistics.median(costs),
        memory_mb=max(metrics["memory_mb"] for metrics in taken),
        rate=statistics.median(metrics.get("rate", 0.0) for metrics in taken),
    )


def shape(curve: Curve, points: Sequence[Point]) -> str:
    """Return the word for the curve: "flat", or by how much the cost grows or falls, and how fast."""
    costs = [(point.value, point.least) for point in points]
    what = ""
    if curve.labels:
        first = points[0]
        return ", ".join(f"{point.label} {point.least / first.least:.2f} x" for point in points[1:])
    if curve.per_mb:
        what = "per MB "
        costs = [(value, cost / value * 1e6) for value, cost in costs if value >= 1 << 20]
    if len(costs) < 2:
        return "too few points"
    low, high = min(cost for _, cost in costs), max(cost for _, cost in costs)
    if high <= FLAT * low:
        return f"{what}flat ({high / low:.2f} x between the cheapest and the dearest)"
    (start, before), (end, after) = costs[0], costs[-1]
    if after > FLAT * before:
        about = f", about as x^{math.log(after / before) / math.log(end / start):.2f}" if start else ""
        return f"{what}GROWS {after / before:.2f} x from {start:,.0f} to {end:,.0f}{about}"
    if before > FLAT * after:
        return f"{what}falls to {after / before:.2f} x from {start:,.0f} to {end:,.0f}"
    worst = max(costs, key=lambda pair: pair[1])[0]
    return f"{what}NOT FLAT: {high / low:.2f} x between the cheapest and the dearest, which is at {worst:,.0f}"
