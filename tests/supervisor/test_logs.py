"""The logs of a real tree: no line lost or torn."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from tests.supervisor.masters import Master, until

Make = Callable[..., Master]


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
    served = master(config={"workers": 2, "ring_bytes": 4096, "pool_ring_bytes": 2048}).start().started(2)
    pids = {served.ask("flood 4000").split()[0] for _ in range(2)}
    assert served.stop() == 0
    records = served.records()
    assert len(records) == 2 * 8001
    for pid in pids:
        for word, letter in (("flood", "x"), ("pool", "y")):
            lines = [line for line in records if line.startswith(f"{word} {pid} ")]
            assert set(lines) == {f"{word} {pid} {number} {letter * 80}" for number in range(4000)}


def test_what_a_killed_worker_had_written_is_there(master: Make) -> None:
    served = master(config={"workers": 1}).start().started()
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


def test_a_failed_reload_leaves_the_logs_where_they_were(master: Make, tmp_path: Path) -> None:
    served = master().start().started()
    served.write_settings(config={"access_log": str(tmp_path / "other")}, load="raise")
    served.signal(signal.SIGHUP)
    served.wait_for("reload failed")
    served.ask("after")
    assert served.stop() == 0
    assert [line.split(" by ")[0] for line in served.records()] == ["after"]


def test_a_full_disk_makes_records_wait(master: Make) -> None:
    served = master()
    log = served.folder / "access.log"
    log.symlink_to("/dev/full")
    served.start().started()
    served.ask("one")
    served.wait_for("cannot write access log .*: No space left on device; records wait")
    served.ask("two")
    log.unlink()
    served.signal(signal.SIGUSR1)
    served.wait_for("is written again")
    assert served.stop() == 0
    assert [line.split(" by ")[0] for line in served.records()] == ["one", "two"]
