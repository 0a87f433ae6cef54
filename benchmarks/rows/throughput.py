"""Owns the rows of one load at a time: hello, waits, files, short connections, TLS.

They say what is requested, and with how many clients. `bench` takes the measurements.
"""

from __future__ import annotations

from ..scenario import Scenario
from .loads import row

__all__ = ["ROWS"]

LOGGING = ("webpy", "nginx", "granian", "gunicorn", "uvicorn")
COMPILED = ("bjoern", "fastwsgi", "socketify")
ALL = (*LOGGING, *COMPILED, "cheroot", "waitress")
BOTH = ("cpu_us_low", "rate")
THREADED = ("webpy", "granian", "gunicorn")

ROWS = (
    row("hello-log", "Hello, access log on (64 clients)", LOGGING, "/", scenario=Scenario(logged=True)),
    row("hello-nolog", "Hello, access log off (64 clients)", ALL, "/"),
    row(
        "hello-varied-log",
        "Hello as browsers ask for it, access log on (64 clients)",
        ("webpy", "nginx", "granian", "uvicorn"),
        "/v/",
        scenario=Scenario(logged=True),
        script="varied.lua",
        note="700 bytes of head, 4,999 targets and 997 cookies in turn: no head comes twice.",
    ),
    row(
        "hello-varied-nolog",
        "Hello as browsers ask for it, access log off (64 clients)",
        ("webpy", "nginx", "granian", "uvicorn", *COMPILED),
        "/v/",
        script="varied.lua",
    ),
    row(
        "wait-0.3",
        "Handlers that wait 0.3 ms (64 clients, 64 threads)",
        THREADED,
        "/w/0.3",
        warm_up_s=0.8,
        compared=BOTH,
    ),
    row("wait-1", "Handlers that wait 1 ms (64 clients, 64 threads)", THREADED, "/w/1", warm_up_s=0.8, compared=BOTH),
    row("wait-5", "Handlers that wait 5 ms (64 clients, 64 threads)", THREADED, "/w/5", warm_up_s=0.8, compared=BOTH),
    row(
        "bimodal",
        "A route that waits 20 ms once in ten (64 clients, 64 threads)",
        THREADED,
        "/b",
        warm_up_s=1.0,
        compared=BOTH,
    ),
    row(
        "mixed",
        "A route that computes 5 ms and waits 50 ms (64 clients, 64 threads)",
        ("webpy", "granian"),
        "/m/5/50",
        at_least_s=4.0,
        warm_up_s=1.5,
        compared=("rate",),
    ),
    *(
        row(
            f"static-{size}",
            f"A file of {title} (64 clients), nginx with sendfile",
            ("webpy", "files", "nginx"),
            f"/static/{size}",
        )
        for size, title in (("1k", "1 KB"), ("64k", "64 KB"), ("1m", "1 MB"))
    ),
    *(
        row(
            f"short-{name}",
            f"A connection a request ({title}, 16 clients)",
            ("webpy", "nginx", "granian", "gunicorn"),
            "/",
            scenario=scenario,
            clients=16,
            script="close.lua",
            compared=BOTH,
            quick=name not in ("4", "unpinned-1"),
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
    row(
        "tls",
        "Hello under TLS, kept-alive connections, access log off (64 clients)",
        ("webpy", "nginx", "granian", "gunicorn", "uvicorn", "cheroot"),
        "/",
        scenario=Scenario(tls=True),
    ),
)
