"""Reloads as transactions: what can be wrong with a new generation, and that nothing changes then."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server

Serve = Callable[..., Server]

APP = """
import os
import webpy as web

warmed = []

def warm_up():
    warmed.append(os.getpid())
    print("warmed up", flush=True)

class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, f"one {len(warmed)} {warmed[0] == os.getppid()} {warmed[0] == os.getpid()}"

routes = {"/": Hello}
"""


@pytest.fixture
def served(serve: Serve, tmp_path: Path) -> Server:
    (tmp_path / "app.py").write_text(APP)
    server = serve("app.py", "--workers", "2", "--boot-timeout", "3", "--access-log", "off")
    server.wait_for(r"worker \d gen 1 \[\d+\] is ready", count=2)
    return server


def test_warm_up_runs_once_before_any_worker_is_forked(served: Server) -> None:
    for _ in range(8):
        assert served.get("/").body == b"one 1 False False"  # neither in the worker nor in the master
    served.send(signal.SIGHUP)
    served.wait_for("reload done: generation 2 serves")
    assert served.get("/").body == b"one 1 False False"
    served.stop()
    assert served.log == ["warmed up"] * 2


@pytest.mark.parametrize(
    ("broken", "verdict"),
    [
        ("routes = = {}", r"SyntaxError"),
        ("import nothing_of_this_name", r"ModuleNotFoundError.*nothing_of_this_name"),
        ("raise RuntimeError('not today')", r"RuntimeError: not today"),
        ("import sys; sys.exit('enough')", r"called sys.exit\('enough'\)"),
        ("import os; os._exit(9)", r"exited with status 9"),
        ("import time; time.sleep(60)", r"did not become ready within 3 s"),
        ("def warm_up(): 1 / 0", r"ZeroDivisionError in its warm_up\(\)"),
        ("def warm_up(): raise SystemExit(3)", r"called sys.exit\(3\) in its warm_up\(\)"),
        ("routes = {'(': Hello}", r"'\('"),
        ("routes = None", r"None"),
    ],
)
def test_a_new_generation_that_fails_changes_nothing(served: Server, tmp_path: Path, broken: str, verdict: str) -> None:
    (tmp_path / "app.py").write_text(APP + broken + "\n")
    served.send(signal.SIGHUP)
    served.wait_for("reload failed, generation 1 keeps serving")
    served.wait_for(verdict)
    assert served.get("/").body.startswith(b"one")
    (tmp_path / "app.py").write_text(APP.replace("one", "two"))
    served.send(signal.SIGHUP)
    served.wait_for("reload done: generation 3 serves")
    assert served.get("/").body.startswith(b"two")


def test_a_mistake_in_the_settings_changes_nothing(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "webpy.toml").write_text("workers = 1\n")
    server = serve("app.py")
    server.wait_for(r"worker 0 gen 1 \[\d+\] is ready")
    (tmp_path / "webpy.toml").write_text("workers = 'many'\n")
    server.send(signal.SIGHUP)
    server.wait_for(r"reload failed, generation 1 keeps serving: .*workers: got 'many', wanted")
    assert server.get("/").status == 200
    (tmp_path / "webpy.toml").write_text("workers = 2\n")
    server.send(signal.SIGHUP)
    server.wait_for(r"worker 1 gen 3 \[\d+\] is ready")


def test_a_start_that_fails_in_warm_up_ends_with_status_3(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP + "def warm_up(): 1 / 0\n")
    server = serve("app.py", loads=False)
    assert server.wait() == 3
    text = "\n".join(server.errors)
    assert "ZeroDivisionError in its warm_up()" in text and "webpy/target/" not in text
