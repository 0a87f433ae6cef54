"""USR2: the master's program is replaced without clients noticing, or it is refused and nothing has changed. With real
processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.supervisor.masters import ROOT, Master, all_gone, until
from tests.supervisor.test_sidecars import ask as ask_sidecar
from tests.supervisor.test_sidecars import beside
from webpy.supervisor.control.client import ControlClient

pytestmark = pytest.mark.slow

Make = Callable[..., Master]

DONE = "upgrade done"
REFUSED = "upgrade refused, nothing has changed"


def usr2(served: Master) -> None:
    served.signal(signal.SIGUSR2)


def upgrade(served: Master, times: int = 1) -> None:
    for _ in range(times):
        usr2(served)
        served.wait_for(DONE)


def pids(served: Master) -> set[int]:
    return {process.pid for process in served.descendants()}


def is_clean(served: Master) -> bool:
    return not re.search(r"\[(error|critical)\]|Traceback", served.text())


def descriptors(pid: int) -> dict[int, str]:
    """What it keeps open: two readings agree, so that a file it only reads in passing, as one of /proc, is left out."""
    found = _open_now(pid)
    while (again := _open_now(pid)) != found:
        found = again
    return found


def _open_now(pid: int) -> dict[int, str]:
    time.sleep(0.02)
    found = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(entry.name)] = os.readlink(entry).split(":")[0]
        except OSError:
            continue
    return found


# -- it is replaced ------------------------------------------------------------------------------------------


def test_the_program_is_replaced_and_everything_else_stays(master: Make, tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    config = {"workers": 2, "pidfile": str(pidfile), "binds": ["127.0.0.1:0", f"unix:{tmp_path}/socket"]}
    served = master(config=config, answer="hi").start().started(2)
    before, titles = pids(served), served.titles()
    upgrade(served)
    assert pids(served) == before
    assert served.titles() == titles
    assert psutil.Process(served.process.pid).cmdline()[0] == "echo: master"
    assert served.ask().split()[2:] == ["1", "hi"]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{tmp_path}/socket")
        client.sendall(b"by file\n")
        assert client.makefile().readline()
    assert pidfile.read_text() == f"{served.process.pid}\n"
    until(lambda: len(served.records()) == 2, "both records")
    assert served.stop() == 0
    assert not pidfile.exists()
    assert not (tmp_path / "socket").exists()
    assert is_clean(served)


def test_no_request_and_no_record_is_lost(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    answers: list[str] = []
    over = threading.Event()

    def client() -> None:
        while not over.is_set():
            answers.append(served.ask("steady"))

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    upgrade(served, times=3)
    over.set()
    for thread in threads:
        thread.join(15)
    assert served.stop() == 0
    assert all(answer.count(" ") == 3 for answer in answers)
    assert len({answer.split()[0] for answer in answers}) <= 2, "the same workers"
    assert sorted(served.records()) == sorted(f"steady by {answer.split()[0]}" for answer in answers)
    assert is_clean(served)


def test_rings_that_fill_meanwhile_are_written_out_whole(master: Make) -> None:
    lines = 50_000
    config = {"workers": 2, "ring_bytes": 1 << 16, "pool_ring_bytes": 1 << 15, "log_full": "wait"}
    served = master(config=config).start().started(2)
    usr2(served)
    served.wait_for("the preflight succeeded")
    flooding = [served.hold(f"flood {lines}") for _ in range(2)]
    served.wait_for(DONE)
    before = len(served.records())
    for connection in flooding:
        with connection:
            assert connection.makefile().readline()
    assert served.stop() == 0
    records = served.records()
    assert before < 4 * lines, "it was replaced in the middle of it"
    floods: dict[tuple[str, str], list[int]] = {}
    for record in records:
        kind, pid, number, *_ = record.split()
        if kind in ("flood", "pool") and number.isdigit():
            assert record.endswith(("x" * 80, "y" * 80))
            floods.setdefault((kind, pid), []).append(int(number))
    assert sum(map(len, floods.values())) == 4 * lines
    for numbers in floods.values():
        assert numbers == [*range(lines)] * (len(numbers) // lines), "in order, each once"


def test_a_childs_line_is_not_torn(master: Make, tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    served = master(config={"error_log": str(log)}).start()

    def said(pattern: str) -> re.Match[str] | None:
        return re.search(pattern, log.read_text() if log.exists() else "")

    until(lambda: said(r"worker 0 gen 1 \[\d+\] is ready"), "it serves")
    found = said(r"listening on (\S+):(\d+)")
    assert found
    address = (found[1], int(found[2]))

    def ask(line: str) -> str:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(line.encode() + b"\n")
            return connection.makefile().readline()

    assert ask("mutter half a line,")
    usr2(served)
    until(lambda: said(DONE), "the new program")
    assert ask("say and the rest")
    until(lambda: said("the rest"), "what was said")
    assert "half a line,and the rest" in log.read_text().splitlines()
    assert served.stop() == 0
    assert "[error]" not in log.read_text()


def test_descriptors_go_to_nobody_else(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    before = sorted(descriptors(served.process.pid).values())
    upgrade(served, times=2)
    until(lambda: sorted(descriptors(served.process.pid).values()) == before, "none leaks")
    for number in descriptors(served.process.pid):
        flags = re.search(r"flags:\s+(\d+)", Path(f"/proc/{served.process.pid}/fdinfo/{number}").read_text())
        assert flags
        assert number <= 2 or int(flags[1], 8) & os.O_CLOEXEC, f"{number} would be inherited"
    served.signal(signal.SIGHUP)
    served.wait_for("reload done: generation 2")
    fresh = master(config={"workers": 2}).start().started(2)

    def kinds(which: Master) -> list[str]:
        found: dict[str, str] = json.loads(which.ask("fds"))
        return sorted(target.split(":")[0] for number, target in found.items() if int(number) > 2)

    assert kinds(served) == kinds(fresh)
    names = json.loads(served.ask("env"))
    assert not [name for name in names if name.startswith(("SUPERVISOR_", "NOTIFY_", "WATCHDOG_"))]
    assert served.stop() == 0


def test_afterwards_all_is_as_before(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    upgrade(served)
    (victim,) = served.titled("worker 0 gen 1")
    victim.kill()
    served.wait_for(rf"worker 0 gen 1 \[{victim.pid}\] .*SIGKILL")
    served.wait_for("worker 0 gen 1 .* is ready")
    (new,) = served.titled("worker 0 gen 1")
    assert new.ppid() == served.process.pid, "it still is the one that orphans go to"
    served.signal(signal.SIGTTIN)
    served.wait_for("worker 2 gen 1 .* is ready")
    (zygote,) = served.titled("loader gen 1")
    zygote.kill()
    served.wait_for(r"loader gen 1 \[\d+\] is ready")
    served.signal(signal.SIGHUP)
    served.wait_for("reload done: generation 2")
    upgrade(served)
    served.signal(signal.SIGHUP)
    served.wait_for("reload done: generation 3")
    until(lambda: len(served.titles()) == 4, "three workers and a zygote")
    children = served.descendants()
    served.signal(signal.SIGKILL)
    assert all_gone(children, 1.0), "they end with the master as ever"


def test_what_drains_goes_on_draining(master: Make) -> None:
    served = master(config={"workers": 2, "drain_timeout_s": 2.0}).start().started(2)
    with served.hold("hold 1.2") as short, served.hold("hold 30") as long:
        time.sleep(0.1)
        served.signal(signal.SIGHUP)
        served.wait_for("reload done: generation 2")
        began = time.monotonic()
        upgrade(served)
        assert short.makefile().readline().split()[2] == "1"
        served.wait_for(r"worker \d gen 1 \[\d+\] did not end within 2 s")
        assert long.recv(1) == b""
        assert time.monotonic() - began < 2.5, "since the reload, not since the upgrade"
    served.signal(signal.SIGQUIT)
    assert served.wait() == 0


def test_sidecars_begin_anew_on_the_same_sockets(master: Make) -> None:
    served = master(sidecars=beside()).start()
    served.wait_for(r"page \[\d+\] is ready", anew=False)
    served.wait_for(r"worker 0 gen 1 \[\d+\] is ready", anew=False)
    old = ask_sidecar(served)[0]
    usr2(served)
    refused = 0
    while DONE not in served.text():
        refused += not ask_sidecar(served)[0]
    until(lambda: not psutil.pid_exists(old), "the old one has ended, and is no zombie")
    new, _, reply = ask_sidecar(served, "ask status")
    assert new != old
    assert reply["ok"], "and commands the new program"
    assert refused == 0
    served.write_settings(sidecars=[])
    served.signal(signal.SIGHUP)
    served.wait_for("reload done")
    until(lambda: len(served.titles()) == 2, "it has ended")
    assert served.stop() == 0


def test_another_user_stays(master: Make) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may change to another user")
    config = {"workers": 1, "user": "daemon", "group": "nogroup", "umask": 0o027, "chdir": "/"}
    served = master(config=config).start().started()
    before = served.ask("ids")
    upgrade(served)
    assert served.ask("ids") == before
    served.signal(signal.SIGHUP)
    served.wait_for("reload done: generation 2")
    assert served.ask("ids") == before
    (zygote,) = served.titled("loader gen 2")
    zygote.kill()
    served.wait_for(r"loader gen 2 \[\d+\] is ready")
    served.titled("worker 0 gen 2")[0].kill()
    served.wait_for(r"worker 0 gen 2 \[\d+\] is ready")
    assert served.ask("ids") == before
    children = served.descendants()
    served.signal(signal.SIGKILL)
    assert all_gone(children, 1.0)


def test_settings_stay_until_a_reload(master: Make) -> None:
    served = master(config={"workers": 2}, answer="old").start().started(2)
    served.write_settings(config={"workers": 3, "drain_timeout_s": 7.0}, answer="new")
    upgrade(served)
    assert len(served.titled("worker")) == 2
    assert served.ask().endswith("old")
    served.signal(signal.SIGHUP)
    served.wait_for("reload done")
    assert len(served.titled("worker . gen 2")) == 3
    assert served.ask().endswith("new")
    assert served.stop() == 0


def test_it_runs_from_where_it_was_started(master: Make, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"release{number}").mkdir()
        program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); print('release {number}', file=sys.stderr)\n"
        program += "from tests.supervisor.echo import main; sys.exit(main())\n"
        (tmp_path / f"release{number}" / "program.py").write_text(program)
    (tmp_path / "current").symlink_to("release1")
    served = master()
    served.start(program=(sys.executable, "program.py"), cwd=tmp_path / "current", env={"PWD": f"{tmp_path}/current"})
    served.started()
    (tmp_path / "next").symlink_to("release2")
    (tmp_path / "next").rename(tmp_path / "current")
    usr2(served)
    served.wait_for("release 2")
    served.wait_for(DONE)
    assert served.stop() == 0


# -- together with everything else ---------------------------------------------------------------------------


def test_one_right_after_the_other(master: Make) -> None:
    served = master(load_s=0.2).start().started()
    for _ in range(40):
        usr2(served)
        time.sleep(0.025)
    served.wait_for(DONE)
    usr2(served)
    served.wait_for(DONE)
    served.signal(signal.SIGHUP)
    served.wait_for("reload done: generation 2")
    assert served.ask()
    assert served.stop() == 0
    assert is_clean(served)


def test_not_during_a_reload(master: Make) -> None:
    served = master().start().started()
    served.write_settings(load_s=0.5)
    served.signal(signal.SIGHUP)
    served.wait_for("reload: generation 2")
    usr2(served)
    served.wait_for(r"no upgrade now: a reload is under way \(loading the application\)")
    served.wait_for("reload done")
    upgrade(served)
    assert served.ask().split()[2] == "2"
    assert served.stop() == 0


def test_not_while_starting(master: Make) -> None:
    served = master(load_s=0.5).start()
    served.wait_for("loading the application")
    usr2(served)
    served.wait_for("no upgrade now: starting")
    served.wait_for("worker 0 gen 1 .* is ready")
    assert served.stop() == 0


def test_a_reload_asked_for_meanwhile_comes_first(master: Make) -> None:
    served = master(load_s=0.3).start().started()
    usr2(served)
    served.wait_for("running the preflight")
    served.signal(signal.SIGHUP)
    served.wait_for("reload done: generation 2")
    served.wait_for(DONE)
    assert served.ask().split()[2] == "2"
    assert served.stop() == 0
    assert is_clean(served)


def test_hup_in_the_moment_of_the_exec(master: Make) -> None:
    served = master().start().started()
    usr2(served)
    served.wait_for("the preflight succeeded")
    for _ in range(20):
        served.signal(signal.SIGHUP)
        time.sleep(0.01)
    served.wait_for(DONE, anew=False)
    served.wait_for("reload done", anew=False)
    until(lambda: len(served.titles()) == 2, "one generation")
    assert served.ask()
    assert served.stop() == 0
    assert is_clean(served)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_meanwhile(master: Make, number: signal.Signals) -> None:
    served = master().start().started()
    served.write_settings(load_s=30)
    usr2(served)
    until(lambda: len(served.descendants()) == 3, "the child")
    preflight = served.descendants()[-1]
    began = time.monotonic()
    served.signal(number)
    assert served.wait() == 0
    assert time.monotonic() - began < 1.5
    assert all_gone([preflight], 0.5)


@pytest.mark.parametrize("delay_s", [0.0, 0.03, 0.1])
def test_a_stop_in_the_moment_of_the_exec(master: Make, delay_s: float) -> None:
    served = master(config={"workers": 2}).start().started(2)
    children = served.descendants()
    usr2(served)
    served.wait_for("the preflight succeeded")
    time.sleep(delay_s)
    served.signal(signal.SIGTERM)
    assert served.wait() == 0
    assert all_gone(children, 0.5)
    assert is_clean(served)


@pytest.mark.parametrize("delay_s", [0.0, 0.05])
def test_a_death_in_the_moment_of_the_exec(master: Make, delay_s: float) -> None:
    served = master(config={"workers": 2}).start().started(2)
    (victim,) = served.titled("worker 1 gen 1")
    usr2(served)
    served.wait_for("the preflight succeeded")
    time.sleep(delay_s)
    victim.kill()
    served.wait_for(rf"worker 1 gen 1 \[{victim.pid}\] .*SIGKILL", anew=False)
    served.wait_for(DONE, anew=False)
    until(lambda: len(re.findall(r"worker 1 gen 1 \[\d+\] is ready", served.text())) == 2, "its replacement")
    assert len(served.titled("worker")) == 2
    assert served.stop() == 0


def test_kill_of_the_master_ends_the_preflight(master: Make) -> None:
    served = master().start().started()
    served.write_settings(load_s=30)
    usr2(served)
    served.wait_for("running the preflight")
    until(lambda: len(served.descendants()) == 3, "the child")
    children = served.descendants()
    served.signal(signal.SIGKILL)
    assert all_gone(children, 1.0)


# -- it is refused -------------------------------------------------------------------------------------------


def test_a_program_that_would_not_serve_changes_nothing(master: Make) -> None:
    served = master(config={"workers": 2}, answer="old")
    served.config["control"] = path = str(served.folder / "control.sock")
    served.start().started(2)
    before = pids(served)
    good = (served.folder / "settings.json").read_text()
    broken: list[tuple[dict[str, Any], str]] = [
        ({"load": "raise"}, "RuntimeError: no such module"),
        ({"load": "exit"}, "SystemExit: not today"),
        ({"load": "vanish"}, "exited with status 7"),
        ({"config": {"workers": 0}}, "workers is 0: at least 1 is wanted"),
        ({"config": {"no_such_setting": 1}}, "unexpected keyword argument 'no_such_setting'"),
        ({"config": {"user": "no-such-user"}}, "user is 'no-such-user'"),
    ]
    with ControlClient(path) as client:
        for change, said in broken:
            settings = json.loads(good)
            settings["config"].update(change.pop("config", {}))
            (served.folder / "settings.json").write_text(json.dumps({**settings, **change}))
            verdict = client.ask("upgrade", timeout_s=20, wait=True)
            assert not verdict["ok"]
            assert said in verdict["text"]
            served.wait_for(REFUSED)
            served.wait_for(re.escape(said), anew=False)
            assert served.ask().endswith("1 old")
        until(lambda: pids(served) == before, "no other process than before")
        assert client.ask("status", timeout_s=10)["status"]["events"][-1]["kind"] == "upgrade-failed"
    (served.folder / "settings.json").write_text(good)
    upgrade(served)
    assert served.stop() == 0
    assert len(served.records()) == len(broken)


def test_a_program_that_hangs_is_refused_in_time(master: Make) -> None:
    served = master(config={"boot_timeout_s": 1.0}).start().started()
    before = pids(served)
    served.write_settings(load_s=30)
    usr2(served)
    served.wait_for(f"{REFUSED}: did not become ready within 1 s")
    assert pids(served) == before
    assert served.ask()
    assert served.stop() == 0


def test_a_program_that_does_not_run_is_refused(master: Make, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    good = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom tests.supervisor.echo import main; sys.exit(main())\n"
    program.write_text(good)
    served = master().start(program=(sys.executable, str(program)))
    served.started()
    for source, said in (
        ("def main(:\n", "SyntaxError"),
        ("import no_such_module_here\n", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("import sys; sys.exit('not in the mood')\n", "not in the mood"),
        ("print('gone')\n", "exited with status 0"),
        ("import os; os.abort()\n", "SIGABRT"),
        ("import os; os.unlink(__file__); os.execv('/no/such/file', ['x'])\n", "No such file or directory"),
    ):
        program.write_text(source)
        usr2(served)
        served.wait_for(REFUSED)
        served.wait_for(re.escape(said), anew=False)
        assert served.ask()
    program.write_text(good)
    upgrade(served)
    assert served.stop() == 0


def test_an_interpreter_that_is_gone_is_refused(master: Make, tmp_path: Path) -> None:
    python = tmp_path / "python"
    shutil.copy(os.path.realpath(sys.executable), python)
    environment = {"PYTHONHOME": sys.base_prefix, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    served = master().start(program=(str(python), "-m", "tests.supervisor.echo"), env=environment).started()
    python.rename(tmp_path / "elsewhere")
    usr2(served)
    served.wait_for(f"{REFUSED}: exited with status 1")
    served.wait_for("No such file or directory", anew=False)
    assert served.ask()
    (tmp_path / "elsewhere").rename(python)
    upgrade(served)
    assert served.stop() == 0


def test_a_folder_that_is_gone_is_refused(master: Make, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    served = master().start(cwd=folder, env={"PYTHONPATH": str(ROOT)}).started()
    folder.rmdir()
    usr2(served)
    served.wait_for(REFUSED)
    assert served.ask()
    assert served.stop() == 0


def test_a_log_that_could_not_be_opened_again_is_refused(master: Make, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    served = master(config={"access_log": "logs/access.log"}).start(cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    served.started()
    (tmp_path / "logs").rename(tmp_path / "elsewhere")
    usr2(served)
    served.wait_for(rf"{REFUSED}: FileNotFoundError.*'logs/access.log'")
    assert served.ask()
    until(lambda: (tmp_path / "elsewhere" / "access.log").read_text().count("\n") == 1, "the old file is written")
    (tmp_path / "elsewhere").rename(tmp_path / "logs")
    upgrade(served)
    assert served.stop() == 0


def test_an_exec_that_fails_changes_nothing(master: Make, tmp_path: Path) -> None:
    """The preflight passes and the exec does not: a limit that comes in between."""
    program = tmp_path / "program.py"
    program.write_text(
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.supervisor.echo import main\n"
        "from webpy.supervisor.upgrade.preflight import Program\n"
        "tries = []\n"
        "def execute(program, environment, execute=Program.execute):\n"
        "    tries.append(1)\n"
        "    if 'SUPERVISOR_STATE' in environment and len(tries) < 3:\n"
        "        raise OSError(7, 'Argument list too long')\n"
        "    execute(program, environment)\n"
        "Program.execute = execute\n"
        "sys.exit(main())\n"
    )
    served = master(config={"workers": 2}).start(program=(sys.executable, str(program))).started(2)
    before, open_before = pids(served), sorted(descriptors(served.process.pid).values())
    for _ in range(2):
        usr2(served)
        served.wait_for(f"{REFUSED}: OSError: .*Argument list too long")
    until(lambda: pids(served) == before, "no other process than before")
    until(lambda: sorted(descriptors(served.process.pid).values()) == open_before, "no other descriptor either")
    for number in descriptors(served.process.pid):
        flags = re.search(r"flags:\s+(\d+)", Path(f"/proc/{served.process.pid}/fdinfo/{number}").read_text())
        assert flags and (number <= 2 or int(flags[1], 8) & os.O_CLOEXEC)
    served.signal(signal.SIGHUP)
    served.wait_for("reload done: generation 2")
    upgrade(served)
    assert served.ask().split()[2] == "2"
    assert served.stop() == 0


def test_settings_that_break_after_the_preflight_end_no_worker(master: Make, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.supervisor.echo import main\n"
        "if 'SUPERVISOR_STATE' in os.environ: sys.argv[1] += '.gone'\n"
        "sys.exit(main())\n"
    )
    served = master(config={"workers": 2}).start(program=(sys.executable, str(program))).started(2)
    before = pids(served)
    upgrade(served)
    assert "the present workers keep serving, but the settings cannot be read any more" in served.text()
    assert pids(served) == before
    served.titled("worker 0")[0].kill()
    served.wait_for("worker 0 gen 1 .* is ready")
    served.signal(signal.SIGHUP)
    served.wait_for("reload failed, generation 1 keeps serving: ")
    assert served.ask()
    assert served.stop() == 0


def test_a_server_that_a_program_started_beside_itself_is_refused(master: Make) -> None:
    reader, writer = os.pipe()
    served = master().start("", str(reader), pass_fds=(reader,)).started()
    os.close(reader)
    usr2(served)
    served.wait_for("no upgrade now: this process cannot be run again")
    assert served.ask()
    os.close(writer)
    assert served.wait() == 0


def test_a_log_that_takes_nothing_is_refused(master: Make) -> None:
    served = master(config={"access_log": "-"}).start(stdout=subprocess.PIPE).started()
    assert served.ask("flood 2000")
    usr2(served)
    served.wait_for(f"{REFUSED}: the access log cannot be written out within 5 s")
    assert served.process.stdout is not None
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(served.process.stdout or ()))
    reader.start()
    upgrade(served)
    assert served.stop() == 0
    reader.join(10)
    served.process.stdout.close()
    assert len(lines) == 4001


@pytest.mark.parametrize("calm", [True, False])
def test_what_was_said_of_dropped_lines_is_not_said_again(master: Make, calm: bool) -> None:
    served = master(config={"ring_bytes": 4096, "pool_ring_bytes": 2048}).start().started()
    assert served.ask("flood 4000")
    served.wait_for("the access log accepts no more lines")
    if calm:
        served.wait_for("the access log continues")
    upgrade(served)
    dropped = served.wait_for(r"the access log continues; (\d+) lines found no room", anew=False)
    assert len(served.records()) == 8001 - int(dropped[1])
    assert served.stop() == 0
    assert served.text().count("accepts no more lines") == served.text().count("found no room") == 1


# -- whoever asks for it -------------------------------------------------------------------------------------


def test_control_hears_of_it_from_the_new_program(master: Make) -> None:
    served = master()
    served.config["control"] = path = str(served.folder / "control.sock")
    served.start().started()
    with ControlClient(path) as client:
        for _ in range(2):
            verdict = client.ask("upgrade", timeout_s=20, wait=True)
            assert verdict["ok"], verdict
            assert DONE in verdict["text"]
        kinds = [event["kind"] for event in client.ask("status", timeout_s=10)["status"]["events"]]
    assert kinds.count("upgrade") == 2
    assert kinds[0] == "start", "what was before is not forgotten"
    assert served.stop() == 0
    assert not os.path.exists(path)


def test_figures_go_on(master: Make) -> None:
    served = master()
    served.config["control"] = path = str(served.folder / "control.sock")
    served.start().started()
    for _ in range(5):
        served.ask()
    served.titled("worker")[0].kill()
    served.wait_for("worker 0 gen 1 .* is ready")
    until(lambda: len(served.records()) == 5, "the records")

    def status() -> dict[str, Any]:
        with ControlClient(path) as client:
            found: dict[str, Any] = client.ask("status", timeout_s=10)["status"]
            return found

    before = status()
    upgrade(served)
    after = status()
    assert after["started_at"] == pytest.approx(before["started_at"])
    for name in ("pid", "generation", "wanted", "restarts", "totals", "log", "listeners"):
        assert after[name] == before[name], name
    assert served.stop() == 0
