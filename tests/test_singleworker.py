"""Things kept in one worker's memory: a server with several workers is refused at start, scaling and reload."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import ROOT, Server
from webpy import singleworker, store

Serve = Callable[..., Server]

APP = """
import webpy as web
import webpy.store

notes = webpy.store.open({url!r})

class Handler(web.HTTPHandler):
    def do_get(self):
        return 200, str(notes.incr('hits'))

routes = {{'/.*': Handler}}
"""

SESSION = """
import webpy.session

class Handler(webpy.session.SessionMixIn):
    def do_get(self):
        return 200, 'ok'

routes = {'/.*': Handler}
"""

DIGEST = """
import webpy.auth

class Handler(webpy.auth.DigestAuthHandler):
    def password(self, user):
        return 'secret'

    def do_get(self):
        return 200, 'ok'

routes = {'/.*': Handler}
"""

LATE = """
import webpy as web
import webpy.store

class Handler(web.HTTPHandler):
    def do_get(self):
        return 200, repr(webpy.store.open('memory:'))

routes = {'/.*': Handler}
"""


Ctl = Callable[..., tuple[int, str]]


@pytest.fixture
def spawn(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Gives `spawn(*arguments) -> Server`: a server that may well not come up."""
    servers: list[Server] = []
    request.node._servers = servers

    def start(target: str | Path, *options: str, **keywords: Any) -> Server:
        servers.append(Server(target, *options, cwd=tmp_path, **keywords))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def ctl(tmp_path: Path) -> Ctl:
    """Gives `ctl(*words) -> (status, what was said)`: a command to the server whose control socket is ./control."""

    def run(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "webpy.cli", "ctl", "--control", str(tmp_path / "control"), *words]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
        return ran.returncode, ran.stdout + ran.stderr

    return run


def app(folder: Path, source: str = APP, url: str = "memory:") -> Path:
    path = folder / "app.py"
    path.write_text(source.format(url=url) if source is APP else source)
    return path


def refused(server: Server) -> str:
    assert server.wait() == 3
    said = "\n".join(server.errors)
    for word in ("memory:", "workers", "--workers 1", "sqlite:///", "redis://", "memcached://", "file:///"):
        assert word in said, said
    assert "Traceback" not in said
    return said


class TestTheList:
    def test_what_is_closed_or_forgotten_does_not_count(self) -> None:
        gc.collect()
        before = singleworker.single_worker_names()
        made = store.MemoryStore()
        assert singleworker.single_worker_names() == ["store (memory:)"]
        made.close()
        assert singleworker.single_worker_names() == before
        made = store.MemoryStore()
        del made
        assert singleworker.single_worker_names() == before
        meant = store.MemoryStore(per_worker=True)
        assert singleworker.single_worker_names() == before
        meant.close()


@pytest.mark.parametrize(
    ("source", "variable"), [(APP, "WEBPY_STORE"), (SESSION, "WEBPY_SESSION"), (DIGEST, "WEBPY_AUTH")]
)
def test_two_workers_are_refused(tmp_path: Path, spawn: Serve, source: str, variable: str) -> None:
    path = app(tmp_path, source)
    refused(spawn(path, "--workers", "2", env={variable: "memory:"}))


def test_an_hosted_session_too(tmp_path: Path, spawn: Serve) -> None:
    source = "import webpy.objects\nclass Root:\n @webpy.objects.expose\n def index(self): return 'x'\nroot = Root()\n"
    refused(spawn(app(tmp_path, source), "--workers", "2", env={"WEBPY_SESSION": "memory:"}))


def test_check_says_so_too(tmp_path: Path, spawn: Serve) -> None:
    path = app(tmp_path)
    program = (sys.executable, "-m", "webpy.cli", "check")
    refused(spawn(path, "--workers", "2", program=program))
    alone = spawn(path, "--workers", "1", program=program)
    assert alone.wait() == 0, alone.errors


def test_one_worker_serves_and_stays_alone(tmp_path: Path, serve: Serve, ctl: Ctl) -> None:
    path = app(tmp_path)
    server = serve(path, "--workers", "1", "--control", str(tmp_path / "control"))
    assert server.get("/").body == b"1"
    status, said = ctl("scale", "2")
    assert status != 0 and "memory:" in said and "--workers 1" in said
    server.send(signal.SIGTTIN)
    server.wait_for(r"\[warning\] 2 workers: .*memory:")
    assert server.get("/").body == b"2", "still the one worker"
    path.write_text(APP.format(url=f"sqlite:///{tmp_path}/a.sqlite3"))
    assert ctl("reload", "--wait")[0] == 0
    assert ctl("scale", "2")[0] == 0
    server.wait_for("worker 1 gen 2 .* is ready")
    path.write_text(APP.format(url="memory:"))
    status, said = ctl("reload", "--wait")
    assert status != 0 and "memory:" in said, "two were asked for meanwhile"
    assert server.get("/").status == 200


def test_a_reload_with_more_workers_is_refused(tmp_path: Path, serve: Serve, ctl: Ctl) -> None:
    path, config = app(tmp_path), tmp_path / "webpy.toml"
    config.write_text("workers = 1\n")
    server = serve(path, "--config", str(config), "--control", str(tmp_path / "control"))
    assert server.get("/").body == b"1"
    config.write_text("workers = 2\n")
    status, said = ctl("reload", "--wait")
    assert status != 0 and "memory:" in said and "2 workers" in said
    assert server.get("/").body == b"2"


def test_too_late_is_an_error_of_the_request(tmp_path: Path, serve: Serve) -> None:
    server = serve(app(tmp_path, LATE), "--workers", "2")
    assert server.get("/").status == 503
    said = server.wait_for("memory:")
    assert "--workers 1" in said
    alone = serve(app(tmp_path, LATE), "--workers", "1")
    assert alone.get("/").status == 200


def test_meant_for_each_worker(tmp_path: Path, serve: Serve) -> None:
    source = APP.replace("webpy.store.open({url!r})", "webpy.store.MemoryStore(per_worker=True)").format()
    assert serve(app(tmp_path, source), "--workers", "2").get("/").body == b"1"
