"""The admin process beside a real server."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.admin.live import SITE, TOKEN, Live, waiting
from tests.server import Server

pytestmark = pytest.mark.slow

Serve = Callable[..., Server]
OPTIONS = ("--workers", "2", "--admin", "127.0.0.1:0", "--admin-token", TOKEN)


def metrics(live: Live) -> dict[tuple[str, str], float]:
    """(sample, its one label's value) to value."""
    answer = live.ask("GET", "/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
    found = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            if "le" not in sample.labels:
                found[sample.name, next(iter(sample.labels.values()), "")] = sample.value
    return found


def test_what_is_served_is_what_is_shown(serve: Serve) -> None:
    server = serve(SITE, *OPTIONS)
    live = Live(server)
    live.until(lambda status: sum(worker["state"] == "ready" for worker in status["workers"]) == 2)
    assert live.ask("GET", "/readyz").status == live.ask("GET", "/healthz").status == 200
    for path in ["/"] * 7 + ["/nothing"] * 2 + ["/fail"]:
        server.get(path)
    with waiting(server, "/wait?<script>"):
        status = live.until(lambda status: any(worker["running"] for worker in status["workers"]))
        (running,) = [each for worker in status["workers"] for each in worker["running"]]
        assert "GET /wait?<script> HTTP/1.1" in running["request"]
        assert metrics(live)["webpy_requests_in_flight", ""] == 1
    status = live.until(lambda status: status["totals"]["by_class"]["2xx"] == 8)
    assert status["totals"]["by_class"] == {"1xx": 0, "2xx": 8, "3xx": 0, "4xx": 2, "5xx": 1, "other": 0}
    found = metrics(live)
    assert found["webpy_requests_total", "2xx"] == found["webpy_request_duration_seconds_count", "2xx"] == 8
    assert found["webpy_requests_total", "5xx"] == 1
    assert found["webpy_workers_ready", ""] == found["webpy_workers_wanted", ""] == 2
    assert found["webpy_ready", ""] == found["webpy_generation", ""] == 1
    # what this process answers is no request of the server's, and stands in no access log
    assert not [line for line in server.log if "status.json" in line or "metrics" in line]
    assert server.stop() == 0


def test_reload_and_scale(serve: Serve) -> None:
    server = serve(SITE, *OPTIONS)
    live = Live(server)
    assert live.post("/reload", "guess").status == 401
    assert live.post("/scale?workers=3").status == 200
    live.until(lambda status: sum(worker["state"] == "ready" for worker in status["workers"]) == 3)
    before = live.status()
    assert live.post("/reload").status == 202
    status = live.until(lambda status: status["generation"] == 2 and status["reload"]["phase"] == "idle")
    assert {worker["generation"] for worker in status["workers"] if worker["state"] == "ready"} == {2}
    assert status["reload"]["last"]["ok"] is True
    # the admin process has nothing to do with the application, so a reload leaves it alone
    assert status["sidecars"] == before["sidecars"]
    (server.cwd / "FAIL_HERE").touch()
    assert live.post("/reload").status == 202
    status = live.until(lambda status: status["reloads_failed"] == 1)
    assert "told to <b>fail</b>" in status["reload"]["last"]["text"]
    assert metrics(live)["webpy_reloads_total", "failed"] == 1
    assert server.get("/").status == 200
    assert server.stop() == 0


def test_not_ready_while_stopping(serve: Serve) -> None:
    server = serve(SITE, *OPTIONS, "--shutdown-delay", "30")
    live = Live(server)
    live.until(lambda status: status["admin"]["ready"])
    server.send(signal.SIGTERM)
    live.until(lambda status: not status["admin"]["ready"])
    answer = live.ask("GET", "/readyz")
    assert answer.status == 503 and answer.body.startswith(b"not ready: the server is ")
    assert live.ask("GET", "/healthz").status == 200
    assert server.get("/").status == 200
    server.send(signal.SIGINT)  # another TERM so soon would be taken for the same
    assert server.wait() == 0


def test_idle_connections_do_not_hold_up_the_end(serve: Serve) -> None:
    """A browser's that never asked, and a scraper's between two scrapes."""
    server = serve(SITE, *OPTIONS)
    live = Live(server)
    with socket.create_connection(live.address), contextlib.closing(http.client.HTTPConnection(*live.address)) as idle:
        idle.request("GET", "/metrics")
        assert idle.getresponse().read()
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5


def test_dies_and_comes_back(serve: Serve) -> None:
    server = serve(SITE, *OPTIONS)
    live = Live(server)
    status = live.until(lambda status: status["sidecars"][0]["state"] == "ready")
    os.kill(status["sidecars"][0]["pid"], signal.SIGKILL)
    again = live.until(lambda status: status["sidecars"][0]["state"] == "ready")
    assert again["sidecars"][0]["pid"] != status["sidecars"][0]["pid"]
    assert server.get("/").status == 200
    assert server.stop() == 0


def test_ends_with_its_master(serve: Serve) -> None:
    server = serve(SITE, *OPTIONS)
    live = Live(server)
    pid = live.status()["sidecars"][0]["pid"]
    server.process.kill()
    give_up = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < give_up
        time.sleep(0.02)
