"""TARGET that is not given: which file is taken, and what the commands say of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT, Server

APP = """
import webpy
class Hello(webpy.HTTPHandler):
    def do_get(self):
        return 200, __name__
routes = {"/": Hello}
"""
ASGI = "async def application(scope, receive, send): pass\n"
NAMES = ["app.py", "wsgi.py", "asgi.py", "main.py"]
FOUR = "app.py, wsgi.py, asgi.py, main.py"


def webpy(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "webpy.cli", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("first", range(4))
def test_the_first_that_exists(first: int, tmp_path: Path) -> None:
    (tmp_path / "app.py").mkdir()  # a folder is no such file
    for name in NAMES[first:]:
        if name == "app.py":
            (tmp_path / name).rmdir()
        (tmp_path / name).write_text(APP)
    done = webpy(tmp_path, "check")
    assert done.returncode == 0
    assert done.stdout.startswith(f"ok: {NAMES[first]}:routes — 1 route")
    assert done.stderr == f"webpy: TARGET is {NAMES[first]}, the first of {FOUR} in {tmp_path}\n"


@pytest.mark.parametrize("command", ["serve", "check"])
def test_none_exists(command: str, tmp_path: Path) -> None:
    done = webpy(tmp_path, command)
    assert done.returncode == 2 and not done.stdout
    assert f"Error: Missing argument 'TARGET': none of {FOUR} is in {tmp_path}\n" in done.stderr
    assert f"Usage: webpy {command} [OPTIONS] [TARGET]" in done.stderr


def test_it_is_looked_for_in_the_folder_of_chdir(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "app.py").write_text("not Python")
    (tmp_path / "site" / "main.py").write_text(APP)
    done = webpy(tmp_path, "check", "--chdir", "site")
    assert done.stdout.startswith("ok: main.py:routes") and f"in {tmp_path}/site\n" in done.stderr


def test_it_is_served(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    command = [sys.executable, "-m", "webpy.cli", "serve"]
    server = serve("--workers=1", program=command)
    assert server.errors[0] == f"webpy: TARGET is main.py, the first of {FOUR} in {tmp_path}"
    assert server.get("/").body == b"main"
    assert server.stop() == 0


@pytest.mark.parametrize("command", ["serve", "check"])
def test_an_asgi_application_is_refused(command: str, tmp_path: Path) -> None:
    (tmp_path / "asgi.py").write_text(ASGI)
    done = webpy(tmp_path, command, "--port", "0")
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert "asgi.py:application: got <function application at " in done.stderr
    assert (
        "an ASGI application: this version of webpy serves WSGI applications and cannot serve ASGI ones yet"
        in done.stderr
    )
