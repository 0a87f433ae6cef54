"""`webpy ctl`: its output and exit statuses, with one master, several, none, and something that only looks like one."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.test_cli import Result, folder, run
from tests.server import ROOT
from tests.supervisor.conftest import master as master
from tests.supervisor.masters import Master, until

__all__ = ["folder", "master", "run"]  # fixtures

Run = Callable[..., Result]
Start = Callable[..., Master]


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    return tmp_path / "run"


@pytest.fixture
def start(master: Callable[..., Master], runtime: Path) -> Iterator[Start]:
    """Starts a master named webpy with its control socket in the runtime directory."""

    def start(workers: int = 1, **settings: object) -> Master:
        config = {"control": "auto", "name": "webpy", "workers": workers, **settings.pop("config", {})}  # type: ignore[dict-item]
        return master(config=config, **settings).start().started(workers)

    yield start


def test_status(start: Start, run: Run, runtime: Path) -> None:
    served = start(2)
    served.ask("hello there")
    result = run("ctl", "status")
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith(f"webpy [{served.process.pid}] running, generation 1, up ")
    assert lines[0].endswith("2 of 2 workers ready")
    assert lines[1] == f"listening on {served.address[0]}:{served.address[1]}"
    assert lines[2] == "requests 1: 2xx 1, 5xx 0"
    assert [line.split()[:4] for line in lines[-2:]] == [
        [str(slot), str(process.pid), "1", "ready"] for slot, process in enumerate(by_title(served))
    ]
    told = json.loads(run("ctl", "status", "--json").out)
    assert told["pid"] == served.process.pid and len(told["workers"]) == 2
    path = str(runtime / f"{served.process.pid}.sock")
    assert json.loads(run("ctl", "--control", path, "status", "--json").out)["pid"] == served.process.pid


@pytest.mark.parametrize("workers", [1, 2])
def test_health(start: Start, run: Run, workers: int) -> None:
    served = start(workers, config={"shutdown_delay_s": 600.0})
    assert run("ctl", "health") == Result(0, f"ready: {workers} of {workers} workers accept connections\n", "")
    assert "asked by" not in served.text(), "a check every few seconds is not to fill the error log"
    served.signal(signal.SIGTERM)
    served.wait_for("SIGTERM")
    result = run("ctl", "health")
    assert (result.status, result.out) == (1, "") and result.err.startswith("webpy: not ready: the server is ")
    served.signal(signal.SIGQUIT)
    served.wait()
    wanted = "webpy: you have no server running here; name another user's socket with --control PATH\n"
    assert run("ctl", "health") == Result(2, "", wanted)


def test_health_while_no_worker_accepts(master: Callable[..., Master], run: Run, runtime: Path) -> None:
    config = {"control": "auto", "name": "webpy", "awaits_fix": True}
    served = master(config=config, load="raise").start()
    served.wait_for("RuntimeError: no such module")
    result = run("ctl", "health")
    assert (result.status, result.out) == (1, "")
    assert re.fullmatch(r"webpy: not ready: (the server is \w+|no worker accepts connections)\n", result.err), result


def by_title(served: Master) -> list[object]:
    return [served.titled(f"worker {slot} ")[0] for slot in range(2)]


def test_reload(start: Start, run: Run) -> None:
    served = start()
    result = run("ctl", "reload")
    assert (result.status, result.out, result.err) == (0, "reload accepted\n", "")
    served.wait_for("reload done: generation 2")
    result = run("ctl", "reload", "--wait")
    assert (result.status, result.out, result.err) == (0, "generation 3 serves\n", "")
    served.write_settings(load="raise")
    result = run("ctl", "reload", "--wait")
    assert result.status == 1 and not result.out
    assert result.err.startswith("webpy: loader gen 4 [") and "Traceback (most recent call last):" in result.err
    assert result.err.endswith("RuntimeError: no such module\n")
    assert run("ctl", "reload").status == 0, "accepted: what becomes of it is in the log"
    served.wait_for("reload failed, generation 3 keeps serving")
    assert re.search(r"^last reload: FAILED: loader gen \d+ .* … \S.*Error", run("ctl", "status").out, re.MULTILINE)


def test_the_others(start: Start, run: Run) -> None:
    served = start()
    assert run("ctl", "scale", "2") == Result(0, "workers: 1 -> 2\n", "")
    served.wait_for("worker 1 gen 1 .* is ready")
    result = run("ctl", "scale", "99")
    assert (result.status, result.out) == (1, "") and "workers is 99: 1 to 16 are possible" in result.err
    result = run("ctl", "drain", "1")
    assert result.status == 0 and result.out.endswith("drains when its replacement serves\n")
    served.wait_for("worker 1 gen 1 .* is ready")
    assert run("ctl", "drain", "7") == Result(1, "", "webpy: slot is 7: no worker there, one of 0, 1 is wanted\n")
    result = run("ctl", "stacks", "0")
    assert result.status == 0 and result.out.startswith("== worker 0 gen 1 [") and "echo.py" in result.out
    assert run("ctl", "stacks").out.count("== worker") >= 2
    assert run("ctl", "logs-reopen") == Result(0, "log files reopened\n", "")
    assert run("ctl", "stop") == Result(0, "stopping\n", "")
    assert served.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scale"], "Missing argument 'N'"),
        (["scale", "many"], "'many' is not a valid integer"),
        (["drain"], "Missing argument 'SLOT'"),
        (["drain", "x"], "'x' is not a valid integer"),
        (["stop", "now"], "unexpected extra argument (now)"),
        (["sotp"], "No such command 'sotp'"),
        (["--control"], "requires an argument"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], words: str) -> None:
    result = run("ctl", *arguments)
    assert result.status == 2 and words in result.err and not result.out


def test_help_names_every_command(run: Run) -> None:
    result = run("ctl", "--help")
    names = "status health top reload renew scale stop drain stacks logs-reopen upgrade"
    for command in names.split():
        assert f"  {command} " in result.out
        assert run("ctl", command, "--help").status == 0


def test_no_server(run: Run, runtime: Path, tmp_path: Path) -> None:
    wanted = "webpy: you have no server running here; name another user's socket with --control PATH\n"
    assert run("ctl", "status") == Result(2, "", wanted)
    runtime.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(runtime / "77.sock"))  # left by one that died
    assert run("ctl", "status") == Result(2, "", wanted)
    result = run("ctl", "--control", "gone.sock", "status")
    assert result == Result(2, "", "webpy: no server: gone.sock: No such file or directory\n")
    (tmp_path / "file").write_text("")
    assert run("ctl", "--control", "file", "stop") == Result(2, "", "webpy: no server: file: Connection refused\n")


def test_two_servers(start: Start, run: Run, runtime: Path) -> None:
    first, second = start(config={"target": "echo.py"}), start(config={"target": "echo.py"})
    result = run("ctl", "stop")
    assert result.status == 2 and not result.out
    head, *paths = result.err.splitlines()
    assert head == "webpy: 2 servers are running, choose one:"
    wanted = [
        f"  --control {runtime}/{pid}.sock  pid {pid}, {host}:{port}, echo.py"
        for pid, (host, port) in ((served.process.pid, served.address) for served in (first, second))
    ]
    assert sorted(paths) == sorted(wanted)
    assert run("ctl", "--control", f"{runtime}/{second.process.pid}.sock", "stop").status == 0
    assert second.wait() == 0
    assert json.loads(run("ctl", "status", "--json").out)["pid"] == first.process.pid


def test_the_socket_that_the_settings_name(
    start: Start, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the server reads them in the same folder."""
    start()
    served = start(config={"control": str(tmp_path / "own.sock")})
    Path("webpy.toml").write_text("control = 'own.sock'\n")
    assert json.loads(run("ctl", "status", "--json").out)["pid"] == served.process.pid
    Path("webpy.toml").write_text("control = 'own.sock'\nthreads = 0\n")
    assert json.loads(run("ctl", "status", "--json").out)["pid"] != served.process.pid, "of no use to a server either"
    Path("webpy.toml").write_text("control = 'off'\n")
    assert run("ctl", "status").status == 0
    monkeypatch.setenv("WEBPY_CONTROL", str(tmp_path / "own.sock"))
    assert json.loads(run("ctl", "status", "--json").out)["pid"] == served.process.pid


def test_a_server_that_dies_before_its_answer(start: Start, runtime: Path) -> None:
    served = start()
    served.write_settings(load_s=20)
    command = [sys.executable, "-m", "webpy.cli", "ctl", "reload", "--wait"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True) as waiting:
        served.wait_for("reload: generation 2")
        served.process.kill()
        out, err = waiting.communicate(timeout=20)
    path = runtime / f"{served.process.pid}.sock"
    assert (waiting.returncode, out, err) == (1, "", f"webpy: {path}: the master has ended\n")


def test_a_server_that_does_not_answer(start: Start, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    served = start()
    monkeypatch.setattr(sys.modules["webpy.cli.ctl.commands"], "_ANSWER_S", 0.2)
    served.signal(signal.SIGSTOP)
    try:
        result = run("ctl", "status")
        assert result.status == 1 and result.err.endswith(": no answer in time\n")
    finally:
        served.signal(signal.SIGCONT)
    until(lambda: run("ctl", "status").status == 0, "it answers again")


def test_what_is_no_master(run: Run, tmp_path: Path) -> None:
    ours = socket.socket(socket.AF_UNIX)
    with ours:
        ours.bind("other.sock")
        ours.listen()
        if os.fork() == 0:
            client, _ = ours.accept()
            client.sendall(b"220 mail.example.org ESMTP\r\n")
            client.recv(4096)
            os._exit(0)
        result = run("ctl", "--control", "other.sock", "status")
        os.wait()
    assert result.status == 1 and "this is not a master's reply: b'220 mail.example.org ESMTP" in result.err


def test_top_wants_a_terminal_and_rich(run: Run, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    result = run("ctl", "top")
    assert result == Result(2, "", "webpy: top needs a terminal; `webpy ctl status` does not\n")
    ours = "webpy.cli.ctl.top"
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich" or name.startswith(ours)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert run("ctl", "top") == Result(2, "", "webpy: top needs rich: pip install 'webpy[top]'\n")
