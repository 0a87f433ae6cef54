"""What an attacker in a worker writes into shared memory must neither stop the master nor keep it busy."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.server import Server
from tests.supervisor.masters import Master, until
from webpy.supervisor import Scoreboard
from webpy.supervisor.control.client import ControlClient
from webpy.supervisor.logs.accesslog import AccessLog, DrainOutcome
from webpy.supervisor.scoreboard.untrusted import count, counts, past_time

Make = Callable[..., Master]

ATTACK = """
import mmap
import os
import random

import webpy as web


def scoreboard():
    for fd in os.listdir("/proc/self/fd"):
        try:
            if "supervisor-scoreboard" in os.readlink(f"/proc/self/fd/{fd}"):
                return int(fd)
        except OSError:
            pass


class Attack(web.HTTPHandler):
    def do_get(self):
        fd = scoreboard()
        try:
            os.ftruncate(fd, 0)
        except PermissionError:
            size = os.fstat(fd).st_size
            how = self.request.path.strip("/")
            filling = b"\\xff" * (1 << 20) if how == "ones" else random.Random(how).randbytes(1 << 20)
            with mmap.mmap(fd, size) as mapping:
                for at in range(0, size, 1 << 20):
                    mapping[at : at + (1 << 20)] = filling[: min(1 << 20, size - at)]
        return 200, "done"


class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, str(os.getpid())


routes = {"/hello": Hello, "/.*": Attack}
"""

LIMITS = {"heartbeat_timeout_s": 0.6, "request_timeout_s": 0.6, "slow_request_s": 0.3, "max_memory_bytes": 1 << 40}


def test_numbers() -> None:
    assert count(7) == 7 and count(2**64 - 1) == count(1 << 53) == 0
    assert counts(memoryview(b"\1" + bytes(7) + b"\xff" * 8).cast("Q")) == [1, 0]
    now = time.monotonic()
    assert past_time(now) == now
    for nonsense in (math.nan, math.inf, -math.inf, -1.0, now + 1e6, 5e-324 * 0):
        assert past_time(nonsense) == 0.0


def test_the_scoreboard_can_neither_shrink_nor_grow() -> None:
    scoreboard = Scoreboard(2, 1)
    size = os.fstat(scoreboard.memory_fd).st_size
    for wanted in (0, size - 1, size + 4096):
        with pytest.raises(PermissionError):
            os.ftruncate(scoreboard.memory_fd, wanted)
    with pytest.raises(PermissionError):
        fcntl.fcntl(scoreboard.memory_fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    scoreboard.close()


@pytest.mark.parametrize("lane", ["lead", "pool"])
@pytest.mark.parametrize(
    ("head", "tail"),
    [(0, 5), (5, 0), (200, 100), (2**64 - 1, 0), (0, 2**64 - 1), (2**64 - 1, 2**64 - 3), (2**62, 2**62)],
)
def test_a_ring_that_was_written_over_is_skipped(tmp_path: Path, lane: str, head: int, tail: int) -> None:
    said: list[str] = []
    scoreboard = Scoreboard(1, 1, ring_bytes=64, pool_ring_bytes=64)
    log = AccessLog(str(tmp_path / "log"), lambda _level, text: said.append(text))
    ring = getattr(scoreboard.rows[0], lane)
    ring.write(b"before\n")
    log.drain(scoreboard.rows)
    ring._cells[0], ring._cells[8] = head, tail
    assert ring.pending_bytes in range(65)
    assert log.drain(scoreboard.rows) is DrainOutcome.IDLE
    assert not ring.pending_bytes and log.damaged == 1
    scoreboard.retire(scoreboard.rows[0])
    ring.attach()
    for number in range(30):
        ring.write(b"%d after\n" % number)
        log.drain(scoreboard.rows)
    assert (tmp_path / "log").read_bytes().splitlines() == [b"before", *(b"%d after" % number for number in range(30))]
    assert len(said) == 1 and "written over shared memory" in said[0]


def test_counts_that_cannot_be_are_not_carried_over() -> None:
    scoreboard = Scoreboard(1, 1)
    for _ in range(3):
        row = scoreboard.rows[0]
        row.cells.cast("B")[:] = b"\xff" * row.cells.nbytes
        row.lead.latency.cast("B")[:] = b"\xff" * row.lead.latency.nbytes
        row.pool._cells.cast("B")[:] = b"\xff" * row.pool._cells.nbytes
        scoreboard.retire(row)
    assert not any(scoreboard.totals) and not any(scoreboard.totals_latency)


def test_a_doorbell_that_rings_without_end_is_heard_once() -> None:
    scoreboard = Scoreboard(1, 1)
    os.set_blocking(scoreboard.doorbell, False)
    for _ in range(20000):
        scoreboard.ring()
    for _ in range(20):
        scoreboard.silence()
    with pytest.raises(BlockingIOError):
        os.read(scoreboard.doorbell_reader, 1)
    scoreboard.close()


def status(path: Path) -> dict[str, Any]:
    with ControlClient(path) as client:
        told: dict[str, Any] = client.ask("status", timeout_s=10)["status"]
    json.dumps(told, allow_nan=False)
    return told


@pytest.mark.parametrize("how", ["ones", "nan", "inf", *map(str, range(4))])
def test_a_row_full_of_nonsense(master: Make, tmp_path: Path, how: str) -> None:
    path = tmp_path / "control"
    served = master(config={**LIMITS, "control": str(path)}, beat=True).start().started()
    victim = int(served.ask(f"scribble {how}").split()[0])
    process = psutil.Process(served.process.pid)
    for _ in range(3):
        with ControlClient(path) as client:
            assert client.ask("stacks", timeout_s=10)["ok"]
        assert len(status(path)["workers"][0]["map"]) < 300
    before, began = process.cpu_times(), time.monotonic()
    time.sleep(0.5)
    after, spent_s = process.cpu_times(), time.monotonic() - began
    assert after.user + after.system - before.user - before.system < 0.5 * spent_s, "it spins"
    if victim in (child.pid for child in served.descendants()):  # unless it was found to hang, and replaced
        os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in (child.pid for child in served.descendants()), "it has gone")
    asked = 0

    def works_again() -> bool:
        nonlocal asked
        asked += 1
        said = f"again by {served.ask('again').split()[0]}\n".encode()
        return said in (served.folder / "access.log").read_bytes()

    until(works_again, "a worker in that row serves, and its records come")
    told = status(path)
    if not how.isdigit():  # of random numbers, some few may be true
        assert 0 < told["totals"]["requests"] <= asked and told["totals"]["by_class"]["5xx"] == 0
    assert told["log"]["bytes"] < 1 << 20
    assert served.stop() == 0
    assert "a step of the master failed" not in served.text()


def test_records_come_although_nobody_says_that_the_master_sleeps(master: Make) -> None:
    served = master().start().started()
    served.ask("one")
    until(lambda: served.records(), "its record")
    time.sleep(0.3)  # until the master sleeps
    served.ask("hush")
    until(lambda: served.records()[1:] == ["hushed"], "its record all the same")
    assert served.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ones", "seed"])
def test_the_whole_scoreboard_is_written_over_while_a_real_server_runs(
    serve: Callable[..., Server], tmp_path: Path, how: str
) -> None:
    (tmp_path / "app.py").write_text(ATTACK)
    server = serve(tmp_path / "app.py", "--workers", "2", "--control", str(tmp_path / "control"))
    server.wait_for("worker [01] gen 1 .* is ready", count=2)
    assert server.get("/hello").status == 200
    with contextlib.suppress(OSError, http.client.HTTPException):  # what becomes of that worker is its own affair
        server.get(f"/{how}")
    workers = status(tmp_path / "control")["workers"]
    process = psutil.Process(server.pid)
    before, began = process.cpu_times(), time.monotonic()
    time.sleep(1.0)
    after, spent_s = process.cpu_times(), time.monotonic() - began
    assert after.user + after.system - before.user - before.system < 0.5 * spent_s, "it spins"
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker["pid"], signal.SIGKILL)

    def recovered() -> bool:
        told = status(tmp_path / "control")["workers"]
        old = {worker["pid"] for worker in workers}
        return len(told) == 2 and all(each["state"] == "ready" and each["pid"] not in old for each in told)

    until(recovered, "two other workers serve")
    server.wait_for("a worker has written over shared memory")
    lines = len(server.log)
    for _ in range(20):
        assert server.get("/hello").status == 200
    until(lambda: sum("GET /hello" in line for line in server.log[lines:]) == 20, "each has its record")
    assert server.stop() == 0
    assert not any("a step of the master failed" in line for line in server.errors)
