"""Owns how a figure is judged: the kinds of limits (ratios to a peer, bounds, memory), from the results of one run.

`figures` has the figures, `report` prints them. Knows neither servers nor Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Figure", "Verdict", "alone", "bound", "cpu", "judge", "memory", "rate", "stalled", "useful", "workers"]

Results = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(slots=True, frozen=True)
class Verdict:
    """What was measured, in words, and whether the figure is reached."""

    measured: str
    reached: bool


@dataclass(slots=True, frozen=True)
class Figure:
    """One figure: the work, what to reach, and its verdict from the results (KeyError: not measured)."""

    work: str
    reach: str
    verdict: Callable[[Results], Verdict]


def judge(figure: Figure, results: Results) -> Verdict | None:
    """Return the verdict; None if the run lacks a row, a server or any answer."""
    try:
        return figure.verdict(results)
    except (KeyError, ZeroDivisionError):
        return None


def _ratio(
    row: str, metric: str, servers: tuple[str, str], limit: float, *, at_most: bool
) -> Callable[[Results], Verdict]:
    """A limit for the ratio of a metric of the first of two servers to that of the second."""

    def verdict(results: Results) -> Verdict:
        own, other = (results[row][server][metric] for server in servers)
        ratio = own / other
        unit = "µs" if metric == "cpu_us" else "/s"
        measured = (
            f"{ratio:.2f} ({own:,.1f} to {other:,.1f} {unit})"
            if unit == "µs"
            else (f"{ratio:.2f} ({own:,.0f} to {other:,.0f} {unit})")
        )
        return Verdict(measured, ratio <= limit if at_most else ratio >= limit)

    return verdict


def cpu(row: str, peer: str, limit: float, server: str = "webpy") -> Callable[[Results], Verdict]:
    return _ratio(row, "cpu_us", (server, peer), limit, at_most=True)


def rate(row: str, peer: str, limit: float) -> Callable[[Results], Verdict]:
    return _ratio(row, "rate", ("webpy", peer), limit, at_most=False)


def bound(row: str, metric: str, limit: float, shown: str, *, at_most: bool) -> Callable[[Results], Verdict]:
    """A limit for one metric of webpy. shown: the format of the value."""

    def verdict(results: Results) -> Verdict:
        value = results[row]["webpy"][metric]
        if results[row]["webpy"].get("rate") == 0:
            raise ZeroDivisionError("no answers")
        return Verdict(shown.format(value), value <= limit if at_most else value >= limit)

    return verdict


def useful(row: str) -> Callable[[Results], Verdict]:
    def verdict(results: Results) -> Verdict:
        own = results[row]["webpy"]
        return Verdict(
            f"{own['useful']:.2f} computing alone; {own['useful_with_hello']:.2f} with hello's answers, "
            "at what they cost with nothing beside",
            own["useful_with_hello"] >= 0.85,
        )

    return verdict


def workers(many: str, one: str, limit: float) -> Callable[[Results], Verdict]:
    """The ratio of webpy's requests/s with several workers to those with one, from two rows."""

    def verdict(results: Results) -> Verdict:
        rate, alone = results[many]["webpy"]["rate"], results[one]["webpy"]["rate"]
        return Verdict(f"{rate / alone:.2f} ({rate:,.0f} to {alone:,.0f}/s)", rate / alone >= limit)

    return verdict


def stalled(results: Results) -> Verdict:
    own = results["stalled"]["webpy"]
    return Verdict(
        f"worst {own['worst_ms']:.1f} ms of {own['answered']:,.0f} answered, {own['failed']:.0f} not, "
        f"beside {own['stalled']:,.0f} stalled",
        own["worst_ms"] <= 50 and own["failed"] == 0,
    )


def memory(row: str, base: str, limit: float) -> Callable[[Results], Verdict]:
    """The ratio of webpy's private memory in one row to that in another."""

    def verdict(results: Results) -> Verdict:
        own, least = results[row]["webpy"]["private_mb"], results[base]["webpy"]["private_mb"]
        return Verdict(f"{own / least:.2f} ({own:,.1f} to {least:,.1f} MB)", own / least <= limit)

    return verdict


def alone(many: str, one: str, limit: float) -> Callable[[Results], Verdict]:
    """The ratio of webpy's CPU in one row to that in another."""

    def verdict(results: Results) -> Verdict:
        own, base = results[many]["webpy"]["cpu_us"], results[one]["webpy"]["cpu_us"]
        return Verdict(f"{own / base:.2f} ({own:,.1f} to {base:,.1f} µs)", own / base <= limit)

    return verdict
