"""Owns the rows of one load at a time: hello, waits, files, bodies, TLS.

They say what is requested, and with how many clients. `bench` takes the measurements.
"""

from __future__ import annotations

from .. import load
from ..bench import Bench, Column, Metrics, Row, loaded
from ..recipes import Scenario
from ..servers import Server

__all__ = ["ROWS"]

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
LOGGING = ("webpy", "nginx", "granian", "gunicorn", "uvicorn")
ALL = (*LOGGING, "bjoern", "cheroot", "waitress")
THREADED = ("webpy", "granian", "gunicorn")


# parameters: the columns of the table ROWS
def _row(
    name: str,
    title: str,
    servers: tuple[str, ...],
    path: str,
    *,
    scenario: Scenario | None = None,
    clients: int = 64,
    script: str | None = None,
    at_least_s: float = 0.0,
    warm_up_s: float = 0.4,
    note: str = "",
) -> Row:
    """Return a row that loads one path. at_least_s: the shortest measurement, where answers are slow."""
    scenario = scenario or Scenario()

    def run(bench: Bench, row: Row) -> None:
        seconds = bench.seconds if bench.quick else max(bench.seconds, at_least_s)

        def sample(server: Server) -> Metrics:
            return loaded(server, lambda: load.wrk(server.url(path), clients, seconds, script))[1]

        def warm_up(server: Server) -> float:
            return load.wrk(server.url(path), clients, bench.warm_up(warm_up_s), script).requests

        bench.alternate(row, scenario, sample, warm_up)

    return Row(name, title, servers, run, COLUMNS, note)


ROWS = (
    _row("hello-log", "Hello, access log on (64 clients)", LOGGING, "/", scenario=Scenario(logged=True)),
    _row("hello-nolog", "Hello, access log off (64 clients)", ("webpy", "wsgi", *ALL[1:]), "/"),
    _row(
        "hello-varied-log",
        "Hello as browsers ask for it, access log on (64 clients)",
        ("webpy", "nginx", "granian", "uvicorn"),
        "/v/",
        scenario=Scenario(logged=True),
        script="varied.lua",
        note="700 bytes of head, 4,999 targets and 997 cookies in turn: no head comes twice.",
    ),
    _row(
        "hello-varied-nolog",
        "Hello as browsers ask for it, access log off (64 clients)",
        ("webpy", "nginx", "granian", "bjoern"),
        "/v/",
        script="varied.lua",
    ),
    _row("wait-0.3", "Handlers that wait 0.3 ms (64 clients, 64 threads)", THREADED, "/w/0.3", warm_up_s=0.8),
    _row("wait-1", "Handlers that wait 1 ms (64 clients, 64 threads)", THREADED, "/w/1", warm_up_s=0.8),
    _row("wait-5", "Handlers that wait 5 ms (64 clients, 64 threads)", THREADED, "/w/5", warm_up_s=0.8),
    _row(
        "bimodal",
        "A route that waits 20 ms once in ten (64 clients, 64 threads)",
        THREADED,
        "/b",
        warm_up_s=1.0,
    ),
    _row(
        "mixed",
        "A route that computes 5 ms and waits 50 ms (64 clients, 64 threads)",
        ("webpy", "granian"),
        "/m/5/50",
        at_least_s=4.0,
        warm_up_s=1.5,
    ),
    *(
        _row(
            f"static-{size}",
            f"A file of {title} (64 clients), nginx with sendfile",
            ("webpy", "files", "nginx"),
            f"/static/{size}",
        )
        for size, title in (("1k", "1 KB"), ("64k", "64 KB"), ("1m", "1 MB"))
    ),
    _row(
        "post",
        "POST of 20 KB (64 clients)",
        ALL,
        "/post",
        script="post.lua",
        note="nginx reads the body and drops it; the others pass it to the handler, which answers with its length.",
    ),
    *(
        _row(
            f"short-{name}",
            f"A connection a request ({title}, 16 clients)",
            ("webpy", "nginx", "granian", "gunicorn"),
            "/",
            scenario=scenario,
            clients=16,
            script="close.lua",
            note="Requests with `Connection: close`, as nginx sends them upstream unless told otherwise.",
        )
        for name, title, scenario in (
            ("1", "1 worker", Scenario(workers=1)),
            ("2", "2 workers on one CPU", Scenario(workers=2)),
            ("4", "4 workers on one CPU", Scenario(workers=4)),
            ("unpinned-1", "1 worker, any CPU", Scenario(workers=1, every_cpu=True)),
            ("unpinned-2", "2 workers, any CPU", Scenario(workers=2, every_cpu=True)),
        )
    ),
    _row(
        "tls",
        "Hello under TLS, kept-alive connections, access log off (64 clients)",
        ("webpy", "nginx", "granian", "gunicorn", "uvicorn", "cheroot"),
        "/",
        scenario=Scenario(tls=True),
    ),
)
