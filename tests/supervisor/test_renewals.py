"""New content for running workers, by a real master: who has it when, and what happens to content that is no good."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.supervisor.masters import Master, until
from webpy.supervisor.control.client import ControlClient

Make = Callable[..., Master]


class Letters:
    """A master with two workers whose content is in a file."""

    def __init__(self, served: Master, client: ControlClient, path: Path) -> None:
        self.served = served
        self.client = client
        self.path = path

    def renew(self, content: str) -> tuple[bool, str]:
        """Write new content, have it taken on, and return the verdict."""
        self.path.write_text(content)
        reply = self.client.ask("renew", 15, wait=True)
        return reply["ok"], reply["text"]

    def in_use(self) -> set[str]:
        """What the workers use, each asked many times."""
        return {self.served.ask("content") for _ in range(20)}

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.ask("status", 10)["status"]
        return found


@contextlib.contextmanager
def lettered(make: Make, folder: Path, **config: Any) -> Iterator[Letters]:
    path, control = folder / "content", folder / "control.sock"
    path.write_text("first")
    served = make(config={"control": str(control), "workers": 2, **config}, content=str(path)).start().started(2)
    with ControlClient(control) as client:
        yield Letters(served, client, path)


def test_running_workers_and_later_ones_take_it(master: Make, tmp_path: Path) -> None:
    with lettered(master, tmp_path) as letters:
        served = letters.served
        pids = {served.ask().split()[0] for _ in range(20)}
        assert letters.in_use() == {"first"}
        assert letters.renew("second") == (True, "new letters taken on by 2 workers")
        assert letters.in_use() == {"second"}
        assert {served.ask().split()[0] for _ in range(20)} <= pids  # no worker was replaced
        status = letters.status()
        assert (status["renewals"], status["renewals_failed"]) == (1, 0)
        assert status["facts"]["in_use"] == "second"
        assert status["events"][-1]["kind"] == "renewal"
        letters.path.write_text("third")  # nobody says so: neither a new worker nor a new zygote reads it
        served.ask("die 9")
        served.wait_for(r"worker \d gen 1 .* is ready")
        os.kill(int(status["facts"]["pid"]), signal.SIGKILL)
        served.wait_for("loader gen 1 .* is ready")
        served.ask("die 9")
        served.wait_for(r"worker \d gen 1 .* is ready")
        assert letters.in_use() == {"second"}
        assert letters.client.ask("renew", 10)["text"] == "renewal accepted"
        served.wait_for("new letters taken on by 2 workers")
        assert letters.in_use() == {"third"}
        assert letters.client.ask("renew", 10, wait=True)["text"] == "nothing has changed"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("bad", "these are no letters"),
        ("fault", "RuntimeError: it cannot read"),
        ("deadly", "the loader died of the new ones"),
    ],
)
def test_what_the_zygote_cannot_use_changes_nothing(master: Make, tmp_path: Path, content: str, why: str) -> None:
    with lettered(master, tmp_path) as letters:
        assert letters.renew(content) == (False, why)
        letters.served.wait_for(f"the letters in use stay in use: {why}", anew=False)
        assert letters.in_use() == {"first"}
        assert letters.status()["renewals_failed"] == 1
        assert letters.renew("second") == (True, "new letters taken on by 2 workers")  # by the new zygote, if need be
        assert letters.in_use() == {"second"}


def test_a_file_that_cannot_be_read(master: Make, tmp_path: Path) -> None:
    with lettered(master, tmp_path) as letters:
        letters.path.unlink()
        reply = letters.client.ask("renew", 10, wait=True)
        assert not reply["ok"] and "No such file" in reply["text"]
        assert letters.in_use() == {"first"}


def test_a_worker_that_does_not_take_it_is_replaced(master: Make, tmp_path: Path) -> None:
    with lettered(master, tmp_path) as letters:
        assert letters.renew("loaders") == (True, "new letters taken on by 0 workers")
        letters.served.wait_for(r"worker \d gen 1 \[\d+\] takes on no new content: not for workers", anew=False)
        for _ in range(2):
            letters.served.wait_for(r"worker \d gen 1 \[\d+\] exited with status 0")
        assert letters.in_use() == {"loaders"}


def test_a_worker_that_dies_meanwhile_is_not_waited_for(master: Make, tmp_path: Path) -> None:
    with lettered(master, tmp_path) as letters:
        with letters.served.hold("stop"):
            until(lambda: _stopped(letters.served), "a stopped worker")
            (stopped,) = _stopped(letters.served)
            letters.path.write_text("second")
            letters.client.begin("renew", wait=True)
            until(lambda: letters.served.ask("content") == "second", "the other worker's renewal")
            stopped.kill()
        while (reply := letters.client.poll()) is None:
            pass
        assert (reply["ok"], reply["text"]) == (True, "new letters taken on by 1 worker")
        letters.served.wait_for(r"worker \d gen 1 .* is ready")
        assert letters.in_use() == {"second"}


def _stopped(served: Master) -> list[psutil.Process]:
    return [each for each in served.descendants() if each.status() == psutil.STATUS_STOPPED]


@pytest.mark.slow
def test_changes_are_noticed_if_the_settings_say_so(master: Make, tmp_path: Path) -> None:
    with lettered(master, tmp_path, watches=True) as letters:
        letters.path.write_text("an old one")
        letters.served.wait_for("new letters taken on by 2 workers")
        assert letters.in_use() == {"an old one"}
        letters.served.wait_for(r"\[warning\] the letters are an old one")
        letters.path.write_text("bad")
        letters.served.wait_for("the letters in use stay in use: these are no letters")
        letters.path.write_text("second")
        letters.served.wait_for("new letters taken on by 2 workers")
        assert letters.in_use() == {"second"}
        text = letters.served.text()
        assert text.count("are no letters") == text.count("the letters are") == 1


def test_a_reload_reads_it_and_a_renewal_follows_it(master: Make, tmp_path: Path) -> None:
    with lettered(master, tmp_path) as letters:
        letters.path.write_text("second")
        assert letters.client.ask("reload", 15, wait=True)["ok"]
        assert letters.in_use() == {"second"}
        assert letters.renew("third") == (True, "new letters taken on by 2 workers")
        assert letters.in_use() == {"third"}


def test_an_upgrade_reads_it_and_the_next_renewal_gives_it_to_the_workers(master: Make, tmp_path: Path) -> None:
    with lettered(master, tmp_path) as letters:
        letters.path.write_text("second")
        letters.served.signal(signal.SIGUSR2)
        letters.served.wait_for("upgrade done")
        assert letters.in_use() == {"first"}
        with ControlClient(tmp_path / "control.sock") as client:
            reply = client.ask("renew", 15, wait=True)
            assert (reply["ok"], reply["text"]) == (True, "new letters taken on by 2 workers")
            assert letters.in_use() == {"second"}
            assert client.ask("renew", 15, wait=True)["text"] == "nothing has changed"


def test_an_application_that_takes_nothing(master: Make, tmp_path: Path) -> None:
    control = tmp_path / "control.sock"
    master(config={"control": str(control)}).start().started()
    with ControlClient(control) as client:
        reply = client.ask("renew", 10, wait=True)
        assert (reply["ok"], reply["text"]) == (False, "the application takes nothing on without a reload")
