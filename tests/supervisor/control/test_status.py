"""The status of a real master: its shape, as status.py's docstring says, and its figures."""

from __future__ import annotations

import ast
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.supervisor.masters import Master, until
from webpy.supervisor import BUCKETS, bucket_bounds
from webpy.supervisor.control import status
from webpy.supervisor.control.client import ControlClient

Make = Callable[..., Master]


def example() -> dict[str, Any]:
    """The dict in the docstring."""
    assert status.__doc__
    text = status.__doc__[status.__doc__.index("\n{") :]
    for name, value in (("true", "True"), ("false", "False"), ("null", "None")):
        text = text.replace(name, value)
    parsed: dict[str, Any] = ast.literal_eval(text.strip())
    return parsed


def shape(value: object, wanted: object, path: str = "") -> list[str]:
    """Where `value` differs in its keys or types from `wanted`."""
    if isinstance(wanted, dict) and isinstance(value, dict):
        if path.endswith(("restarts", "latency", ".2")):
            return []  # keys are data
        wrong = [f"{path}.{key} is in one of them only" for key in set(value) ^ set(wanted)]
        for key in set(value) & set(wanted):
            wrong += shape(value[key], wanted[key], f"{path}.{key}")
        return wrong
    if isinstance(wanted, list) and isinstance(value, list):
        return [each for item in value[:1] for each in shape(item, wanted[0], f"{path}[]")] if wanted else []
    if value is None or (isinstance(wanted, float) and isinstance(value, int)):
        return []
    return [] if type(value) is type(wanted) else [f"{path} is {value!r}, like {wanted!r} is wanted"]


def ask(client: ControlClient) -> dict[str, Any]:
    told: dict[str, Any] = client.ask("status", 10)["status"]
    return told


def test_shape_and_figures(master: Make, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    config = {"control": str(path), "workers": 2, "threads": 4, "slow_request_s": 0.2, "scheme": "http"}
    began = time.time()
    served = master(config=config).start().started(2)
    with ControlClient(path) as client:
        for _ in range(5):
            served.ask("hello you")
        told = ask(client)
        events = told.pop("events")
        wanted = example()
        wanted.pop("events")
        for each in told["workers"]:
            each.pop("running")
        wanted["workers"][0].pop("running")
        assert not shape(told, wanted)
        assert told["name"] == "echo" and told["pid"] == served.process.pid
        assert began - 1 < told["started_at"] < time.time() and 0 < told["uptime_s"] < 60
        assert (told["stage"], told["generation"], told["wanted"]) == ("running", 1, 2)
        assert told["listeners"] == [f"{served.address[0]}:{served.address[1]}"]
        assert told["urls"] == [f"http://{served.address[0]}:{served.address[1]}"]
        assert told["reload"] == {"phase": "idle", "number": 1, "done": 0, "of": 0, "last": None}
        assert told["totals"]["requests"] == 5 == told["totals"]["by_class"]["2xx"]
        assert sum(told["latency"]["2"].values()) == 5 and not told["latency"]["5"]
        assert all(0 <= int(index) < BUCKETS == len(bucket_bounds()) for index in told["latency"]["2"])
        assert [each["slot"] for each in told["workers"]] == [0, 1]
        assert sum(each["requests"] for each in told["workers"]) == 5
        assert {each["pid"] for each in told["workers"]} == {each.pid for each in served.titled("worker")}
        for each in told["workers"]:
            assert each["state"] == "ready" and each["age_s"] >= each["ready_s"] > 0 and not each["leaving"]
        assert events[0]["kind"] == "start" and [each["kind"] for each in events].count("ready") >= 2
        assert events == sorted(events, key=lambda each: each["at"])
        assert told["log"]["bytes"] + told["log"]["pending_bytes"] > 0


def test_what_runs(master: Make, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    served = master(config={"control": str(path), "slow_request_s": 0.2}).start().started()
    with ControlClient(path) as client, served.hold("hold 1.5"):
        until(lambda: ask(client)["workers"][0]["running"], "the request")
        (worker,) = ask(client)["workers"]
        (running,) = worker["running"]
        assert (running["peer"], running["request"]) == ("hold", "1.5"), "the first word, and the rest"
        assert 0 <= running["seconds"] < 1.5
        until(lambda: ask(client)["workers"][0]["running"][0]["seconds"] > 0.25, "it is slow")
        (worker,) = ask(client)["workers"]
        busy = worker["running"][0]["thread"] != 0
        assert worker["busy_threads"] == busy and worker["queued"] == (not busy)
        assert worker["map"][:1] == [2] * busy


def test_deaths_reloads_and_what_they_leave(master: Make, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    served = master(config={"control": str(path)}).start().started()
    with ControlClient(path) as client:
        served.ask()
        (worker,) = ask(client)["workers"]
        with served.hold("hold 30"):
            until(lambda: ask(client)["workers"][0]["running"], "the request")
            os.kill(worker["pid"], signal.SIGKILL)
            served.wait_for(r"worker 0 gen 1 \[\d+\] was killed by SIGKILL")
            until(lambda: [each["state"] for each in ask(client)["workers"]] == ["ready"], "another worker")
        told = ask(client)
        assert told["totals"]["requests"] == 1, "what the dead counted is kept"
        assert (told["totals"]["deaths"], told["totals"]["killed_requests"]) == (1, 1)
        assert sum(told["restarts"].values()) == 1
        assert "death" in [each["kind"] for each in told["events"]]
        served.write_settings(load="raise")
        client.ask("reload", 10, wait=True)
        told = ask(client)
        assert (told["reloads"], told["reloads_failed"]) == (0, 1)
        last = told["reload"]["last"]
        assert not last["ok"] and last["generation"] == 1 and "no such module" in last["text"]
        assert abs(last["at"] - time.time()) < 10
        assert told["events"][-1]["kind"] == "reload-failed"


def test_a_reload_as_it_goes(master: Make, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    served = master(config={"control": str(path), "workers": 2}).start().started(2)
    with ControlClient(path) as client:
        client.ask("reload", 10)
        seen: list[tuple[str, int, int]] = []
        while (told := ask(client)["reload"])["phase"] != "idle":
            seen.append((told["phase"], told["done"], told["of"]))
        phases = list(dict.fromkeys(phase for phase, _, _ in seen))
        assert phases in (["booting", "rolling", "proving"], ["booting", "proving"])
        assert [done for phase, done, _ in seen if phase != "booting"] == sorted(
            done for phase, done, _ in seen if phase != "booting"
        )
        assert seen[-1] == ("proving", 2, 2)
        assert told["last"]["ok"] and told["number"] == 2
        assert served.stop() == 0


def test_it_costs_the_master_little(master: Make, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    served = master(config={"control": str(path), "workers": 4}).start().started(4)
    process = psutil.Process(served.process.pid)
    with ControlClient(path) as client:
        before = sum(process.cpu_times()[:2])
        for _ in range(100):
            ask(client)
        assert (sum(process.cpu_times()[:2]) - before) / 100 < 0.01
