"""What is called around a page, in which order; and threads and workers do not mix up requests."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from .sidebyside import Pair

SCRIPT = """
import os
import threading
import time

import cherrypy

LOG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "events")
POINTS = ("on_start_resource", "before_request_body", "before_handler", "before_finalize", "on_end_resource",
          "on_end_request", "before_error_response", "after_error_response")


def note(text):
    with open(LOG, "a") as file:
        file.write(text + "\\n")


def noting(point):
    return lambda: note("%s %s" % (point, cherrypy.request.path_info))


def failing():
    note("failing")
    raise KeyError("hook")


def safe():
    note("safe")


safe.failsafe = True
conf = {"hooks.%s" % point: noting(point) for point in POINTS}
marked = []


class Root:
    _cp_config = conf

    @cherrypy.expose
    def plain(self):
        note("page")
        return "plain"

    @cherrypy.expose
    def generated(self):
        note("page begins")
        yield "one"
        note("page ends")

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    def streamed(self, count=3, mark=None):
        note("page begins")
        try:
            for number in range(int(count)):
                yield "%s %s;" % (number, mark and cherrypy.request.params["mark"])
        finally:
            note("page ends %s" % cherrypy.request.path_info)

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    def endless(self):
        try:
            while True:
                yield b"x" * 65536
        finally:
            note("page ends %s" % cherrypy.request.path_info)

    @cherrypy.expose
    def crash(self):
        raise KeyError("page")

    @cherrypy.expose
    def gone(self):
        raise cherrypy.HTTPError(410)

    @cherrypy.expose
    def moved(self):
        raise cherrypy.HTTPRedirect("/plain")

    @cherrypy.expose
    def internal(self):
        raise cherrypy.InternalRedirect("/plain")

    @cherrypy.expose
    @cherrypy.config(**{"hooks.before_handler.1": failing, "hooks.before_handler.2": safe})
    def hooked(self):
        note("never")

    @cherrypy.expose
    @cherrypy.config(**{"hooks.on_end_request.1": failing})
    def ending(self):
        return "ending"

    @cherrypy.expose
    def slow(self, mark, seconds="0.02"):
        before = cherrypy.request.params["mark"]
        cherrypy.response.headers["X-Mark"] = mark
        time.sleep(float(seconds))
        assert cherrypy.request.params["mark"] == before == mark
        return "%s %s" % (mark, cherrypy.request.query_string)

    @cherrypy.expose
    @cherrypy.config(**{"tools.sessions.on": True})
    def session(self):
        cherrypy.session["secret"] = 1
        return "session"

    @cherrypy.expose
    def nosession(self):
        return str(hasattr(cherrypy.serving, "session"))

    @cherrypy.expose
    @cherrypy.config(**{"tools.sessions.on": True, "response.stream": True})
    def streamed_session(self):
        yield str(cherrypy.session.get("secret"))
        yield " %s" % cherrypy.session.get("secret")

    @cherrypy.expose
    def exit(self):
        cherrypy.engine.exit()
        return "bye"


class Bare:
    @cherrypy.expose
    def index(self):
        return "bare"


cherrypy.tree.mount(Root(), "/app")
cherrypy.tree.mount(Bare(), "/bare")
cherrypy.engine.subscribe("before_request", lambda: note("before_request"))
cherrypy.engine.subscribe("after_request", lambda: note("after_request"))
cherrypy.engine.start()
cherrypy.engine.block()
"""


PAGES = "plain generated streamed streamed?count=0 crash gone moved internal hooked ending none"


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Pair:
    return pair(SCRIPT)


def ended(folder: Path, with_line: str = "") -> list[str]:
    """Return what was noted of requests, and remove it, once all that began have ended."""
    path = folder / "events"
    deadline = time.monotonic() + 10
    while True:
        lines = path.read_text().splitlines() if path.exists() else []
        points = [line.split(" ")[0] for line in lines]
        if (
            lines.count("before_request") == lines.count("after_request")
            and points.count("on_start_resource") == points.count("on_end_request")
            and (not with_line or with_line in lines)
        ):
            path.unlink(missing_ok=True)
            return lines
        assert time.monotonic() < deadline, lines
        time.sleep(0.01)


def forget(both: Pair) -> None:
    """Remove what earlier requests noted: the last of them may still end, after its answer was read."""
    for folder in both.folders.values():
        ended(folder)


@pytest.mark.parametrize(
    "path",
    [
        "plain",
        "generated",
        "streamed",
        "streamed?count=0",
        "crash",
        "gone",
        "moved",
        "internal",
        "hooked",
        "ending",
        "x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_hooks_are_called_in_the_same_order(both: Pair, method: str, path: str) -> None:
    forget(both)
    both.same(method, f"/app/{path}", b"" if method == "POST" else None)
    last = "failing" if path == "ending" else ""
    theirs, mine = (ended(folder, last) for folder in both.folders.values())
    if (method, path) == ("HEAD", "streamed"):
        # CherryPy's generator is only ended when it is collected
        theirs, mine = ([line for line in lines if not line.startswith("page ")] for lines in (theirs, mine))
    assert mine == theirs


def test_a_path_without_an_application(both: Pair) -> None:
    both.same("GET", "/bare")
    # CherryPy ends the connection after it, webpy says how long it is
    assert both.same("GET", "/nothing", ignore=["content-length"]).body == b""


def test_requests_at_once_are_kept_apart(both: Pair) -> None:
    url = both.webpy.server.url

    def ask(number: int) -> None:
        answer = requests.get(f"{url}/app/slow?mark={number}", timeout=20)
        assert answer.text == f"{number} mark={number}" and answer.headers["X-Mark"] == str(number)
        answer = requests.get(f"{url}/app/streamed?count=5&mark={number}", timeout=20)
        assert answer.text == "".join(f"{piece} {number};" for piece in range(5))

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(ask, range(60)))


def test_no_session_is_left_in_a_thread(both: Pair) -> None:
    for number in range(8):
        both.same("GET", "/app/session", session=f"{number}")
        assert both.same("GET", "/app/streamed_session", session=f"{number}").text == "1 1"
        assert both.same("GET", "/app/nosession", session=f"{number}").text == "False"


def test_a_client_that_leaves_ends_the_page(both: Pair) -> None:
    forget(both)
    server = both.webpy.server
    with contextlib.closing(socket.create_connection(server.address, 10)) as sock:
        sock.sendall(b"GET /app/endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    lines = ended(both.folders["webpy"], "on_end_request /endless")
    assert lines[-3:] == ["page ends /endless", "after_request", "on_end_request /endless"]


@pytest.mark.slow
def test_a_page_may_end_the_program(both: Pair) -> None:
    """The last test here. CherryPy's page is only answered if it is quick enough; its exit status is then 70."""
    server = both.webpy.server
    assert requests.get(f"{server.url}/app/exit", timeout=10).text == "bye"
    assert server.wait() == 0
