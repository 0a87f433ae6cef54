"""Pages as TARGET of `webpy serve`, and beside other handlers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

import webpy.objects
from tests.server import ROOT, Server

TARGET = """
import os

import webpy.objects as cherrypy

HERE = os.path.dirname(os.path.abspath(__file__))


def note(text):
    with open(os.path.join(HERE, "events"), "a") as file:
        file.write(text + "\\n")


class Root:
    @cherrypy.expose
    def index(self):
        return "%s of %d" % (cherrypy.request.config.get("mark"), os.getpid())

    @cherrypy.expose
    def greet(self, name):
        return "hello " + name


def start():
    note("start")
    if os.path.exists(os.path.join(HERE, "broken")):
        raise RuntimeError("the disk is gone")


cherrypy.engine.subscribe("start", start)
cherrypy.engine.subscribe("stop", lambda: note("stop"))
root = Root()
cherrypy.quickstart(root, "/", {"/": {"mark": "a mark"}, "global": {"server.socket_port": 1}})
"""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "pages.py"
    path.write_text(TARGET)
    yield path


@pytest.mark.slow
def test_as_target(target: Path, serve: Callable[..., Server]) -> None:
    """`webpy serve pages.py` on its address; "start" is called once for each generation, "stop" once at the end."""
    server = serve(target, "--workers", "2")
    events = target.parent / "events"
    url = server.url
    assert requests.get(url, timeout=10).text.startswith("a mark of ")
    assert requests.get(f"{url}/greet/you", timeout=10).text == "hello you"
    assert requests.get(f"{url}/greet", timeout=10).status_code == 404
    assert events.read_text().split() == ["start"]

    _reload(server, 1)
    assert events.read_text().split() == ["start", "start"]
    (target.parent / "broken").touch()
    server.send(signal.SIGHUP)
    server.wait_for("the disk is gone")
    assert requests.get(url, timeout=10).status_code == 200
    assert server.stop() == 0
    _wait_for(lambda: events.read_text().split() == ["start", "start", "start", "stop"])


def _reload(server: Server, generation: int) -> None:
    server.wait_for(rf"worker \d gen {generation} .*is ready", count=2)
    server.send(signal.SIGHUP)
    server.wait_for(rf"worker \d gen {generation} .*exited", count=2)


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


TREE = """
import webpy.objects as cherrypy

class Root:
    @cherrypy.expose
    def index(self):
        return "mounted at %r" % cherrypy.request.script_name

def grafted(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["SCRIPT_NAME"].encode()]

app = cherrypy.Application(Root(), "/app")
cherrypy.tree.mount(app)
cherrypy.tree.mount(Root(), "/other")
cherrypy.tree.graft(grafted, "/wsgi")
root = cherrypy.tree
"""


@pytest.mark.slow
def test_trees_and_applications_as_targets(tmp_path: Path, serve: Callable[..., Server]) -> None:
    script = tmp_path / "several.py"
    script.write_text(TREE)
    tree, app = (serve(f"{script}:{name}", "--workers", "1") for name in ("root", "app"))
    pages = {"/app/": b"mounted at '/app'", "/other/": b"mounted at '/other'", "/wsgi/x": b"/wsgi"}
    for path, body in pages.items():
        assert tree.get(path).body == body
        assert app.get(path).status == (200 if path == "/app/" else 404)
    assert tree.get("/").status == 404


ROUTES = """
import webpy
import webpy.objects as cherrypy

class Health(webpy.HTTPHandler):
    def do_get(self):
        return 200, "well"

class Shop:
    @cherrypy.expose
    def index(self):
        return cherrypy.request.config["mark"] + cherrypy.url("/cart")

    @cherrypy.expose
    def upload(self):
        return str(len(cherrypy.request.body.read()))

routes = {"/health": Health, **cherrypy.new(Shop(), "/shop", {"/": {"mark": "a mark "}})}
"""


@pytest.mark.slow
def test_beside_other_handlers(tmp_path: Path, serve: Callable[..., Server]) -> None:
    script = tmp_path / "shop.py"
    script.write_text(ROUTES)
    server = serve(script, "--workers", "2")
    assert server.get("/health").body == b"well"
    assert server.get("/shop/").body == f"a mark {server.url}/shop/cart".encode()
    redirect = server.get("/shop")
    assert (redirect.status, redirect.headers["Location"]) == (301, f"{server.url}/shop/")
    assert server.get("/shopping").status == server.get("/").status == 404
    big = server.request("POST", "/shop/upload", b"x" * 900_000, {"Content-Type": "text/plain"})
    assert big.body == b"900000"


@pytest.mark.parametrize("remote", ["shop", "/shop/", "/a b", "/a?b", None])
def test_new_refuses_what_is_no_path(remote: object) -> None:
    with pytest.raises(ValueError, match="remote: got"):
        webpy.objects.new(object(), remote)  # type: ignore[arg-type]


@pytest.mark.slow
def test_check_says_what_it_is(target: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "webpy.cli", "check", str(target)],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "objects" in done.stdout
