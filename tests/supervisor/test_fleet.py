"""Deaths, replacements and scaling, with real processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.supervisor.masters import Master, until
from webpy.supervisor.client import ControlClient

Make = Callable[..., Master]


def test_a_killed_worker_is_replaced_at_once_however_long_loading_takes(master: Make) -> None:
    served = master(load_s=3).start().started()
    pid = int(served.ask().split()[0])
    time.sleep(0.4)  # it is no young death
    with served.hold("hold 30") as held:
        until(lambda: lines_of(served, pid), "the worker holds")
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        answer = served.ask()
        took = time.monotonic() - began
        assert held.recv(1) == b""
    assert int(answer.split()[0]) != pid
    assert took <= 0.3
    served.wait_for(rf"\[error\] worker 0 gen 1 \[{pid}\] was killed by SIGKILL \(signal 9\)", anew=False)
    assert served.stop() == 0
    assert served.records() == [f"hello by {pid}", "killed hold 30", f"hello by {answer.split()[0]}"]


def lines_of(served: Master, pid: int) -> bool:
    port = served.address[1]
    return any(
        c.laddr.port == port and c.status == "ESTABLISHED" for c in psutil.Process(pid).net_connections("tcp")
    )


def test_what_killed_it_is_said(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    served.ask("die 42")
    served.wait_for(r"\[error\] worker \d gen 1 \[\d+\] exited with status 42")
    served.wait_for(r"worker \d gen 1 \[\d+\] is ready")
    assert served.ask()
    assert served.stop() == 0
    assert served.records()[0] == "killed die 42"


def test_a_record_that_cannot_be_made_is_no_harm(master: Make) -> None:
    served = master().start().started()
    pid = int(served.ask().split()[0])
    with served.hold("unspeakable and more"):
        pass
    with served.hold("hold 9"):
        until(lambda: lines_of(served, pid), "it holds")
        os.kill(pid, signal.SIGKILL)
        served.wait_for("is ready")
    served.ask()
    assert served.stop() == 0


def test_young_deaths_are_replaced_ever_later_once_it_was_healthy(master: Make) -> None:
    served = master(config={"healthy_after_s": 0.7}).start().started()
    time.sleep(0.8)
    stamps = []
    for _ in range(4):
        served.ask("die 1")
        stamps.append(time.monotonic())
        served.wait_for("is ready")
        stamps[-1] = time.monotonic() - stamps[-1]
    assert stamps[0] < 0.1, "the first was no young one"
    assert 0.07 < stamps[1] < 0.3
    assert 0.15 < stamps[2] < 0.5
    assert 0.3 < stamps[3] < 0.9
    assert served.process.poll() is None
    assert served.stop() == 0


def test_a_killed_zygote_is_booted_again_while_its_workers_serve(master: Make) -> None:
    served = master(load_s=0.3).start().started()
    worker = served.ask().split()[0]
    (zygote,) = served.titled("zygote")
    zygote.kill()
    served.wait_for(r"zygote gen 1 \[\d+\] was killed by SIGKILL")
    assert served.ask().split()[0] == worker
    served.ask("die 1")
    served.wait_for(r"zygote gen 1 \[\d+\] is ready")
    served.wait_for(r"worker 0 gen 1 \[\d+\] is ready")
    assert served.ask().split()[0] != worker
    assert served.stop() == 0


def test_one_more_and_one_fewer(master: Make) -> None:
    served = master().start().started()
    served.signal(signal.SIGTTIN)
    served.wait_for("workers: 1 -> 2")
    served.wait_for("worker 1 gen 1 .* is ready")
    served.signal(signal.SIGTTOU)
    served.wait_for("workers: 2 -> 1")
    served.wait_for(r"worker 1 gen 1 \[\d+\] exited with status 0")
    served.signal(signal.SIGTTOU)
    served.wait_for(r"0 workers: 1 to 16 are possible")
    assert len(served.titled("worker")) == 1
    assert served.ask().split()[1] == "0"
    assert served.stop() == 0


def test_no_more_workers_than_the_board_holds(master: Make) -> None:
    served = master(config={"workers": 16}).start().started(16)
    served.signal(signal.SIGTTIN)
    served.wait_for("17 workers: 1 to 16 are possible")
    assert served.stop() == 0


def test_a_stopped_zygote_does_not_keep_the_master_from_ending(master: Make) -> None:
    served = master().start().started()
    (zygote,) = served.titled("zygote")
    zygote.suspend()
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 10.0, "a third of what it would have to drain"
    assert "at once" not in served.text()


@pytest.mark.slow
def test_a_stopped_zygote_without_workers_is_replaced(master: Make) -> None:
    served = master(config={"boot_timeout_s": 30}).start().started()
    (zygote,) = served.titled("zygote")
    zygote.suspend()
    served.ask("die 1")
    served.wait_for(
        rf"zygote gen 1 \[{zygote.pid}\] is stopped, by a signal .*did not fork worker 0 gen 1 within 2 s"
    )
    served.wait_for("zygote gen 1 .* is ready")
    served.wait_for("worker 0 gen 1 .* is ready")
    assert served.ask()
    assert served.stop() == 0


def test_a_zygote_that_does_not_fork_is_replaced(master: Make) -> None:
    served = master(config={"boot_timeout_s": 0.5}).start().started()
    time.sleep(0.4)
    (zygote,) = served.titled("zygote")
    zygote.suspend()
    served.ask("die 1")
    served.wait_for(r"worker 0 gen 1 \[\?\] did not become ready within 0.5 s")
    served.wait_for(rf"zygote gen 1 \[{zygote.pid}\] did not fork worker 0 gen 1")
    served.wait_for("worker 0 gen 1 .* is ready")
    assert served.ask()
    assert served.stop() == 0


def test_an_operator_has_a_worker_replaced(master: Make, tmp_path: Path) -> None:
    control = str(tmp_path / "control")
    served = master(config={"workers": 2, "control": control}).start().started(2)
    before = {process.pid for process in served.titled("worker")}
    with ControlClient(control) as client:
        assert client.ask("drain", slot=1)["ok"]
        served.wait_for(r"worker 1 gen 1 \[(\d+)\] exited with status 0 \(asked by ctl\)")
        after = {worker["pid"] for worker in client.ask("status")["status"]["workers"]}
        assert client.ask("status")["status"]["restarts"] == {"operator": 1}
    assert len(after) == 2 and len(after & before) == 1
    assert served.stop() == 0
