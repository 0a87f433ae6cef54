"""The watchdog under real masters: what hangs, what is only slow, and what must not be taken for either."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from tests.supervisor.masters import Master, until

pytestmark = pytest.mark.slow

Make = Callable[..., Master]


def pid_of(served: Master) -> int:
    return int(served.ask().split()[0])


def stacks_after(served: Master, pattern: str) -> str:
    """Wait for a line, and for the stacks below it; return both."""
    first = served.wait_for(pattern, timeout_s=10).string
    lines: list[str] = []

    def whole() -> bool:
        nonlocal lines
        at = served.lines.index(first)
        lines = served.lines[at : at + 60]
        return any(line.startswith("  File") for line in lines) or "no stacks" in "".join(lines)

    until(whole, "the stacks")
    return "\n".join(lines)


@pytest.mark.parametrize(("kind", "where"), [("spin", "spin_for_ever"), ("lock", "wait_for_a_lost_lock")])
def test_work_that_hangs_has_its_worker_replaced_and_killed(master: Make, kind: str, where: str) -> None:
    served = master(config={"request_timeout_s": 0.5}, beat=True).start().started()
    pid = pid_of(served)
    served.ask(f"task {kind}")
    began = time.monotonic()
    served.wait_for(
        rf"\[error\] worker 0 gen 1 \[{pid}\] hangs: '10.0.0.1 task {kind}' runs for "
        r"0\.[5-9] s, longer than the limit of 0\.5 s; it will be replaced"
    )
    told = stacks_after(served, rf"\[error\] stacks of worker 0 gen 1 \[{pid}\], which hangs")
    assert f"in {where}" in told
    served.wait_for("worker 0 gen 1 .* is ready", anew=False)
    served.wait_for(rf"\[{pid}\] hung: .*nothing else is left of it; it is killed, and with it 1 piece of work:")
    served.wait_for(rf"^  '10.0.0.1 task {kind}' runs, \d\.\d s so far")
    served.wait_for(r"^Its stacks of \d\.\d s ago are above\.")
    served.wait_for(rf"\[error\] worker 0 gen 1 \[{pid}\] hung: '10.0.0.1 task {kind}' runs for")
    assert time.monotonic() - began < 4
    assert pid_of(served) != pid
    assert served.stop() == 0
    assert f"killed 10.0.0.1  task {kind}" in served.records()


def test_the_replacement_comes_first_and_other_work_is_finished(master: Make) -> None:
    served = master(config={"request_timeout_s": 0.4}, beat=True, load_s=0.2).start().started()
    pid = pid_of(served)
    served.ask("task spin")
    served.ask("task sending 2.5")
    served.wait_for("hangs")
    served.wait_for(r"worker 0 gen 1 \[\d+\] is ready")
    assert os.path.exists(f"/proc/{pid}"), "what is not overdue goes on"
    until(lambda: pid_of(served) != pid, "the old one has heard that it is to drain")
    served.wait_for(rf"worker 0 gen 1 \[{pid}\] hung")
    assert served.stop() == 0
    assert [line for line in served.records() if line.startswith("killed")] == ["killed 10.0.0.1  task spin"]


def test_what_moves_or_waits_or_is_sent_is_no_hang(master: Make) -> None:
    served = master(config={"request_timeout_s": 0.4, "slow_request_s": 0.2}, beat=True).start().started()
    pid = pid_of(served)
    for kind in ("stream", "sending", "queued"):
        served.ask(f"task {kind} 1.5")
    served.wait_for(r"\[warning\] slow on worker 0 .*: 1 more wait for a thread, .*'10.0.0.1 task queued'")
    time.sleep(1.2)
    assert "hangs" not in served.text()
    assert served.text().count("slow on") == 1
    assert pid_of(served) == pid
    assert served.stop() == 0


def test_slow_work_is_told_once_with_its_stack_and_lives(master: Make) -> None:
    served = master(config={"slow_request_s": 0.3}, beat=True).start().started()
    pid = pid_of(served)
    served.ask("task lock")
    told = stacks_after(served, r"\[warning\] slow on worker 0 gen 1 .*: '10.0.0.1 task lock' runs for 0\.\d s")
    assert "wait_for_a_lost_lock" in told
    assert "Current thread" not in told, "one stack, not that of the loop"
    time.sleep(0.8)
    assert served.text().count("slow on") == 1
    served.ask("task sleep 0.6")
    served.wait_for("slow on .*: '10.0.0.1 task sleep'")
    assert pid_of(served) == pid


def test_a_loop_in_c_that_holds_the_gil(master: Make) -> None:
    served = master(config={"heartbeat_timeout_s": 0.6, "workers": 2}, beat=True).start().started(2)
    with served.hold("gil"):
        served.wait_for(r"hangs: its event loop has stood still for 0\.\d s; it will be replaced")
        told = stacks_after(served, "stacks of")
        assert "hold_the_gil" in told and "zygote.py" not in told, "frames below the application are left out"
        served.wait_for(r"worker \d gen 1 \[\d+\] hung: its event loop has stood still")
        assert served.ask()
    until(lambda: len(served.titled("worker")) == 2, "two workers")
    assert served.stop() == 0
    assert "killed gil" in served.records()


def test_a_stopped_worker_is_replaced(master: Make) -> None:
    served = master(config={"heartbeat_timeout_s": 0.6}, beat=True).start().started()
    pid = pid_of(served)
    os.kill(pid, signal.SIGSTOP)
    served.wait_for(rf"worker 0 gen 1 \[{pid}\] hangs: it is stopped, by a signal")
    assert "in run" in stacks_after(served, "stacks of")
    served.wait_for("worker 0 gen 1 .* is ready", anew=False)
    until(lambda: not os.path.exists(f"/proc/{pid}"), "it ends")
    assert pid_of(served) != pid
    assert served.stop() == 0


def test_a_worker_that_was_stopped_with_the_master_is_not_late(master: Make) -> None:
    config = {"heartbeat_timeout_s": 1.2, "request_timeout_s": 1.5, "drain_timeout_s": 2.5, "workers": 2}
    served = master(config=config, beat=True).start(start_new_session=True).started(2)
    pids = {process.pid for process in served.titled("worker")}
    with served.hold("hold 1"):
        served.ask("task sleep 0.9")
        os.killpg(served.process.pid, signal.SIGSTOP)
        time.sleep(2.8)
        os.killpg(served.process.pid, signal.SIGCONT)
        time.sleep(1.0)
    assert "hangs" not in served.text()
    assert {process.pid for process in served.titled("worker")} == pids
    served.signal(signal.SIGTERM)
    assert served.wait() == 0
    assert "killed" not in served.text()


def test_a_slot_whose_successor_fails_keeps_its_worker(master: Make) -> None:
    served = master(config={"request_timeout_s": 0.4, "boot_timeout_s": 0.3}, beat=True, fail_after=1).start().started()
    time.sleep(0.4)
    pid = pid_of(served)
    served.ask("task spin")
    served.wait_for("hangs")
    for _ in range(2):
        served.wait_for(r"worker 0 gen 1 \[\d+\] did not become ready within 0.3 s")
    assert pid_of(served) == pid
    served.write_settings(fail_after=0, config={"boot_timeout_s": 10.0})
    served.signal(signal.SIGHUP)
    served.wait_for("reload done")
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the stuck one goes")
    assert served.ask().split()[2] == "2"
    assert served.stop() == 0


def test_a_stuck_worker_does_not_hold_up_a_reload(master: Make) -> None:
    config = {"request_timeout_s": 0.4, "heartbeat_timeout_s": 0.6, "drain_timeout_s": 1.0, "workers": 2}
    served = master(config=config, beat=True).start().started(2)
    first = pid_of(served)
    served.ask("task spin")
    served.ask("task spin")
    os.kill(next(process.pid for process in served.titled("worker") if process.pid != first), signal.SIGSTOP)
    served.signal(signal.SIGHUP)
    served.wait_for("reload done", timeout_s=5)
    served.signal(signal.SIGHUP)
    served.wait_for("reload done: generation 3", timeout_s=5)
    assert served.ask().split()[2] == "3"
    assert "going back" not in served.text()
    assert served.stop() == 0


def test_late_workers_say_what_they_did(master: Make) -> None:
    served = master(config={"drain_timeout_s": 0.4}).start().started()
    pid = pid_of(served)
    served.ask("task lock")
    served.signal(signal.SIGTERM)
    told = stacks_after(served, rf"worker 0 gen 1 \[{pid}\] did not end within 0.4 s; it is killed, and with it")
    assert "'10.0.0.1 task lock' runs, 0." in told
    assert "wait_for_a_lost_lock" in told
    served.wait_for(rf"worker 0 gen 1 \[{pid}\] did not end within 0.4 s \(stopping\)")
    assert served.wait() == 0
    assert "killed 10.0.0.1  task lock" in served.records()


def test_a_worker_that_drains_is_told_of_the_stop(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    until(lambda: served.ask("task sleep 1.5").split()[1] == "1", "the worker that is to go has work")
    served.signal(signal.SIGTTOU)
    served.wait_for("workers: 2 -> 1")
    time.sleep(0.1)
    served.signal(signal.SIGTERM)
    served.wait_for("STOP while draining")
    assert served.wait() == 0
    assert "killed" not in served.text()


def test_a_scaled_down_worker_that_hangs_is_given_up(master: Make) -> None:
    config = {"workers": 2, "request_timeout_s": 1.0, "drain_timeout_s": 30}
    served = master(config=config, beat=True).start().started(2)
    hung: list[str] = []
    while len(set(hung)) < 2:
        served.ask("task lock")
        hung.append(served.ask("task lock").split()[0])
    served.signal(signal.SIGTTOU)
    served.wait_for(r"worker 1 gen 1 \[\d+\] hung", timeout_s=8)
    until(lambda: len(served.titled("worker")) == 1, "one worker")
    served.signal(signal.SIGQUIT)
    assert served.wait() == 0


def test_hangs_while_a_reload_proves_itself_are_no_young_deaths(master: Make) -> None:
    config = {"request_timeout_s": 0.3, "healthy_after_s": 3.0, "workers": 2}
    served = master(config=config, beat=True).start().started(2)
    served.signal(signal.SIGHUP)
    for _ in range(2):
        served.wait_for(r"worker \d gen 2 .* is ready")
    until(lambda: not served.titled("worker . gen 1"), "the old ones go")
    for _ in range(3):
        served.ask("task lock")
        served.wait_for(r"worker \d gen 2 \[\d+\] hung: ")
        served.wait_for(r"\[error\] worker \d gen 2 \[\d+\] hung: .* nothing else is left of it$")
    served.wait_for("reload done: generation 2 serves")
    assert "died young" not in served.text()
    assert served.ask().split()[2] == "2"
    assert served.stop() == 0


def test_a_worker_that_waits_for_the_log_does_not_hang(master: Make) -> None:
    config = {"heartbeat_timeout_s": 0.5, "request_timeout_s": 0.5, "access_log": "-", "ring_bytes": 1 << 16}
    served = master(config=config, beat=True).start(stdout=subprocess.PIPE).started()
    assert served.process.stdout is not None
    pid = pid_of(served)
    with served.hold("fill 400") as filling:
        time.sleep(1.5)
        assert "hangs" not in served.text()
        reader = threading.Thread(target=served.process.stdout.read)
        reader.start()
        assert int(filling.makefile().readline().split()[0]) == pid
    assert served.stop() == 0
    reader.join()
    served.process.stdout.close()
