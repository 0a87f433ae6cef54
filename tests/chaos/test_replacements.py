"""Everyday replacements under load: workers are scaled, recycled, suspended with their machine. No request is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server
from webpy.supervisor.control.client import ControlClient

from .processes import until, workers
from .rig import Load, Records, mixed

SCALINGS = 5
SUSPENDED_S = 3.0


@pytest.mark.slow
def test_scaling(chaos: Callable[..., Server], tmp_path: Path) -> None:
    server = chaos()
    with Load(mixed(server)) as load, ControlClient(server.control) as client:
        for _ in range(SCALINGS):
            for wanted in (4, 1, 2):
                assert client.ask("scale", timeout_s=5, workers=wanted)["ok"]
                until(lambda wanted=wanted: len(serving(client)) == wanted, f"{wanted} workers")
                if wanted == 4:  # so that the others get connections
                    before = serving(client)[0]
                    assert client.ask("drain", timeout_s=5, slot=0)["ok"]
                    until(lambda before=before: serving(client).get(0, before) != before, "another in slot 0")
        report = load.stop()
    assert server.stop() == 0
    print(report.row(f"scaling to 4, drain of slot 0, to 1, to 2; {SCALINGS} times", workers_seen=len(report.pids)))
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    Records.read(tmp_path / "access.log").check(report)


def serving(client: ControlClient) -> dict[int, int]:
    """Return the worker's pid of each slot if all of them serve; else an empty dict."""
    found = client.ask("status", timeout_s=5)["status"]["workers"]
    return {each["slot"]: each["pid"] for each in found} if all(each["state"] == "ready" for each in found) else {}


@pytest.mark.slow
def test_recycling_by_requests(chaos: Callable[..., Server], tmp_path: Path) -> None:
    options = ("--max-requests", "400", "--max-requests-jitter", "100")
    server = chaos(*options)
    with Load(mixed(server)) as load:
        most = 0
        begin = time.monotonic()
        while time.monotonic() < begin + 5:
            most = max(most, len(workers(server)))
            time.sleep(0.02)
        with ControlClient(server.control) as client:
            restarts = client.ask("status", timeout_s=5)["status"]["restarts"]
        report = load.stop()
    assert server.stop() == 0
    print(report.row("recycling every 400 requests", restarts=restarts, workers_at_once=most))
    assert restarts.get("recycle", 0) >= 3 and set(restarts) == {"recycle"}
    assert most <= 4
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    Records.read(tmp_path / "access.log").check(report)


@pytest.mark.slow
def test_a_suspended_machine(chaos: Callable[..., Server], tmp_path: Path) -> None:
    """All processes are stopped for longer than a worker may hang, as in a suspended machine."""
    server = chaos("--request-timeout", "1.5")
    with Load(mixed(server)) as load:
        before = workers(server)
        stopped = server.processes()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(SUSPENDED_S)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        time.sleep(1.8)  # in which whoever mistook the time would be killed
        assert workers(server) == before
        report = load.stop()
    assert server.stop() == 0
    print(report.row(f"a machine suspended for {SUSPENDED_S:g} s"))
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    assert SUSPENDED_S - 0.5 < report.slowest_s() < SUSPENDED_S + 1
    Records.read(tmp_path / "access.log").check(report)
