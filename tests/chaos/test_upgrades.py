"""USR2 under load: replacing the master's program costs no request; a broken program is refused, with the reason."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT, Server

from .processes import until, workers
from .rig import Load, Records, mixed, write_app

UPGRADES = 3


def started_of(pid: int) -> int:
    """Return when the process began, in clock ticks (field 22 of proc_pid_stat(5)), which an exec does not change."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def replaced(server: Server, count: int) -> None:
    server.wait_for("upgrade done", count=count, timeout=15)


@pytest.mark.slow
def test_upgrades(chaos: Callable[..., Server], tmp_path: Path) -> None:
    write_app(tmp_path, version="v0")
    server = chaos()
    with Load(mixed(server)) as load:
        before, began = workers(server), started_of(server.pid)
        for number in range(1, UPGRADES + 1):
            server.send(signal.SIGUSR2)
            replaced(server, number)
            time.sleep(0.3)
            assert (workers(server), started_of(server.pid)) == (before, began)
        # and the new program is a whole master
        write_app(tmp_path, version="v1")
        server.send(signal.SIGHUP)
        server.wait_for("reload done")
        report = load.stop()
    assert server.stop() == 0
    print(report.row(f"{UPGRADES} USR2, then HUP", versions=report.versions))
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    assert set(report.versions) == {"v0", "v1"}
    Records.read(tmp_path / "access.log").check(report)


@pytest.mark.slow
def test_a_broken_program_is_refused(chaos: Callable[..., Server], tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "webpy", tree / "webpy", ignore=shutil.ignore_patterns("__pycache__"))
    server = chaos(source=False, env={"PYTHONPATH": str(tree)})
    module = tree / "webpy" / "supervisor" / "workers" / "fleet.py"
    good = module.read_text()
    reasons = {"syntax": ("\ndef broken(:\n", "SyntaxError"), "import": ("\nimport nowhere\n", "nowhere")}
    with Load(mixed(server)) as load:
        before = workers(server)
        for number, (more, wanted) in enumerate(reasons.values(), 1):
            module.write_text(good + more)
            server.send(signal.SIGUSR2)
            server.wait_for("upgrade refused, nothing has changed", count=number)
            server.wait_for(wanted)
        module.write_text(good)
        write_app(tmp_path, more="\nraise RuntimeError('an application of tomorrow')\n")
        server.send(signal.SIGUSR2)
        server.wait_for("upgrade refused, nothing has changed", count=3)
        server.wait_for("an application of tomorrow")
        assert workers(server) == before
        write_app(tmp_path)
        server.send(signal.SIGUSR2)
        replaced(server, 1)
        until(lambda: workers(server) == before, "the same workers")
        report = load.stop()
    assert server.stop() == 0
    print(report.row("USR2 with a broken program, 3 times, then a good one"))
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    Records.read(tmp_path / "access.log").check(report)
