"""Owns the figures to reach: what is asked, and how it is computed from the results of one run.

`report` prints them. Knows neither servers nor Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["FIGURES", "Figure", "Verdict", "judge"]

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


def _cpu(row: str, peer: str, limit: float, server: str = "webpy") -> Callable[[Results], Verdict]:
    return _ratio(row, "cpu_us", (server, peer), limit, at_most=True)


def _rate(row: str, peer: str, limit: float) -> Callable[[Results], Verdict]:
    return _ratio(row, "rate", ("webpy", peer), limit, at_most=False)


def _bound(row: str, metric: str, limit: float, shown: str, *, at_most: bool) -> Callable[[Results], Verdict]:
    """A limit for one metric of webpy. shown: the format of the value."""

    def verdict(results: Results) -> Verdict:
        value = results[row]["webpy"][metric]
        if results[row]["webpy"].get("rate") == 0:
            raise ZeroDivisionError("no answers")
        return Verdict(shown.format(value), value <= limit if at_most else value >= limit)

    return verdict


def _useful(row: str) -> Callable[[Results], Verdict]:
    def verdict(results: Results) -> Verdict:
        own = results[row]["webpy"]
        return Verdict(
            f"{own['useful']:.2f} computing alone; {own['useful_with_hello']:.2f} with hello's answers, "
            "at what they cost with nothing beside",
            own["useful_with_hello"] >= 0.85,
        )

    return verdict


def _workers(many: str, one: str, limit: float) -> Callable[[Results], Verdict]:
    """The ratio of webpy's requests/s with several workers to those with one, from two rows."""

    def verdict(results: Results) -> Verdict:
        rate, alone = results[many]["webpy"]["rate"], results[one]["webpy"]["rate"]
        return Verdict(f"{rate / alone:.2f} ({rate:,.0f} to {alone:,.0f}/s)", rate / alone >= limit)

    return verdict


def _stalled(results: Results) -> Verdict:
    own = results["stalled"]["webpy"]
    return Verdict(
        f"worst {own['worst_ms']:.1f} ms of {own['answered']:,.0f} answered, {own['failed']:.0f} not, "
        f"beside {own['stalled']:,.0f} stalled",
        own["worst_ms"] <= 100 and own["failed"] == 0,
    )


def _beside(row: str, title: str, factor: float) -> list[Figure]:
    work = f"hello (4 clients) beside 32 clients {title}"
    return [
        Figure(f"{work}: hello's requests/s", f"≥ {factor:.0f} x granian's", _rate(row, "granian", factor)),
        Figure(f"{work}: hello's p50", "≤ 0.1 ms", _bound(row, "p50_ms", 0.1, "{:.3f} ms", at_most=True)),
    ]


HELLO = "routed hello handler, access log"
FIGURES: tuple[Figure, ...] = (
    Figure(f"{HELLO} on: CPU", "≤ 1.25 x nginx with its log on", _cpu("hello-log", "nginx", 1.25)),
    Figure(f"{HELLO} on: CPU", "≤ 0.45 x granian with its log on", _cpu("hello-log", "granian", 0.45)),
    Figure(f"{HELLO} off: CPU", "≤ 1.25 x nginx", _cpu("hello-nolog", "nginx", 1.25)),
    Figure(f"{HELLO} off: CPU", "≤ 0.75 x granian WSGI", _cpu("hello-nolog", "granian", 0.75)),
    *(
        Figure(
            f"handlers that wait {ms} ms: CPU",
            "≤ 1.1 x granian with 64 threads",
            _cpu(f"wait-{ms}", "granian", 1.1),
        )
        for ms in ("0.3", "1", "5")
    ),
    Figure(
        "handlers that wait 5 ms: requests/s",
        "≥ 11,800",
        _bound("wait-5", "rate", 11800, "{:,.0f}", at_most=False),
    ),
    Figure("waits 20 ms once in ten: requests/s", "≥ 0.95 x granian", _rate("bimodal", "granian", 0.95)),
    Figure("computes 5 ms and waits 50: requests/s", "≥ 0.95 x granian", _rate("mixed", "granian", 0.95)),
    *_beside("beside-wait", "waiting 5 ms", 2),
    Figure(
        "… the waiting route keeps",
        "≥ 0.9 of alone",
        _bound("beside-wait", "kept", 0.9, "{:.2f}", at_most=False),
    ),
    *_beside("beside-compute-1", "computing 1 ms", 100),
    Figure("… of the core does useful work", "≥ 0.85", _useful("beside-compute-1")),
    *_beside("beside-compute-12", "computing 12 ms", 100),
    Figure("… of the core does useful work", "≥ 0.85", _useful("beside-compute-12")),
    Figure(
        "hello through WSGI, access log off: CPU",
        "≤ 1.0 x granian WSGI",
        _cpu("hello-nolog", "granian", 1.0, "wsgi"),
    ),
    *(
        Figure(f"static {title}, {by}: CPU", "≤ 1.3 x nginx", _cpu(f"static-{size}", "nginx", 1.3, server))
        for size, title in (("64k", "64 KB"), ("1m", "1 MB"))
        for server, by in (("webpy", "a handler that opens the file"), ("files", "`webpy files`"))
    ),
    Figure(
        "idle kept-alive connections: private memory each",
        "≤ 2 KB",
        _bound("idle", "connection_kb", 2.0, "{:.2f} KB", at_most=True),
    ),
    Figure(
        "idle kept-alive connections: CPU",
        "≤ 1%",
        _bound("idle", "cpu_percent", 1.0, "{:.2f}%", at_most=True),
    ),
    *(
        Figure(
            f"a connection a request, {count} workers on one CPU: requests/s",
            "≥ 0.9 x one worker",
            _workers(f"short-{count}", "short-1", 0.9),
        )
        for count in (2, 4)
    ),
    Figure(
        "a connection a request, 2 workers on any CPU: requests/s",
        "≥ 1.0 x one worker",
        _workers("short-unpinned-2", "short-unpinned-1", 1.0),
    ),
    Figure("stalled clients on 4 threads: healthy requests", "all answered, worst ≤ 100 ms", _stalled),
    Figure(
        "kill -9 of a worker, import 3 s: replacement answers",
        "within 0.3 s",
        _bound("kill", "recovery_worst_s", 0.3, "{:.3f} s at worst", at_most=True),
    ),
    *(
        Figure(
            f"4 workers, 400 connections {words}, {where}: most to least loaded",
            "≤ 1.25",
            _bound(f"balance-{row}", metric, 1.25, "{:.2f}", at_most=True),
        )
        for row, where in (("pinned", "all on one CPU"), ("unpinned", "on every CPU"))
        for metric, words in (("sequential", "one after the other"), ("at_once", "all at once"))
    ),
)
