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
from webpy.supervisor.control.client import ControlClient

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


def test_workers_that_never_served_are_replaced_ever_later(master: Make) -> None:
    served = master(config={"healthy_after_s": 5}).start().started()
    stamps = []
    for _ in range(4):
        (worker,) = served.titled("worker")
        began = time.monotonic()
        worker.kill()
        served.wait_for("is ready")
        stamps.append(time.monotonic() - began)
    assert 0.07 < stamps[0] < 0.4
    assert 0.15 < stamps[1] < 0.6
    assert 0.3 < stamps[2] < 1.0
    assert 0.6 < stamps[3] < 2.0
    assert served.process.poll() is None
    assert served.stop() == 0


def test_a_request_that_kills_from_the_start_does_not_end_the_server(master: Make) -> None:
    """Its very first requests kill the workers: the master replaces them, and says which request it was."""
    served = master(config={"workers": 2, "healthy_after_s": 5}).start().started(2)
    for _ in range(7):
        assert served.ask("die 3") == ""
    served.wait_for(r"\[error\] 3 was running in the last 5 workers that died")
    assert served.ask("fine").endswith(" ")
    assert served.process.poll() is None
    assert served.stop() == 0
    assert served.records().count("killed die 3") == 7


def test_what_waited_as_workers_died_is_not_named(master: Make) -> None:
    served = master().start().started()
    for _ in range(5):
        served.ask("task queued 20")
        served.ask("task sending 20")
        assert served.ask("die 3") == ""
        served.wait_for("is ready")
    served.wait_for(r"3 was running in the last 5 workers that died", anew=False)
    assert served.stop() == 0
    assert served.text().count("was running") == 1
    assert served.records().count("killed 10.0.0.1  task queued") == 5


def test_a_worker_that_served_is_replaced_at_once(master: Make) -> None:
    served = master(config={"workers": 2, "healthy_after_s": 60}).start().started(2)
    for _ in range(6):
        began = time.monotonic()
        assert served.ask("die 1") == ""
        served.wait_for("is ready")
        assert time.monotonic() - began < 1.0, "back-off would be at 3.2 s"
    assert served.stop() == 0


@pytest.mark.slow
def test_a_storm_of_deaths_is_summed_up(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    for _ in range(40):
        served.ask("die 3")
    served.wait_for("10 workers died within 10 s: from now on deaths are counted, and logged every 10 s", anew=False)
    served.wait_for(r"\d+ workers died in the last 10 s; the last, worker \d gen 1 \[\d+\] exited with status 3")
    assert sum("exited with status 3" in line for line in served.lines) <= 12
    assert sum("is ready" in line for line in served.lines) <= 16
    assert served.stop() == 0


def test_a_killed_zygote_is_booted_again_while_its_workers_serve(master: Make) -> None:
    served = master(load_s=0.3).start().started()
    worker = served.ask().split()[0]
    (zygote,) = served.titled("loader")
    zygote.kill()
    served.wait_for(r"loader gen 1 \[\d+\] was killed by SIGKILL")
    assert served.ask().split()[0] == worker
    served.ask("die 1")
    served.wait_for(r"loader gen 1 \[\d+\] is ready")
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


def test_no_more_workers_than_the_scoreboard_holds(master: Make) -> None:
    served = master(config={"workers": 16}).start().started(16)
    served.signal(signal.SIGTTIN)
    served.wait_for("17 workers: 1 to 16 are possible")
    assert served.stop() == 0


def test_a_stopped_zygote_does_not_keep_the_master_from_ending(master: Make) -> None:
    served = master().start().started()
    (zygote,) = served.titled("loader")
    zygote.suspend()
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 10.0, "a third of what it would have to drain"
    assert "at once" not in served.text()


@pytest.mark.slow
def test_a_stopped_zygote_without_workers_is_replaced(master: Make) -> None:
    served = master(config={"boot_timeout_s": 30}).start().started()
    (zygote,) = served.titled("loader")
    zygote.suspend()
    served.ask("die 1")
    served.wait_for(
        rf"loader gen 1 \[{zygote.pid}\] is stopped, by a signal .*did not fork worker 0 gen 1 within 2 s"
    )
    served.wait_for("loader gen 1 .* is ready")
    served.wait_for("worker 0 gen 1 .* is ready")
    assert served.ask()
    assert served.stop() == 0


def test_a_zygote_that_does_not_fork_is_replaced(master: Make) -> None:
    served = master(config={"boot_timeout_s": 0.5}).start().started()
    time.sleep(0.4)
    (zygote,) = served.titled("loader")
    zygote.suspend()
    served.ask("die 1")
    served.wait_for(r"worker 0 gen 1 \[\?\] did not become ready within 0.5 s")
    served.wait_for(rf"loader gen 1 \[{zygote.pid}\] did not fork worker 0 gen 1")
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
