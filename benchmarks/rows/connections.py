"""Owns the rows of many connections: idle ones, stalled ones, and how new ones are distributed to workers.

They say how many connections, for how long, and what is measured meanwhile. `clients` holds the connections, in this
process (on the load's CPU); `bench` has the servers and results.
"""

from __future__ import annotations

import socket
import time

from .. import clients, load, machine, measure
from ..bench import Bench, Column, Metrics, Row
from ..scenario import Scenario

__all__ = ["ROWS"]


def _idle(bench: Bench, row: Row) -> None:
    wanted = 1000 if bench.smoke else 9000
    count = min(wanted, machine.raise_open_files() - 200)
    if count < wanted:
        bench.remark(row.name, f"{count} connections only: the limit of open files is {machine.raise_open_files()}")
    seconds = 1.0 if bench.smoke else 10.0
    for name in bench.names(row):
        if (server := bench.start(row.name, name, Scenario())) is None:
            continue
        socks: list[socket.socket] = []
        with server:
            load.wrk(server.url("/"), 1, 0.3)
            before = measure.private_bytes(server.tree())
            try:
                for _ in range(count):
                    socks.append(clients.keep_one(server.port))
            except OSError as error:
                bench.remark(row.name, f"{name}: connection {len(socks)} of {count} failed: {error!r}")
            time.sleep(0.3 if bench.smoke else 1.0)
            pids = server.tree()
            cpu_s = measure.cpu_s(pids)
            time.sleep(seconds)
            cpu_s = measure.cpu_s(pids) - cpu_s
            after = measure.private_bytes(pids)
            alive = len(socks) - clients.ended(socks)
            metrics: Metrics = {
                "open": float(alive),
                "connection_kb": (after - before) / max(alive, 1) / 1024,
                "private_mb": after / 1e6,
                "cpu_percent": 100 * cpu_s / seconds,
            }
            clients.close(socks)
            bench.put(row.name, name, [metrics])


def _stalled(bench: Bench, row: Row) -> None:
    count = 300 if bench.smoke else 2000
    for name in bench.names(row):
        if (server := bench.start(row.name, name, Scenario(threads=4))) is None:
            continue
        socks: list[socket.socket] = []
        with server:
            try:
                socks = clients.stall(server.port, count)
            except OSError as error:
                bench.remark(row.name, f"{name}: could not open {count} stalled connections: {error!r}")
            metrics = clients.probe(server.port, 1.0 if bench.brief else 4.0)
            metrics["stalled"] = float(len(socks) - clients.ended(socks))
            clients.close(socks)
            bench.put(row.name, name, [metrics])


def _balance(bench: Bench, row: Row) -> None:
    """Measure how connections are distributed. The worst round counts here, not the median."""
    workers, count = 4, 400
    for name in bench.names(row):
        scenario = Scenario(workers=workers, every_cpu=row.name.endswith("unpinned"))
        if (server := bench.start(row.name, name, scenario)) is None:
            continue
        metrics: Metrics = {}
        with server:
            seen: set[bytes] = set()
            limit = time.monotonic() + (0.5 if bench.smoke else 2.0)
            while len(seen) < workers and time.monotonic() < limit:
                seen.add(server.get("/pid")[1])
            for way, opener in (("sequential", clients.one_by_one), ("at_once", clients.at_once)):
                worst = slowest_s = 0.0
                for _ in range(bench.rounds):
                    began = time.monotonic()
                    socks, pids = opener(server.port, count)
                    slowest_s = max(slowest_s, time.monotonic() - began)
                    loads = sorted(pids.values()) if len(pids) == workers else [0, *sorted(pids.values())]
                    ratio = loads[-1] / loads[0] if loads[0] else float("inf")
                    if ratio > worst:
                        worst = ratio
                        metrics[way] = ratio
                        metrics[f"{way}_least"], metrics[f"{way}_most"] = float(loads[0]), float(loads[-1])
                    clients.close(socks)
                    time.sleep(0.3)  # for the server to see them gone
                metrics[f"{way}_s"] = slowest_s
        bench.put(row.name, name, [metrics])


BALANCE = (
    Column("sequential_least", "one by one: least"),
    Column("sequential_most", "most"),
    Column("sequential", "ratio", 2),
    Column("sequential_s", "took s", 2),
    Column("at_once_least", "at once: least"),
    Column("at_once_most", "most"),
    Column("at_once", "ratio", 2),
    Column("at_once_s", "took s", 2),
)
BALANCED = ("webpy", "nginx", "granian", "gunicorn")
ROWS = (
    Row(
        "idle",
        "9,000 idle kept-alive connections for 10 s",
        ("webpy", "nginx", "granian", "uvicorn"),
        _idle,
        (
            Column("open", "connections"),
            Column("connection_kb", "private KB each", 2),
            Column("private_mb", "private MB", 1),
            Column("cpu_percent", "CPU %", 2),
        ),
        "Each has had one answer. Not counted: the kernel's buffers; nginx's connections, allotted at its start.",
        ("connection_kb",),
        quick=False,
    ),
    Row(
        "stalled",
        "Healthy requests beside 2,000 stalled clients, 4 threads",
        ("webpy", "nginx", "granian", "gunicorn"),
        _stalled,
        (
            Column("stalled", "stalled to the end"),
            Column("answered", "answered"),
            Column("failed", "not within 3 s"),
            Column("p50_ms", "p50 ms", 2),
            Column("p99_ms", "p99 ms", 2),
            Column("worst_ms", "worst ms", 1),
        ),
        "A third has sent half a head, a third half a body, a third does not read an answer of 4 MB.",
        ("worst_ms",),
    ),
    Row(
        "balance-pinned",
        "400 kept-alive connections on 4 workers, all on one CPU: connections per worker",
        BALANCED,
        _balance,
        BALANCE,
        "The worst of the rounds.",
        ("sequential", "at_once"),
        quick=False,
    ),
    Row(
        "balance-unpinned",
        "400 kept-alive connections on 4 workers, on every CPU: connections per worker",
        BALANCED,
        _balance,
        BALANCE,
        "The worst of the rounds.",
        ("sequential", "at_once"),
        quick=False,
    ),
)
