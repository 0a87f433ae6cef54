"""Workers that grow under load: above --max-memory, and above the memory of their control group."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server
from tests.wire.client import Client, get
from webpy.supervisor.control.client import ControlClient

from .processes import alive, until, workers
from .rig import Load, Records, mixed

MEMORY_GROUPS = Path("/sys/fs/cgroup/memory")
GROUP_BYTES = 400 << 20
REPLACED_S = 8.0


def pid_of(culprit: Client) -> int:
    return int(culprit.ask("/get/probe").text.split()[1])


def restarts(server: Server) -> dict[str, int]:
    with ControlClient(server.control) as client:
        return dict(client.ask("status", timeout_s=5)["status"]["restarts"])


@pytest.mark.slow
def test_a_worker_grows_past_max_memory(chaos: Callable[..., Server], tmp_path: Path) -> None:
    server = chaos("--max-memory", "120M")
    with Load(mixed(server)) as load, Client(server) as culprit:
        pid = pid_of(culprit)
        assert pid in workers(server)
        culprit.ask("/grow/200")
        server.wait_for(r"worker \d+ gen 1 \[\d+\] is ready", count=3, timeout=REPLACED_S)
        gone_s = until(lambda: not alive(pid), "it is gone", REPLACED_S)
        time.sleep(0.5)
        counts = restarts(server)
        report = load.stop()
    assert server.stop() == 0
    print(report.row("a worker past max-memory", restarts=counts, drained_in=f"{gone_s:.1f} s"))
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    assert counts.get("recycle") == 1
    server.wait_for(rf"\[{pid}\].*memory|memory.*\[{pid}\]")
    Records.read(tmp_path / "access.log").check(report)


@contextlib.contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path]:
    """A context manager: a control group (version 1) with limited memory. Its processes must end before it."""
    group = MEMORY_GROUPS / f"webpy-chaos-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
        yield group
    finally:
        until(lambda: not (group / "cgroup.procs").read_text(), "the group is empty", 5.0)
        group.rmdir()


@pytest.mark.slow
@pytest.mark.skipif(
    not os.access(MEMORY_GROUPS / "cgroup.procs", os.W_OK), reason="no writable memory control group of version 1"
)
def test_the_kernel_kills_for_memory(chaos: Callable[..., Server], tmp_path: Path) -> None:
    with memory_group(GROUP_BYTES) as group:
        join = f'echo $$ > {group}/cgroup.procs && exec "$@"'
        program = ("/bin/sh", "-c", join, "sh", sys.executable, "-m", "webpy.cli", "serve")
        server = chaos(program=program)
        try:
            with Load(mixed(server)) as load, Client(server) as culprit:
                pid = pid_of(culprit)
                assert pid in workers(server)
                culprit.send(get(f"/grow/{GROUP_BYTES >> 20}"))
                server.wait_for(r"worker \d+ gen \d+ \[\d+\] is ready", count=3, timeout=REPLACED_S)
                time.sleep(0.5)
                counts = restarts(server)
                report = load.stop()
            assert server.stop() == 0
        finally:
            server.kill()
    records = Records.read(tmp_path / "access.log")
    said = server.wait_for(rf"\[{pid}\].*memory")
    # the kernel may end another process before the memory of the first is free, but never the master
    ended = re.findall(r"worker \d+ gen \d+ \[(\d+)\] was killed by SIGKILL", "\n".join(server.errors))
    print(report.row("OOM kill in a control group", restarts=counts, said=repr(said.partition("] [")[2])))
    assert counts.get("oom") == len(ended) and str(pid) in ended
    assert (report.wrong, report.refused) == ([], [])
    assert all(note["pid"] in (*ended, "") for note in report.lost)
    records.check(report)
    grown = [line.split()[1:3] for line in records.others if "grow" in line]
    assert grown == [[f"/grow/{GROUP_BYTES >> 20}", "killed"]]
