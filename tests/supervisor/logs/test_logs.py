"""The logs of a real master and its workers: no line is lost or broken."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.supervisor.masters import Master, until
from webpy.supervisor.control.client import ControlClient

Make = Callable[..., Master]
Broken = dict[str, Any]


def test_every_answer_has_its_record(master: Make) -> None:
    served = master(config={"workers": 3}).start().started(3)
    answers: list[str] = []

    def client(number: int) -> None:
        for index in range(150):
            answers.append(f"{number}-{index} by {served.ask(f'{number}-{index}').split()[0]}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert served.stop() == 0
    assert len(answers) == 600
    assert sorted(served.records()) == sorted(answers)


def test_rings_that_are_full_make_workers_wait(master: Make) -> None:
    rings = {"ring_bytes": 4096, "pool_ring_bytes": 2048}
    served = master(config={"workers": 2, "log_full": "wait", **rings}).start().started(2)
    pids = {served.ask("flood 4000").split()[0] for _ in range(2)}
    assert served.stop() == 0
    records = served.records()
    assert len(records) == 2 * 8001
    for pid in pids:
        for word, letter in (("flood", "x"), ("pool", "y")):
            lines = [line for line in records if line.startswith(f"{word} {pid} ")]
            assert set(lines) == {f"{word} {pid} {number} {letter * 80}" for number in range(4000)}


def test_what_a_killed_worker_had_written_is_there(master: Make) -> None:
    served = master(config={"workers": 1, "log_full": "wait"}).start().started()
    pid = int(served.ask().split()[0])
    with served.hold("flood 10000000"):
        until(lambda: len(served.records()) > 5000, "records come")
        os.kill(pid, signal.SIGKILL)
        served.wait_for("was killed")
        served.wait_for("is ready")
    assert served.stop() == 0
    records = served.records()
    flood = [line for line in records if line.startswith(f"flood {pid}")]
    assert flood == [f"flood {pid} {number} {'x' * 80}" for number in range(len(flood))]
    assert records[-1] == "killed flood 10000000"


def test_reopening_under_load_loses_nothing(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    log = served.folder / "access.log"
    over = threading.Event()
    answers: list[str] = []

    def client() -> None:
        while not over.is_set():
            answers.append(served.ask("steady"))

    threads = [threading.Thread(target=client) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(5):
        log.rename(served.folder / f"access.log.{number}")
        served.signal(signal.SIGUSR1)
        served.wait_for("log files reopened")
        until(log.exists, "a new file")
    over.set()
    for thread in threads:
        thread.join(15)
    assert served.stop() == 0
    lines = [line for file in served.folder.glob("access.log*") for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(f"steady by {answer.split()[0]}" for answer in answers)


def test_an_error_log_file_is_the_masters_alone(master: Make, tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    served = master(config={"workers": 2, "error_log": str(path)}).start()

    def text() -> str:
        return path.read_text() if path.exists() else ""

    until(lambda: text().count("] is ready") == 3, "zygote and workers")
    port = int(text().split("listening on 127.0.0.1:")[1].split()[0])
    served.lines.append(f"listening on 127.0.0.1:{port}")
    served.ask("say something is wrong")
    until(lambda: "something is wrong\n" in text(), "a worker's line")
    path.rename(tmp_path / "error.log.1")
    served.signal(signal.SIGUSR1)
    until(lambda: "log files reopened" in text(), "the new file")
    served.ask("say it still is")
    until(lambda: "it still is\n" in text(), "a worker's line in the new file")
    holders = [
        process.pid
        for process in served.descendants()
        if any("error.log" in file.path for file in process.open_files())
    ]
    assert holders == []
    assert served.stop() == 0
    assert text().endswith("stopped\n")
    assert served.lines[1:] == []


def test_a_reload_may_move_the_logs(master: Make, tmp_path: Path) -> None:
    served = master().start().started()
    served.ask("before")
    served.write_settings(config={"access_log": str(tmp_path / "other")})
    served.signal(signal.SIGHUP)
    served.wait_for("reload done")
    served.ask("after")
    assert served.stop() == 0
    assert [line.split(" by ")[0] for line in served.records()] == ["before"]
    assert (tmp_path / "other").read_text().startswith("after by")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"config": {"error_log": "/no/such/log"}}, "error_log is '/no/such/log': No such file or directory"),
        ({"config": {"error_log": "/"}}, "error_log is '/': Is a directory"),
        ({"config": {"control": "/no/such/socket"}}, "control is '/no/such/socket': .*No such file"),
        ({"config": {"binds": ["127.0.0.1:0", "127.0.0.2:0", "192.0.2.1:1"]}}, "cannot bind '192.0.2.1:1'"),
        ({"load": "raise"}, "RuntimeError: no such module"),
        ({"run": "exit"}, "2 workers of the new generation died young"),
    ],
)
def test_a_failed_reload_changes_nothing(master: Make, tmp_path: Path, broken: Broken, said: str) -> None:
    control = tmp_path / "control"
    served = master(config={"control": str(control)}).start()
    until(lambda: control.exists() and answers(control), "a worker is ready")
    fds = descriptors(served)
    bad = {"access_log": str(tmp_path / "other"), "error_log": str(tmp_path / "error"), "control": f"{control}2"}
    bad.update(broken.pop("config", {}))
    served.write_settings(config=bad, **broken)
    with ControlClient(control) as client:
        verdict = client.ask("reload", 20, wait=True)
    assert not verdict["ok"] and re.search(said, verdict["text"])
    served.ask("after")
    assert answers(control), "on the old socket"
    served.wait_for("reload failed")
    until(lambda: descriptors(served) <= fds + 2, "nothing is left open but a pipe for what children say")
    assert [line.split(" by ")[0] for line in served.records()] == ["after"]
    assert not Path(f"{control}2").exists()
    for other in (tmp_path / "other", tmp_path / "error"):
        assert not other.exists() or not other.read_bytes()
    assert served.stop() == 0


def answers(control: Path) -> bool:
    with ControlClient(control) as client:
        workers = client.ask("status", 10)["status"]["workers"]
    return bool(workers) and all(worker["state"] == "ready" for worker in workers)


def descriptors(served: Master) -> int:
    """How many the master has open."""
    return len(os.listdir(f"/proc/{served.process.pid}/fd"))


def test_until_a_reload_is_done_the_logs_stay(master: Make, tmp_path: Path) -> None:
    served = master().start().started()
    logs = {"access_log": str(tmp_path / "other"), "error_log": str(tmp_path / "error")}
    served.write_settings(config=logs, load_s=1)
    served.signal(signal.SIGHUP)
    served.wait_for("reload: generation 2")
    served.ask("meanwhile")
    error = tmp_path / "error"
    until(lambda: error.exists() and "reload done" in error.read_text(), "it is done")
    served.ask("after")
    served.ask("say of a worker")
    assert served.stop() == 0
    assert [line.split(" by ")[0] for line in served.records()] == ["meanwhile"]
    records = (tmp_path / "other").read_text().splitlines()
    assert [line.split(" by ")[0] for line in records] == ["after", "say of a worker"]
    assert "of a worker\n" in error.read_text()
    assert "is ready" in served.text()


def test_a_full_disk_makes_records_wait(master: Make) -> None:
    served = master()
    log = served.folder / "access.log"
    log.symlink_to("/dev/full")
    served.start().started()
    served.ask("one")
    served.wait_for("cannot write access log .*: No space left on device; lines wait in memory")
    served.ask("two")
    log.unlink()
    served.signal(signal.SIGUSR1)
    served.wait_for("is written again")
    assert served.stop() == 0
    assert [line.split(" by ")[0] for line in served.records()] == ["one", "two"]


def test_lines_that_find_no_room_are_dropped_and_counted(master: Make) -> None:
    """The disk is full: workers answer on, and what happened is said once as it begins and once as it ends."""
    rings = {"ring_bytes": 4096, "pool_ring_bytes": 2048}
    served = master(config={"workers": 1, "control": "auto", **rings})
    log = served.folder / "access.log"
    log.symlink_to("/dev/full")
    served.start().started()
    for number in range(300):
        assert served.ask(f"full {number}")
    served.wait_for("access log accepts no more lines for now: lines that find no room are dropped")
    log.unlink()
    served.signal(signal.SIGUSR1)
    dropped = int(served.wait_for(r"the access log continues; (\d+) lines found no room and were dropped")[1])
    assert served.ask("after")
    assert served.stop() == 0
    written = [line.split(" by ")[0] for line in served.records()]
    assert written == [*(f"full {number}" for number in range(300 - dropped)), "after"]
    assert sum("no room" in line for line in served.lines) == 2


def test_a_flood_past_the_rings_keeps_whole_lines_and_a_count(master: Make) -> None:
    rings = {"ring_bytes": 4096, "pool_ring_bytes": 2048}
    served = master(config={"workers": 1, **rings}).start().started()
    pid = served.ask("flood 4000").split()[0]
    dropped = int(served.wait_for(r"the access log continues; (\d+) lines found no room and were dropped")[1])
    assert served.stop() == 0
    records = served.records()
    assert len(records) + dropped == 8001
    known = {f"flood {pid} {number} {'x' * 80}" for number in range(4000)}
    known |= {f"pool {pid} {number} {'y' * 80}" for number in range(4000)}
    assert set(records) - known <= {f"flood 4000 by {pid}"}


def test_workers_answer_while_the_master_stands_still(master: Make) -> None:
    served = master(config={"workers": 1, "ring_bytes": 4096, "pool_ring_bytes": 2048}).start().started()
    assert served.address
    served.process.send_signal(signal.SIGSTOP)
    try:
        for number in range(300):
            assert served.ask(f"stopped {number}", timeout_s=5)
    finally:
        served.process.send_signal(signal.SIGCONT)
    served.wait_for(r"the access log continues; \d+ lines found no room")
    assert served.stop() == 0


def test_a_stop_does_not_wait_for_a_log_that_takes_nothing(master: Make) -> None:
    served = master(config={"workers": 1})
    (served.folder / "access.log").symlink_to("/dev/full")
    served.start().started()
    for _ in range(5):
        served.ask("lost")
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 4
    served.wait_for("5 lines of the access log were discarded at the end: they could not be written", anew=False)


def test_workers_are_replaced_while_the_log_takes_nothing(master: Make) -> None:
    """A dead worker's row is kept until its records are written; with a full disk the rows must not run out."""
    served = master(config={"workers": 1, "healthy_after_s": 0.01})
    (served.folder / "access.log").symlink_to("/dev/full")
    served.start().started()
    pids = set()
    for _ in range(2 * 16 + 4 + 6):
        pid = served.ask("more").split()[0]
        pids.add(pid)
        time.sleep(0.06)  # one that lived so long is replaced at once
        os.kill(int(pid), signal.SIGKILL)
        until(lambda: not psutil.pid_exists(int(pid)), "it has gone")  # noqa: B023
    assert len(pids) == 42
    assert served.stop() == 0
