"""`--user`: workers can write their files, and the start reports what they cannot write. (As root only.)"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server
from tests.wire.certificates import Pairs
from webpy.supervisor.control.client import ControlClient

Serve = Callable[..., Server]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user"),
]

USER = "daemon"  # whose home, on Debian, is root's
# The tree and Python may lie where that user cannot go: what it will want is there before it becomes it.
PRELOAD = """
import importlib, pkgutil, sys
import encodings.ascii, encodings.idna, logging, sqlite3, tempfile, traceback
import webpy
for module in pkgutil.walk_packages(webpy.__path__, "webpy."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ImportError:
            pass
from webpy.cli import main
sys.argv[0] = "webpy"
main()
"""
APP = """
import os
import webpy as web
import webpy.store

notes = webpy.store.open({url})

class Handler(web.HTTPHandler):
    def do_get(self):
        notes['a'] = b'1'
        return 200, f'{{os.geteuid()}} {{notes.path}}'

routes = {{'/.*': Handler}}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may go to, as pytest's are not."""
    path = Path(tempfile.mkdtemp(prefix="webpy-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(serve: Serve, folder: Path) -> Callable[..., Server]:
    def start(*options: str, url: str = "", target: Path = folder / "app.py", loads: bool = True, **env: str) -> Server:
        (folder / "app.py").write_text(APP.format(url=url))
        clean = {"STATE_DIRECTORY": "", "XDG_STATE_HOME": "", **env}
        program = (sys.executable, "-c", PRELOAD, "serve")
        options = ("--workers", "1", "--user", USER, "--chdir", str(folder), *options)
        return serve(target, *options, program=program, env=clean, loads=loads)

    return start


def uid() -> int:
    return pwd.getpwnam(USER).pw_uid


def kept(server: Server) -> Path:
    """Where the store is, which the user has written."""
    answer = server.get("/")
    assert answer.status == 200, server.errors
    who, path = answer.body.decode().split(" ", 1)
    assert int(who) == uid()
    found = Path(path)
    assert found.stat().st_uid == found.parent.stat().st_uid == uid()
    assert found.parent.stat().st_mode & 0o777 == 0o700
    return found


def test_in_the_state_directory_of_root(start: Callable[..., Server], folder: Path) -> None:
    (folder / "state").mkdir(mode=0o755)
    server = start(STATE_DIRECTORY=str(folder / "state"))
    assert kept(server) == folder / "state" / USER / "webpy-store.sqlite3"
    server.wait_for("webpy ctl is for the user that started this, not for daemon")
    assert not [line for line in server.errors if "[warning]" in line]


def test_in_xdg_and_beside_the_pidfile(start: Callable[..., Server], folder: Path) -> None:
    (folder / "run").mkdir(mode=0o755)
    in_xdg = kept(start(XDG_STATE_HOME=str(folder / "xdg")))
    assert re.fullmatch(rf"{folder}/xdg/webpy/{USER}-webpy-test-\w+-[0-9a-f]{{8}}/webpy-store.sqlite3", str(in_xdg))
    beside = kept(start("--pidfile", str(folder / "run" / "w.pid")))
    assert beside == folder / "run" / "webpy-state" / USER / "webpy-store.sqlite3"


def test_a_reload_finds_it_again(start: Callable[..., Server], folder: Path) -> None:
    server = start(STATE_DIRECTORY=str(folder / "state"))
    before = kept(server)
    server.process.send_signal(1)
    server.wait_for("reload done")
    assert kept(server) == before


def test_a_store_of_roots_is_told_at_the_start(start: Callable[..., Server], folder: Path) -> None:
    (folder / "roots").mkdir(mode=0o755)
    server = start(url=repr(f"sqlite:///{folder}/roots/a.db"))
    assert f"'{folder}/roots/a.db': user {USER} cannot write" in server.wait_for(r"\[warning\] store ")
    assert server.get("/").status == 503


def test_an_application_that_the_user_cannot_read_is_named(start: Callable[..., Server], folder: Path) -> None:
    (folder / "private").mkdir(mode=0o700)
    (folder / "private" / "site.py").write_text("routes = {}")
    server = start(target=folder / "private" / "site.py", loads=False)
    assert server.wait() == 3
    assert f"user {USER} cannot read '{folder}/private/site.py': Permission denied" in "\n".join(server.errors)
    assert not any("Traceback" in line for line in server.errors)


def test_a_store_that_the_user_cannot_reach_is_named(start: Callable[..., Server], folder: Path) -> None:
    (folder / "private").mkdir(mode=0o700)
    server = start(url=repr(f"sqlite:///{folder}/private/a.db"), loads=False)
    assert server.wait() == 3
    assert f"store '{folder}/private/a.db': user {USER} cannot reach it: Permission denied" in "\n".join(server.errors)


def test_workers_take_on_certificates_that_they_cannot_read(serve: Serve, folder: Path) -> None:
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    pairs = Pairs(keys)
    before = pairs.issue("tls", "localhost")
    (folder / "app.py").write_text("def app(environ, start):\n    start('200 OK', [])\n    return [b'up']\n")
    (folder / "preload.py").write_text(PRELOAD)
    options = ("--user", USER, "--workers", "2", "--control", str(folder / "control"), *pairs.options("tls"))
    server = serve(folder / "app.py", *options, program=[sys.executable, str(folder / "preload.py"), "serve"])
    server.wait_for(r"worker \d .* is ready", count=2)

    def serial() -> object:
        with (
            socket.create_connection(server.address, 10) as raw,
            pairs.context().wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            found = tls.getpeercert()
            assert found is not None
            return found["serialNumber"]

    assert serial() == before
    after = pairs.issue("tls", "localhost")
    with ControlClient(folder / "control") as client:
        assert client.ask("renew", 15, wait=True)["text"] == "new certificates taken on by 2 workers"
    assert {serial() for _ in range(8)} == {after}
