"""The access log's disk is full for some time, under load. Lines wait in the rings; then they are dropped, or wait.

Every answer must have exactly one complete line, found by its name, except for those that were dropped and counted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server
from webpy.supervisor.control.client import ControlClient

from .processes import until, workers
from .rig import Load, Records, mixed

FULL_S = 5.0
REQUEST_TIMEOUT_S = 1.5
PAD_BYTES = 6000  # of a line: some hundred of them fill a ring

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")


@contextlib.contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """A context manager: a small file system of its own at `folder`."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "chaos", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """A context manager in which the disk of `folder` is full."""
    path = folder / "filler"
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 12))
    try:
        yield
    finally:
        path.unlink()


@pytest.mark.slow
@pytest.mark.needs("mount")
@as_root
def test_the_disk_is_full_for_a_while(chaos: Callable[..., Server], tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "1m") as folder:
        server = chaos(log=folder / "access.log")
        with Load(mixed(server)) as load:
            with full(folder):
                server.wait_for("No space left on device")
                time.sleep(FULL_S)
            server.wait_for("is written again")
            report = load.stop()
        assert server.stop() == 0
        records = Records.read(folder / "access.log")
    print(report.row(f"log disk full for {FULL_S:g} s", lines=records.answered.total(), torn=len(records.torn)))
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    records.check(report)
    assert len(records.answered) == len(report.names) and not records.killed
    assert report.slowest_s() < 1.0, "the ring takes it"


@pytest.mark.slow
@pytest.mark.needs("mount")
@as_root
def test_a_worker_whose_ring_is_full_waits_for_the_log(chaos: Callable[..., Server], tmp_path: Path) -> None:
    """Waiting is not taken for a hang: there is a request-timeout, and a reload meanwhile."""
    with disk(tmp_path / "disk", "64m") as folder:
        options = ("--request-timeout", str(REQUEST_TIMEOUT_S), "--slow-request", "1", "--log-full", "wait")
        server = chaos(*options, log=folder / "access.log")
        with Load(mixed(server, pad_bytes=PAD_BYTES), patience_s=20.0) as load:
            with full(folder):
                server.wait_for("No space left on device")
                until(lambda: stands_still(load), "the rings are full, and every request waits", 10.0)
                time.sleep(REQUEST_TIMEOUT_S + 1.0)
                server.send(signal.SIGHUP)
                server.wait_for(r"worker \d+ gen 2 \[\d+\] is ready", count=2)
                server.send(signal.SIGUSR1)
                server.wait_for("log files reopened")
            server.wait_for("is written again")
            server.wait_for("reload done")
            until(lambda: not stands_still(load), "it goes on", 10.0)
            with ControlClient(server.control) as client:
                waits = client.ask("status", timeout_s=5)["status"]["log"]["waits"]
            report = load.stop()
        assert server.stop() == 0
        records = Records.read(folder / "access.log", pad_bytes=PAD_BYTES)
    print(report.row("log disk full, rings full, HUP, USR1", lines=records.answered.total(), waits_counted=waits))
    assert not [line for line in server.errors if "hang" in line or "hung" in line or "slow on" in line]
    assert waits > 0
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    records.check(report)
    assert len(records.answered) == len(report.names) and not records.killed


@pytest.mark.slow
@pytest.mark.needs("mount")
@as_root
def test_a_worker_is_killed_as_its_ring_is_full(chaos: Callable[..., Server], tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "64m") as folder:
        server = chaos("--log-full", "wait", log=folder / "access.log")
        with Load(mixed(server, pad_bytes=PAD_BYTES), patience_s=20.0) as load:
            with full(folder):
                until(lambda: stands_still(load), "both rings are full, and every request waits", 10.0)
                for pid in workers(server):
                    os.kill(pid, signal.SIGKILL)
                server.wait_for(r"worker \d+ gen 1 \[\d+\] is ready", count=4)
            server.wait_for("is written again")
            until(lambda: not stands_still(load), "it goes on", 10.0)
            report = load.stop()
        assert server.stop() == 0
        records = Records.read(folder / "access.log", pad_bytes=PAD_BYTES)
    print(report.row("kill -9 with full rings", lines=records.answered.total(), marked_killed=len(records.killed)))
    assert (report.wrong, report.refused) == ([], [])
    records.check(report)
    # of those answered, only the ones whose threads waited for the ring have no line but the mark
    assert set(report.names) - set(records.answered) <= set(records.killed)


@pytest.mark.slow
@pytest.mark.needs("mount")
@as_root
def test_the_site_goes_on_while_the_log_takes_nothing(chaos: Callable[..., Server], tmp_path: Path) -> None:
    """With full rings, lines are dropped by default; a worker that is killed then is replaced as usual."""
    with disk(tmp_path / "disk", "64m") as folder:
        server = chaos(log=folder / "access.log")
        with Load(mixed(server, pad_bytes=PAD_BYTES)) as load:
            with full(folder):
                server.wait_for("the access log accepts no more lines for now", timeout=20)
                answered = load.counts()["answered"]
                until(lambda: load.counts()["answered"] > answered + 200, "requests are answered on", 10.0)
                os.kill(next(iter(workers(server))), signal.SIGKILL)
                server.wait_for(r"worker \d+ gen 1 \[\d+\] is ready", count=3)
            server.wait_for(r"the access log continues; \d+ lines")
            with ControlClient(server.control) as client:
                dropped = client.ask("status", timeout_s=5)["status"]["log"]["dropped"]
            report = load.stop()
        assert server.stop() == 0
        records = Records.read(folder / "access.log", pad_bytes=PAD_BYTES)
    print(report.row("log disk full, lines dropped", lines=records.answered.total(), dropped=dropped))
    assert (report.wrong, report.refused) == ([], [])
    assert report.slowest_s(but=["upload"]) < 3.0
    assert dropped > 0 and not records.torn
    logged = set(records.answered) | set(records.killed)
    assert max(records.answered.values()) == 1
    assert len(set(report.names) - logged) <= dropped


def stands_still(load: Load) -> bool:
    """Return whether no client has had an answer for 0.3 s."""
    before = load.counts()["answered"]
    time.sleep(0.3)
    return load.counts()["answered"] == before
