"""Every command to a real master: what it does, what it answers, and what it refuses."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.masters import Master, until
from webpy.supervisor.control.client import ControlClient, ControlError

Make = Callable[..., Master]


@contextlib.contextmanager
def commanded(
    master: Make, tmp_path: Path, workers: int = 1, **settings: Any
) -> Iterator[tuple[Master, ControlClient]]:
    path = tmp_path / "control.sock"
    config = {"control": str(path), "workers": workers, **settings.pop("config", {})}
    served = master(config=config, **settings).start().started(workers)
    with ControlClient(path) as client:
        yield served, client


def refusal(client: ControlClient, command: str, **arguments: Any) -> str:
    reply = client.ask(command, 10, **arguments)
    assert set(reply) == {"ok", "text", "id"} and not reply["ok"]
    return str(reply["text"])


def workers(client: ControlClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.ask("status", 10)["status"]["workers"]
    return found


def test_reload_with_and_without_waiting(master: Make, tmp_path: Path) -> None:
    with commanded(master, tmp_path) as (served, client):
        reply = client.ask("reload", 10)
        assert reply["ok"] and reply["text"] == "reload accepted"
        assert served.wait_for(r"reload: asked by ctl \[(\d+)\] of uid (\d+)").groups() == (
            str(os.getpid()),
            str(os.geteuid()),
        )
        served.wait_for("reload done: generation 2")
        reply = client.ask("reload", 10, wait=True)
        assert (reply["ok"], reply["text"], reply["generation"]) == (True, "generation 3 serves", 3)
        served.write_settings(load="raise")
        reply = client.ask("reload", 10, wait=True)
        assert (reply["ok"], reply["generation"]) == (False, 3)
        assert "Traceback (most recent call last)" in reply["text"] and "RuntimeError: no such module" in reply["text"]
        served.write_settings(config={"workers": 0})
        reply = client.ask("reload", 10, wait=True)
        assert not reply["ok"] and "workers is 0: at least 1 is wanted" in reply["text"]
        served.write_settings(config={"workers": 1}, load=None)
        with ControlClient(tmp_path / "control.sock") as other:  # what is asked for during a reload is one more
            client.begin("reload", wait=True)
            until(lambda: other.ask("status", 10)["status"]["reload"]["phase"] != "idle", "a reload")
            served.write_settings(answer="newest")
            assert other.ask("reload", 20, wait=True)["ok"]
            reply = client.poll()
            assert reply is not None and reply["ok"] and served.ask().endswith("newest")


def test_scale(master: Make, tmp_path: Path) -> None:
    with commanded(master, tmp_path) as (served, client):
        reply = client.ask("scale", 10, workers=3)
        assert (reply["ok"], reply["text"], reply["workers"]) == (True, "workers: 1 -> 3", 3)
        until(lambda: [each["state"] for each in workers(client)] == ["ready"] * 3, "three workers")
        assert client.ask("scale", 10, workers=1)["ok"]
        until(lambda: [each["slot"] for each in workers(client)] == [0], "one worker")
        assert refusal(client, "scale", workers=0).startswith("workers is 0: 1 to 16 are possible")
        assert refusal(client, "scale", workers=17).startswith("workers is 17: 1 to 16 are possible")
        assert refusal(client, "scale") == "workers is None: a whole number is wanted"
        assert refusal(client, "scale", workers="2") == "workers is '2': a whole number is wanted"
        assert refusal(client, "scale", workers=True) == "workers is True: a whole number is wanted"
        assert len(workers(client)) == 1 and served.stop() == 0


def test_drain_replaces_first(master: Make, tmp_path: Path) -> None:
    with commanded(master, tmp_path, workers=2, drain_s=0.2) as (served, client):
        before = workers(client)
        reply = client.ask("drain", 10, slot=1)
        assert reply["ok"] and reply["text"] == f"worker 1 [{before[1]['pid']}] drains when its replacement serves"
        served.wait_for(r"worker 1 gen 1 \[\d+\] is ready")
        served.wait_for(rf"worker 1 gen 1 \[{before[1]['pid']}\] ")
        until(lambda: len(workers(client)) == 2, "the old one has gone")
        after = workers(client)
        assert after[0]["pid"] == before[0]["pid"] and after[1]["pid"] != before[1]["pid"]
        status = client.ask("status", 10)["status"]
        assert status["restarts"] == {"operator": 1} and status["totals"]["deaths"] == 0
        assert refusal(client, "drain", slot=2) == "slot is 2: no worker there, one of 0, 1 is wanted"
        assert refusal(client, "drain", slot=-1).startswith("slot is -1: no worker there")
        assert refusal(client, "drain", slot=1.0) == "slot is 1.0: a whole number is wanted"
        client.begin("drain", slot=0)  # both sent at once: the replacement cannot be ready before the second is read
        assert "already" in refusal(client, "drain", slot=0)


def test_stacks(master: Make, tmp_path: Path) -> None:
    with commanded(master, tmp_path, workers=2) as (served, client), served.hold("hold 5"):
        until(lambda: any(each["running"] for each in workers(client)), "a request")
        stacks = client.ask("stacks", 10)["stacks"]
        assert [each["slot"] for each in stacks] == [0, 1]
        assert [each["pid"] for each in stacks] == [each["pid"] for each in workers(client)]
        assert all("in accept" in each["text"] or "in run" in each["text"] for each in stacks)
        assert sum("in answer" in each["text"] for each in stacks) == 1
        (one,) = client.ask("stacks", 10, slot=1)["stacks"]
        assert (one["slot"], one["title"]) == (1, "worker 1 gen 1")
        assert refusal(client, "stacks", slot=5).startswith("slot is 5: no worker there")
        os.kill(one["pid"], signal.SIGKILL)  # while it is asked
        assert client.ask("stacks", 10)["ok"]


def test_logs_reopen(master: Make, tmp_path: Path) -> None:
    with commanded(master, tmp_path) as (served, client):
        log = served.folder / "access.log"
        served.ask("one")
        until(lambda: log.read_text(), "a record")
        log.rename(log.with_suffix(".1"))
        assert client.ask("logs-reopen", 10)["text"] == "log files reopened"
        served.ask("two")
        until(lambda: log.read_text().startswith("two by"), "the new file is written")
        log.rename(log.with_suffix(".2"))
        log.mkdir()
        assert refusal(client, "logs-reopen") == "cannot reopen the access log: Is a directory; the old file is kept"
        served.ask("three")
        until(lambda: "three by" in log.with_suffix(".2").read_text(), "the old file is written on")


def test_stop(master: Make, tmp_path: Path) -> None:
    with commanded(master, tmp_path, config={"shutdown_delay_s": 0.5}) as (served, client):
        with served.hold("hold 0.7") as connection:
            until(lambda: workers(client)[0]["running"], "the request")
            assert client.ask("stop", 10)["text"] == "stopping"
            assert client.ask("status", 10)["status"]["stage"] == "delaying"
            assert client.ask("stop", 10)["text"] == "stopping already", "however often: it stays graceful"
            assert refusal(client, "reload", wait=True).startswith("no reload now: stopping")
            assert refusal(client, "scale", workers=2).startswith("no scale now: stopping")
            assert refusal(client, "drain", slot=0).startswith("no drain now: stopping")
            assert connection.makefile().readline(), "what ran is answered"
        assert served.wait() == 0
        served.wait_for(r"stopping \(asked by ctl\)", anew=False)
        with pytest.raises(ControlError):
            client.ask("status", 10)


def test_who_waits_for_a_reload_is_told_of_the_stop(master: Make, tmp_path: Path) -> None:
    with commanded(master, tmp_path) as (served, client), ControlClient(tmp_path / "control.sock") as other:
        served.write_settings(load_s=5)
        client.begin("reload", wait=True)
        until(lambda: other.ask("status", 10)["status"]["reload"]["phase"] == "booting", "the reload")
        other.begin("reload", wait=True)  # to be one more
        served.wait_for("one more follows")
        served.signal(signal.SIGTERM)
        for waiting in (client, other):
            while (reply := waiting.poll()) is None:
                pass
            assert (reply["ok"], reply["text"]) == (False, "the master is stopping")
        assert served.wait() == 0


def test_what_is_no_command(master: Make, tmp_path: Path) -> None:
    with commanded(master, tmp_path) as (served, client):
        names = "status, reload, renew, scale, stop, drain, stacks, logs-reopen, upgrade"
        for command in ("statsu", "_stop", "", None, 3, ["stop"]):
            assert refusal(client, command) == f"command is {command!r}: one of {names} is wanted"  # type: ignore[arg-type]
        assert refusal(client, "stop", now=True) == "stop takes no arguments: not now"
        assert refusal(client, "reload", wait="yes") == "wait is 'yes': true or false is wanted"
        assert refusal(client, "reload", wiat=True) == "reload takes wait: not wiat"
        assert served.ask() and "[critical]" not in served.text()


def test_while_it_starts(master: Make, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    served = master(config={"control": str(path)}, load_s=0.5).start()
    until(path.exists, "the socket")
    with ControlClient(path) as client:
        status = client.ask("status", 10)["status"]
        assert (status["stage"], status["workers"], status["reload"]["last"]) == ("starting", [], None)
        assert refusal(client, "reload") == "no reload now: starting"
        assert client.ask("stacks", 10)["stacks"] == []
        assert refusal(client, "drain", slot=0) == "slot is 0: no worker there, one of (none) is wanted"
        served.started()
        assert client.ask("status", 10)["status"]["stage"] == "running"
