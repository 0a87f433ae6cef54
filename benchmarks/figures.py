"""Owns the figures to reach: what is asked, and how it is computed from the results of one run (`verdicts`).

`report` prints them. Knows neither servers nor Markdown.
"""

from __future__ import annotations

from .verdicts import Figure, alone, bound, cpu, memory, rate, stalled, useful, workers

__all__ = ["FIGURES"]


def _beside(row: str, title: str, factor: float) -> list[Figure]:
    work = f"hello (4 clients) beside 32 clients {title}"
    return [
        Figure(f"{work}: hello's requests/s", f"≥ {factor:.0f} x granian's", rate(row, "granian", factor)),
        Figure(f"{work}: hello's p50", "≤ 0.1 ms", bound(row, "p50_ms", 0.1, "{:.3f} ms", at_most=True)),
    ]


HELLO = "routed hello handler, access log"
BROWSERS = "hello as browsers ask for it, access log"
FIGURES: tuple[Figure, ...] = (
    Figure(f"{HELLO} on: CPU", "≤ 1.25 x nginx with its log on", cpu("hello-log", "nginx", 1.25)),
    Figure(f"{HELLO} on: CPU", "≤ 0.45 x granian with its log on", cpu("hello-log", "granian", 0.45)),
    Figure(f"{HELLO} off: CPU", "≤ 1.1 x nginx", cpu("hello-nolog", "nginx", 1.1)),
    Figure(f"{HELLO} off: CPU", "≤ 1.0 x fastwsgi", cpu("hello-nolog", "fastwsgi", 1.0)),
    Figure(f"{HELLO} off: CPU", "≤ 0.75 x granian WSGI", cpu("hello-nolog", "granian", 0.75)),
    Figure(f"{BROWSERS} off: CPU", "≤ 0.9 x granian", cpu("hello-varied-nolog", "granian", 0.9)),
    Figure(f"{BROWSERS} off: CPU", "≤ 2 x nginx", cpu("hello-varied-nolog", "nginx", 2.0)),
    *(
        Figure(f"{BROWSERS} off: CPU", f"≤ 1.0 x {peer}", cpu("hello-varied-nolog", peer, 1.0))
        for peer in ("fastwsgi", "socketify", "bjoern")
    ),
    Figure(f"{BROWSERS} on: CPU", "≤ 0.5 x granian with its log on", cpu("hello-varied-log", "granian", 0.5)),
    *(
        Figure(
            f"handlers that wait {ms} ms: CPU",
            "≤ 1.1 x granian with 64 threads",
            cpu(f"wait-{ms}", "granian", 1.1),
        )
        for ms in ("0.3", "1", "5")
    ),
    Figure("handlers that wait 5 ms: requests/s", "≥ 1.0 x granian", rate("wait-5", "granian", 1.0)),
    Figure("waits 20 ms once in ten: requests/s", "≥ 0.95 x granian", rate("bimodal", "granian", 0.95)),
    Figure("computes 5 ms and waits 50: requests/s", "≥ 1.0 x granian", rate("mixed", "granian", 1.0)),
    *_beside("beside-wait", "waiting 5 ms", 2),
    Figure(
        "… the waiting route keeps",
        "≥ 0.9 of alone",
        bound("beside-wait", "kept", 0.9, "{:.2f}", at_most=False),
    ),
    *_beside("beside-compute-1", "computing 1 ms", 100),
    Figure("… of the core does useful work", "≥ 0.85", useful("beside-compute-1")),
    *_beside("beside-compute-12", "computing 12 ms", 100),
    Figure("… of the core does useful work", "≥ 0.85", useful("beside-compute-12")),
    *(
        Figure(
            f"hello through WSGI, {title}, access log off: CPU",
            f"≤ {limit} x granian",
            cpu(f"wsgi-{row}", "granian", limit, "wsgi"),
        )
        for row, title, limit in (
            ("bare", "a bare function", 0.85),
            ("falcon", "Falcon", 0.85),
            ("flask", "Flask", 0.95),
            ("django", "Django", 0.95),
        )
    ),
    *(
        Figure(f"{title}: CPU", "≤ 0.9 x granian", cpu(row, "granian", 0.9))
        for row, title in (
            ("post", "POST of 20 KB"),
            ("upload-1m", "POST of 1 MB"),
            ("upload-100m", "POST of 100 MB"),
            ("pieces", "answer of 10 MB in pieces"),
            ("json", "POST of JSON"),
        )
    ),
    *(
        Figure(
            f"{title}: private memory",
            "≤ 2 x that of hello",
            memory(row, "hello-nolog", 2.0),
        )
        for row, title in (("upload-100m", "POST of 100 MB"), ("pieces", "answer of 10 MB in pieces"))
    ),
    Figure("the last of 1,000 regex routes: CPU", "≤ 1.5 x the only one", alone("route-1000", "route-1", 1.5)),
    Figure(
        "a path that none of 1,000 regex routes matches: CPU",
        "≤ 1.5 x of one",
        alone("route-404-1000", "route-404-1", 1.5),
    ),
    *(
        Figure(f"static {title}, {by}: CPU", "≤ 1.3 x nginx", cpu(f"static-{size}", "nginx", 1.3, server))
        for size, title in (("1k", "1 KB"), ("64k", "64 KB"), ("1m", "1 MB"))
        for server, by in (("webpy", "a handler that opens the file"), ("files", "`webpy files`"))
    ),
    Figure(
        "idle kept-alive connections: private memory each",
        "≤ 2 KB",
        bound("idle", "connection_kb", 2.0, "{:.2f} KB", at_most=True),
    ),
    Figure(
        "idle kept-alive connections: CPU",
        "≤ 1%",
        bound("idle", "cpu_percent", 1.0, "{:.2f}%", at_most=True),
    ),
    *(
        Figure(
            f"a connection a request, {count} workers on one CPU: requests/s",
            "≥ 0.9 x one worker",
            workers(f"short-{count}", "short-1", 0.9),
        )
        for count in (2, 4)
    ),
    Figure(
        "a connection a request, 2 workers on any CPU: requests/s",
        "≥ 1.6 x one worker",
        workers("short-unpinned-2", "short-unpinned-1", 1.6),
    ),
    *(
        Figure(
            "a connection a request, 2 workers on any CPU: requests/s",
            f"≥ {limit} x {peer}",
            rate("short-unpinned-2", peer, limit),
        )
        for peer, limit in (("granian", 1.2), ("nginx", 0.7))
    ),
    Figure("stalled clients on 4 threads: healthy requests", "all answered, worst ≤ 50 ms", stalled),
    Figure(
        "kill -9 of a worker, import 3 s: replacement answers",
        "within 0.3 s",
        bound("kill", "recovery_worst_s", 0.3, "{:.3f} s at worst", at_most=True),
    ),
    *(
        Figure(
            f"4 workers, 400 connections {words}, {where}: most to least loaded",
            "≤ 1.25",
            bound(f"balance-{row}", metric, 1.25, "{:.2f}", at_most=True),
        )
        for row, where in (("pinned", "all on one CPU"), ("unpinned", "on every CPU"))
        for metric, words in (("sequential", "one after the other"), ("at_once", "all at once"))
    ),
)
