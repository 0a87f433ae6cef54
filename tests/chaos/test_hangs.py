"""Hangs under load: a stopped worker, and handlers that never answer. It is replaced, other clients are served."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server
from tests.wire.client import Client, get
from webpy.supervisor.control.client import ControlClient

from .processes import alive, until, workers
from .rig import Load, Records, mixed

REQUEST_TIMEOUT_S = 1.5
NOTICED_S = 2.0  # after that: what a look, the stacks and the replacement's start may take on a busy machine
GONE_S = 5.0
OTHERS_WORST_S = 0.5
# What the error log must show of the worker's stacks, and whether the rest of the worker still answers meanwhile.
FAULTS = {
    "stop": (r"selectors|loop\.py|epoll|do_get|pool\.py", False),
    "loop": (r'app\.py", line \d+ in do_get', True),
    "lock": (r'app\.py", line \d+ in do_get', True),
    "gil": (r'app\.py", line \d+ in do_get', False),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_hangs(chaos: Callable[..., Server], tmp_path: Path, fault: str) -> None:
    server = chaos("--request-timeout", str(REQUEST_TIMEOUT_S), "--drain-timeout", "10")
    stacks, others_of_it_serve = FAULTS[fault]
    with Load(mixed(server)) as load, Client(server) as culprit:
        pid = int(culprit.ask("/get/probe").text.split()[1])
        assert pid in workers(server)
        begin = time.monotonic()
        if fault == "stop":
            os.kill(pid, signal.SIGSTOP)
        else:
            culprit.send(get(f"/{fault}"))
        server.wait_for(r"worker \d+ gen 1 \[\d+\] is ready", count=3, timeout=REQUEST_TIMEOUT_S + NOTICED_S + 5)
        replaced_s = time.monotonic() - begin
        until(lambda: not alive(pid), "it is gone", GONE_S)
        gone_s = time.monotonic() - begin
        time.sleep(0.5)
        report = load.stop()
        with ControlClient(server.control) as client:
            restarts = client.ask("status", timeout_s=5)["status"]["restarts"]
    assert server.stop() == 0
    others_worst_s = max(worst for by, worst in report.worst_by_pid.items() if int(by) != pid)
    title = {"stop": "SIGSTOP a worker", "loop": "while True", "lock": "a lost lock", "gil": "C code with the GIL"}
    print(
        report.row(
            title[fault],
            replaced_after=f"{replaced_s:.1f} s",
            gone_after=f"{gone_s:.1f} s",
            others_worst=f"{others_worst_s * 1000:.0f} ms",
            restarts=restarts,
        )
    )
    assert replaced_s <= REQUEST_TIMEOUT_S + NOTICED_S
    assert others_worst_s <= OTHERS_WORST_S
    assert restarts.get("hang") == 1
    error_log = "\n".join(server.errors)
    server.wait_for(stacks)
    assert f"[{pid}]" in error_log
    if fault != "stop":
        server.wait_for(f"GET /{fault} ")  # the request that hung is named in the error log
    assert (report.wrong, report.refused) == ([], [])
    if others_of_it_serve:
        assert report.lost == []
        assert report.closed(tls=False) == 0
    else:
        assert all(note["pid"] in (str(pid), "") for note in report.lost)
    records = Records.read(tmp_path / "access.log")
    records.check(report)
    if fault != "stop":
        assert [line.split()[:3] for line in records.others if fault in line] == [["GET", f"/{fault}", "killed"]]
