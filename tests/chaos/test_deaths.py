"""Deaths under load: of workers, one after the other, and of the master; and the graceful end on TERM."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.server import Server

from .conftest import Files
from .processes import until, workers
from .rig import Load, Records, mixed, write_app

KILLS = 6
APART_S = 1.2  # a worker killed within its first second has died young, and its slot is given time
ORPHANS_S = 1.0
DRAIN_TIMEOUT_S = 15.0
UNREAD_S = 0.05  # what was sent so shortly before a worker's end may not have been read by anybody


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_random_workers_are_killed(chaos: Callable[..., Server], tmp_path: Path) -> None:
    server = chaos()
    chance = random.Random(1)
    kills: dict[str, float] = {}
    with Load(mixed(server)) as load:
        for number in range(KILLS):
            time.sleep(APART_S)
            pid = chance.choice(sorted(workers(server)))
            kills[str(pid)] = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            server.wait_for(r"worker \d+ gen 1 \[\d+\] is ready", count=3 + number, timeout=5)
        report = load.stop()
    assert server.stop() == 0
    records = Records.read(tmp_path / "access.log")
    by_pid = Counter(note["pid"] for note in report.lost)
    unlogged = [note for note in report.lost if not records.answered[note["name"]] + records.killed[note["name"]]]
    print(
        report.row(
            f"kill -9 of {KILLS} workers",
            lost_by_worker=dict(by_pid),
            marked_killed=len(records.killed),
            lost_without_line=[
                f"{note['kind']} after {1000 * (note['at'] - note['began']):.0f} ms" for note in unlogged
            ],
        )
    )
    assert (report.wrong, report.refused) == ([], [])
    for note in report.lost:  # it was in flight on a worker that was killed, when it was killed
        # a request on a new connection may be with any of them
        moments = [moment for pid, moment in kills.items() if note["pid"] in (pid, "")]
        assert any(note["began"] - UNREAD_S < moment <= note["at"] < moment + 1.0 for moment in moments), note
    records.check(report)
    both = set(report.names) & set(records.killed)
    assert len(both) <= KILLS, "answered and marked as killed: the moment between an answer and its line is short"
    for note in unlogged:  # nobody has read it: it was sent as the worker died, which takes it some ms
        assert note["at"] - note["began"] < UNREAD_S, note


CRASHES_S = 10.0
CRASH = """

class Crash(web.HTTPHandler):
    def do_get(self):
        os._exit(3)


routes["/crash"] = Crash
"""


@pytest.mark.slow
def test_a_request_that_crashes_its_worker_costs_others_little(chaos: Callable[..., Server], tmp_path: Path) -> None:
    """One client sends that request every 0.1 s, from the start on."""
    write_app(tmp_path, more=CRASH)
    server = chaos()
    crashes = 0
    over = threading.Event()
    answered: list[float] = []
    failed: list[float] = []

    def ask_others() -> None:
        number = 0
        while not over.is_set():
            number += 1
            try:
                good = server.get(f"/get/o-{number}").status == 200
            except (OSError, http.client.HTTPException):
                good = False
            (answered if good else failed).append(time.monotonic())
            time.sleep(0.01)

    others = [threading.Thread(target=ask_others) for _ in range(4)]
    for other in others:
        other.start()
    begin = time.monotonic()
    while time.monotonic() < begin + CRASHES_S:
        with contextlib.suppress(OSError, http.client.HTTPException):
            server.get("/crash")
        crashes += 1
        time.sleep(0.1)
    over.set()
    for other in others:
        other.join(20)
    answered.sort()
    outage_s = max(later - earlier for earlier, later in pairwise([begin, *answered]))
    print(f"| {crashes} crashes | answered {len(answered)}, failed {len(failed)}, outage {1000 * outage_s:.0f} ms |")
    assert server.get("/get/o-0").status == 200
    assert crashes > 20
    assert len(failed) < 2 * crashes
    assert outage_s < 1.0
    server.wait_for("GET /crash was running in the last 5 workers that died")
    assert sum("exited with status 3" in line for line in server.errors) < 20, "a storm is summed up"
    assert server.stop() == 0
    assert (tmp_path / "access.log").read_text().count("GET /crash killed") == crashes


@pytest.mark.slow
def test_the_master_is_killed(chaos: Callable[..., Server]) -> None:
    server = chaos()
    with Load(mixed(server), ends_when_refused=True) as load:
        os.kill(server.pid, signal.SIGKILL)
        assert server.process.wait(5) == -signal.SIGKILL
        # a process whose first thread has ended may still hold the port by another
        took_s = until(lambda: not server.processes() and is_free(server.address), "the workers notice and end", 5.0)
        report = load.wait()
    print(report.row("kill -9 of the master", gone_and_port_free_after=f"{took_s * 1000:.0f} ms"))
    assert took_s <= ORPHANS_S
    assert report.wrong == []


def is_free(address: tuple[str, int]) -> bool:
    """Return whether another server can listen at the address."""
    try:
        socket.create_server(address).close()
    except OSError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_term(chaos: Callable[..., Server], certificates: Files, tmp_path: Path) -> None:
    options = ("--drain-timeout", str(DRAIN_TIMEOUT_S))
    plain = chaos(*options, log="plain.log")
    tls = chaos(*options, *certificates.options, log="tls.log")
    groups = [*mixed(plain, 40), *mixed(tls, 24, ca=certificates.ca)]
    with Load(groups, ends_when_refused=True) as load:
        time.sleep(1.0)  # of load
        begin = time.monotonic()
        for server in (plain, tls):
            server.send(signal.SIGTERM)
        statuses = plain.wait(), tls.wait()
        took_s = time.monotonic() - begin
        report = load.wait()
    print(report.row("TERM", took=f"{took_s:.1f} s", statuses=statuses))
    assert statuses == (0, 0)
    assert took_s < DRAIN_TIMEOUT_S
    assert (report.lost, report.wrong) == ([], [])
    Records.read(tmp_path / "plain.log", tmp_path / "tls.log").check(report)
