"""The bus: listeners are called, and those that CherryPy calls once are called once, not in each worker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT

from ..sidebyside import Pair

SCRIPT = """
import json
import os
import threading

import cherrypy
from cherrypy.process import plugins

LOG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "events")


def note(text):
    with open(LOG, "a") as file:
        file.write(text + "\\n")


class Plugin(plugins.SimplePlugin):
    def start(self):
        note("plugin start")

    def stop(self):
        note("plugin stop")

    def question(self, value):
        return value * 2


class Root:
    @cherrypy.expose
    def index(self):
        return "index"

    @cherrypy.expose
    def ask(self, value):
        return json.dumps([cherrypy.engine.publish("question", int(value)), cherrypy.engine.publish("nobody")])

    @cherrypy.expose
    def counted(self):
        return json.dumps(cherrypy.thread_data.started)

    @cherrypy.expose
    def logs(self):
        cherrypy.log("a message", "CONTEXT")
        try:
            1 // 0
        except ZeroDivisionError:
            cherrypy.log("with a traceback", traceback=True)
        return "logged"


def thread_started(index):
    cherrypy.thread_data.started = True


@cherrypy.engine.subscribe("before_request")
def before():
    cherrypy.response.headers["X-Before"] = "published"


def late():
    note("start late")


def early():
    note("start early")


early.priority = 10
late.priority = 90
cherrypy.engine.subscribe("question", lambda value: value + 1, priority=70)
Plugin(cherrypy.engine).subscribe()
cherrypy.engine.subscribe("start", late)
cherrypy.engine.subscribe("start", early)
cherrypy.engine.subscribe("stop", lambda: note("stop"), priority=60)
cherrypy.engine.subscribe("exit", lambda: note("exit"))
cherrypy.engine.subscribe("start_thread", thread_started)


def removed():
    note("removed")


cherrypy.engine.subscribe("start", removed)
cherrypy.engine.unsubscribe("start", removed)
cherrypy.engine.signals.subscribe()
cherrypy.quickstart(Root())
"""


def events(folder: Path) -> list[str]:
    return (folder / "events").read_text().split("\n")[:-1]


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Pair:
    return pair(SCRIPT)


def test_requests(both: Pair) -> None:
    for path in ("/", "/ask?value=3", "/counted", "/none"):
        for _ in range(4):
            both.same("GET", path)


def test_messages_are_in_the_error_log(both: Pair) -> None:
    both.same("GET", "/logs")
    server = both.webpy.server
    server.wait_for("CONTEXT a message")
    server.wait_for("with a traceback")
    server.wait_for("ZeroDivisionError")


@pytest.mark.slow
def test_requests_are_in_webpys_access_log_only(both: Pair) -> None:
    both.same("GET", "/")
    server = both.webpy.server
    server.wait_for("GET / HTTP/1.1", server.log)
    assert not [line for line in server.errors if "GET / HTTP/1.1" in line]


def test_start_and_stop_happen_once(both: Pair) -> None:
    both.reload()
    both.same("GET", "/")
    assert both.stop() == (0, 0)
    theirs, mine = (events(folder) for folder in both.folders.values())
    assert mine == theirs == ["start early", "plugin start", "start late", "plugin stop", "stop", "exit"]


@pytest.mark.slow
def test_a_failing_start_ends_the_program(pair: Callable[..., Pair], tmp_path: Path) -> None:
    script = tmp_path / "failing.py"
    script.write_text(
        "import webpy.objects as cherrypy\n"
        "class Root:\n    pass\n"
        "def fail(): raise RuntimeError('no database')\n"
        "cherrypy.engine.subscribe('start', fail)\n"
        "cherrypy.quickstart(Root())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WEBPY_BIND": "127.0.0.1:0"}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode != 0
    assert re.search("no database", done.stderr)
