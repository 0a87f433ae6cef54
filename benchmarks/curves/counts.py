"""Owns the curves of counts: connections, routes, workers, different heads; and the one of log formats."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .. import clients, load, measure
from ..bench import loaded
from ..rows.routes import table
from ..scenario import Scenario
from ..servers import Server
from .curve import Curve, Metrics

__all__ = ["CURVES", "hold", "wrk"]


def wrk(
    path: str, script: str | None = None, *, numbered: bool = False, per_worker: bool = False
) -> Callable[[Server, int, float], Metrics]:
    """Return a sample of 64 clients of wrk. numbered: whether the script gets the value of the point.

    per_worker: 64 clients for each worker, of which the value is the number.
    """

    def sample(server: Server, value: int, seconds: float) -> Metrics:
        argument, count = value if numbered else None, 64 * value if per_worker else 64
        metrics = loaded(server, lambda: load.wrk(server.url(path), count, seconds, script, argument))[1]
        return {"cost": metrics["cpu_us"], "memory_mb": metrics["private_mb"], "rate": metrics["rate"]}

    return sample


@contextmanager
def _busy(server: Server, count: int) -> Iterator[None]:
    """Load with so many clients meanwhile, and begin when all have connected: new connections are another matter."""
    process = load.start(server.url("/count"), count, 60.0)
    try:
        time.sleep(0.3 + count / 4000)
        yield
    finally:
        with suppress(load.LoadError):
            load.finish([process], 0.0)


def _counted(server: Server, value: int, seconds: float) -> Metrics:
    """Measure for the time, while others load; the application itself counts what it answers."""
    pids = server.tree()
    counted = int(server.get("/counted", 30.0)[1])  # among thousands it waits for its turn, so the clocks are read next
    before, began = measure.cpu_s(pids), time.monotonic()
    time.sleep(max(seconds, value / 10_000))
    answers = int(server.get("/counted", 30.0)[1]) - counted
    cost = measure.cpu_s(pids) - before
    if not answers:
        raise load.LoadError("no request was answered")
    took_s, private = time.monotonic() - began, measure.private_bytes(pids)
    return {"cost": cost / answers * 1e6, "memory_mb": private / 1e6, "rate": answers / took_s}


@contextmanager
def hold(server: Server, count: int) -> Iterator[None]:
    """Hold so many idle connections open meanwhile."""
    socks = [clients.keep_one(server.port) for _ in range(count)]
    try:
        yield
    finally:
        clients.close(socks)


FORMATS = (
    ("off", ""),
    ("common", "common"),
    ("combined", "combined"),
    ("json", "json"),
    ("a template", '%(h)s %(t)s "%(r)s" %(s)s %(b)s %(D)s %({cookie}i)s'),
)


def _format(value: int) -> Scenario:
    form = FORMATS[value][1]
    return Scenario(logged=bool(form), options=("--access-format", form) if form else ())


DECADES = (1, 10, 100, 1000, 10_000)
TURNS = "more processes than CPUs take turns, with a switch for each request where one worker has one for six"
HEADS = "a head that came before is found whole, among some hundreds; each other one is parsed, however many there are"
ROUTES = (1, 3, 10, 30, 100, 300, 1000)
CURVES = (
    Curve(
        "connections",
        "Hello on connections that are all busy",
        "connections",
        DECADES,
        lambda value: Scenario(),
        _counted,
        _busy,
        together=False,
        cause="one connection wakes the server for each request; many are answered many at a time",
    ),
    Curve(
        "idle",
        "Hello (64 clients) beside idle connections",
        "idle connections",
        (0, *DECADES),
        lambda value: Scenario(),
        wrk("/"),
        hold,
    ),
    Curve(
        "routes", "The last of regex routes that begin with text", "routes", ROUTES, table, wrk("/last/", "varied.lua")
    ),
    Curve(
        "routes-headless",
        "The last of regex routes that begin with a group",
        "routes",
        ROUTES,
        lambda value: table(value, "headless"),
        wrk("/x/last/", "varied.lua"),
        cause="regexes without text of their own at the beginning are tried one after the other",
    ),
    Curve(
        "workers",
        "Hello (64 clients) on workers on every CPU",
        "workers",
        (1, 2, 4, 8, 16),
        lambda value: Scenario(workers=value, every_cpu=True),
        wrk("/"),
        cause=TURNS,
    ),
    Curve(
        "workers-busy",
        "Hello (64 clients for each worker) on workers on every CPU",
        "workers",
        (1, 2, 4, 8, 16),
        lambda value: Scenario(workers=value, every_cpu=True),
        wrk("/", per_worker=True),
        cause=TURNS,
    ),
    Curve(
        "heads",
        "Different heads, log off (64 clients)",
        "different heads in turn",
        (1, 10, 100, 1000, 10_000, 100_000, 1_000_000),
        lambda value: Scenario(),
        wrk("/v/", "heads.lua", numbered=True),
        cause=HEADS,
    ),
    Curve(
        "heads-log",
        "Different heads, log on (64 clients)",
        "different heads in turn",
        (1, 10, 100, 1000, 10_000, 100_000, 1_000_000),
        lambda value: Scenario(logged=True),
        wrk("/v/", "heads.lua", numbered=True),
        cause=HEADS,
    ),
    Curve(
        "logs",
        "Formats of the access log, heads that do not repeat (64 clients)",
        "format",
        tuple(range(len(FORMATS))),
        _format,
        wrk("/v/", "varied.lua"),
        labels=tuple(name for name, _ in FORMATS),
    ),
)
