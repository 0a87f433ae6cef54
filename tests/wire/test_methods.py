"""Methods that are not allowed (405), and those that no handler of the server has (501): RFC 9110 section 15.6.2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server

from .client import Client, get

NATIVE = """
import webpy as web
from webpy.json import JSONHandler

class Plain(web.HTTPHandler):
    def do_get(self):
        return 200, "plain"

class Brews(JSONHandler):
    def do_brew(self):
        return 418, None

class Locked(Plain):
    atomic = True

class Hesitant(Plain):
    def check_continue(self):
        return True

class Own(web.HTTPHandler):
    def respond(self):
        return 200, self.request.method

routes = {"/plain": Plain, "/brews": Brews, "/locked": Locked, "/hesitant": Hesitant, "/own": Own}
"""
HOSTED = """
import webpy.wsgi

def app(environ, start_response):
    start_response("200 OK", [])
    return [environ["REQUEST_METHOD"].encode()]

routes = {**routes, **webpy.wsgi.new(app)}
"""


@pytest.fixture
def begin(serve: Callable[..., Server], tmp_path: Path) -> Callable[[str], Server]:
    def start(text: str) -> Server:
        (tmp_path / "methods.py").write_text(text)
        return serve("methods.py", "--workers", "1")

    return start


def test_a_method_that_no_handler_has_is_not_implemented(begin: Callable[[str], Server]) -> None:
    server = begin(NATIVE)
    for path, allowed in {
        "/plain": "GET, HEAD, OPTIONS",
        "/brews": "BREW, OPTIONS",
        "/locked": "GET, HEAD, OPTIONS",
        "/hesitant": "GET, HEAD, OPTIONS",
    }.items():
        for method in ("FOOBAR", "PROPFIND", "X" * 8000):
            refused = server.request(method, path)
            assert (refused.status, refused.headers["Allow"]) == (501, None), (method, path)
        for method in ("DELETE", "TRACE", "PATCH", "delete", "get", "BREW" if path != "/brews" else "GET"):
            refused = server.request(method, path)
            assert (refused.status, refused.headers["Allow"]) == (405, allowed), (method, path)
    assert server.request("BREW", "/brews").status == 418
    assert server.request("FOOBAR", "/own").body == b"FOOBAR"  # it answers any by itself
    assert server.request("FOOBAR", "/nowhere").status == 404


def test_a_body_for_a_method_that_no_handler_has_is_not_asked_for(begin: Callable[[str], Server]) -> None:
    server = begin(NATIVE)
    for path in ("/plain", "/hesitant", "/locked"):
        for method, status in (("FOOBAR", 501), ("PUT", 405)):
            with Client(server) as client:
                client.send(get(path, "Content-Length: 5", "Expect: 100-continue", method=method))
                assert client.read(method).status == status


def test_beside_a_host_that_takes_all_methods_none_is_unknown(begin: Callable[[str], Server]) -> None:
    server = begin(NATIVE + HOSTED)
    assert server.request("FOOBAR", "/x").body == b"FOOBAR"
    refused = server.request("FOOBAR", "/plain")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
