"""Reloads, with real processes."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.supervisor.masters import Master, until

Make = Callable[..., Master]


def hup(served: Master) -> None:
    served.signal(signal.SIGHUP)


def test_new_settings_and_code_take_over_worker_by_worker(master: Make) -> None:
    served = master(config={"workers": 2}, answer="old").start().started(2)
    served.write_settings(config={"workers": 3}, answer="new", load_s=0.3)
    hup(served)
    served.wait_for("reload: generation 2")
    assert served.ask().endswith("1 old"), "it keeps serving while the new one loads"
    served.wait_for("worker 0 gen 2 .* is ready")
    served.wait_for("reload done: generation 2 serves")
    assert served.ask().endswith("2 new")
    new = ["echo: loader gen 2", *(f"echo: worker {slot} gen 2" for slot in range(3))]
    until(lambda: served.titles() == new, "nothing of the old one")
    assert served.stop() == 0


def test_no_request_is_lost_while_reloading(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    answers: list[str] = []
    over = threading.Event()

    def client() -> None:
        while not over.is_set():
            answers.append(served.ask("steady"))

    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()
    for generation in (2, 3):
        hup(served)
        served.wait_for(f"reload done: generation {generation}")
    over.set()
    for thread in threads:
        thread.join(15)
    assert served.stop() == 0
    assert all(answer.count(" ") == 3 for answer in answers)
    assert {answer.split()[2] for answer in answers} == {"1", "2", "3"}
    assert sorted(served.records()) == sorted(f"steady by {answer.split()[0]}" for answer in answers)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"load": "raise"}, "RuntimeError: no such module"),
        ({"load": "exit"}, "SystemExit: not today"),
        ({"load": "vanish"}, "exited with status 7"),
        ({"load_s": 30, "config": {"boot_timeout_s": 0.3}}, "did not become ready within 0.3 s"),
        ({"run": "exit"}, "2 workers of the new generation died young"),
        ({"config": {"workers": 0}}, "workers is 0: at least 1 is wanted"),
        ({"config": {"workers": 99}}, "workers is 99: the scoreboard was made for 16"),
        ({"config": {"threads": 999}}, "threads is 999: the scoreboard was made for 64"),
        ({"config": {"binds": ["127.0.0.1:0", "192.0.2.1:1"]}}, "cannot bind '192.0.2.1:1'"),
        ({"config": {"access_log": "/no/such/log"}}, "No such file or directory"),
    ],
)
def test_a_generation_that_fails_changes_nothing(master: Make, broken: dict[str, object], said: str) -> None:
    served = master(config={"workers": 2}, answer="old").start().started(2)
    before = {process.pid for process in served.descendants()}
    served.write_settings(**{"answer": "new", **broken})  # type: ignore[arg-type]
    hup(served)
    served.wait_for("reload failed, generation 1 keeps serving")
    assert said in served.text()
    assert served.ask().endswith("1 old")
    until(lambda: {process.pid for process in served.descendants()} == before, "no other process than before")
    assert served.stop() == 0
    assert len(served.records()) == 1


def test_a_mended_generation_is_taken(master: Make) -> None:
    served = master(answer="old").start().started()
    served.write_settings(load="raise")
    hup(served)
    served.wait_for("reload failed")
    served.write_settings(load="", answer="mended")
    hup(served)
    served.wait_for("reload done: generation 3")
    assert served.ask().endswith("3 mended")
    assert served.stop() == 0


def test_many_at_a_time_become_one_more(master: Make) -> None:
    served = master(config={"workers": 2}, load_s=0.2).start().started(2)
    most = 0
    for number in range(25):
        hup(served)
        most = max(most, len({title.split()[-1] for title in served.titles() if "worker" in title}))
        if number == 12:
            served.wait_for("one more follows")
        time.sleep(0.02)
    served.write_settings(answer="newest")
    hup(served)
    served.wait_for("reload done")
    until(lambda: served.ask().endswith("newest"), "ends on the newest")
    assert most <= 2
    assert served.text().count("] reload: generation") <= 4
    assert served.stop() == 0


def test_what_runs_on_the_old_is_finished(master: Make) -> None:
    served = master().start().started()
    with served.hold("hold 0.8") as held:
        time.sleep(0.1)
        hup(served)
        served.wait_for("worker 0 gen 2 .* is ready")
        assert held.makefile().readline().split()[2] == "1"
    served.wait_for("worker 0 gen 1 .* exited with status 0")
    assert served.stop() == 0


def test_an_old_worker_that_does_not_end_is_killed(master: Make) -> None:
    served = master(config={"drain_timeout_s": 0.3}).start().started()
    with served.hold("hold 30") as held:
        time.sleep(0.1)
        hup(served)
        served.wait_for(r"\[error\] worker 0 gen 1 \[\d+\] did not end within 0.3 s")
        assert held.recv(1) == b""
    assert served.ask().split()[2] == "2"
    assert served.stop() == 0
    assert "killed hold 30" in served.records()


def test_a_stray_death_does_not_undo_it(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    hup(served)
    victim = served.wait_for(r"worker 0 gen 2 \[(\d+)\] is ready").group(1)
    os.kill(int(victim), signal.SIGKILL)
    served.wait_for("reload done: generation 2")
    assert len(served.titled("worker . gen 2")) == 2
    assert served.stop() == 0


def test_addresses_change_with_the_settings(master: Make, tmp_path: Path) -> None:
    served = master(config={"binds": ["127.0.0.1:0", f"unix:{tmp_path}/old"]}).start().started()
    served.write_settings(config={"binds": ["127.0.0.1:0", f"unix:{tmp_path}/new"]})
    hup(served)
    served.wait_for(f"listening on unix:{tmp_path}/new")
    served.wait_for("reload done")
    assert served.ask().split()[2] == "2", "the port that stays is the same socket"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{tmp_path}/new")
        client.sendall(b"x\n")
        assert client.makefile().readline()
    assert not (tmp_path / "old").exists()
    assert served.stop() == 0


def test_scaling_outlives_a_reload(master: Make) -> None:
    served = master().start().started()
    served.signal(signal.SIGTTIN)
    served.wait_for("worker 1 gen 1 .* is ready")
    hup(served)
    served.wait_for("reload done")
    assert len(served.titled("worker . gen 2")) == 2
    assert served.stop() == 0


def test_scaling_outlives_a_reload_that_is_undone(master: Make) -> None:
    served = master().start().started()
    served.write_settings(config={"boot_timeout_s": 0.5}, run="unready")
    hup(served)
    served.wait_for(r"loader gen 2 \[\d+\] is ready")
    served.signal(signal.SIGTTIN)  # while the first worker of generation 2 has not failed yet
    served.wait_for("workers: 1 -> 2")
    served.wait_for("2 workers of the new generation died young")
    served.wait_for("reload failed")
    until(lambda: len(served.titled("worker . gen 1")) == 2, "as many as were asked for meanwhile")
    assert served.stop() == 0


def test_term_during_a_reload(master: Make) -> None:
    served = master().start().started()
    served.write_settings(load_s=30)
    hup(served)
    served.wait_for("reload: generation 2")
    assert served.stop() == 0
