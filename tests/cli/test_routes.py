"""`webpy routes`: what it lists for each kind of TARGET, its JSON, its warnings, and those of `webpy check`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import ROOT

APPLICATION = """
from functools import partial, wraps
from http.server import BaseHTTPRequestHandler

import webpy
import webpy.cgi
import webpy.file
import webpy.objects
import webpy.query
import webpy.stdlib
import webpy.wsgi
from webpy.requestid import RequestIDMixIn


class Item(webpy.HTTPHandler):
    def do_get(self):
        return 200, ""


class Empty(webpy.HTTPHandler):
    def do_GET(self):
        return 200, ""


class Old(BaseHTTPRequestHandler):
    pass


def shop(environ, start_response):
    raise AssertionError("it is not called")


@wraps(shop)
def wrapped(environ, start_response):
    return shop(environ, start_response)


class Page:
    @webpy.objects.expose
    def index(self):
        return ""


def factory():
    class Local(webpy.HTTPHandler):
        def do_put(self):
            return 200, ""

    return Local


installed = partial(shop)


class Marked(RequestIDMixIn, webpy.wsgi.WSGIHandler):
    pass


routes = {
    **webpy.host("api.example.org", {webpy.path("/items/{id:int}"): Item}),
    "/local": factory(),
    **webpy.wsgi.new(shop, "/shop"),
    **webpy.wsgi.new(wrapped, "/marked", handler=Marked),
    **webpy.file.new("docs", "/docs"),
    **webpy.query.new("/q", Item),
    **webpy.stdlib.new(Old, "/old"),
    **webpy.objects.new(Page(), "/pages"),
    **webpy.cgi.new("scripts"),
    "/made": type("Made", (Item,), {}),
}
server = webpy.HTTPServer(("127.0.0.1", 0), {"/": Item})


class Handler(webpy.HTTPHandler):
    def do_get(self):
        return 200, ""
"""
LISTED = """\
app.py:routes: 10 routes
ROUTE                        KIND   HOST             HANDLER                   METHODS           DEFINED
/items/{id:int}              path   api.example.org  Item                      GET HEAD OPTIONS  app.py:15
/local                       regex  any              factory.Local             OPTIONS PUT       app.py:45
/shop(?:/.*|\\?.*)?           regex  any              WSGI application shop     any               app.py:29
/marked(?:/.*|\\?.*)?         regex  any              WSGI application shop     any               app.py:29
/docs(/[^?]*)?(?:\\?.*)?      regex  any              files of docs             GET HEAD OPTIONS  -
(?:/q)(?:\\?.*)?              regex  any              Item                      GET HEAD OPTIONS  app.py:15
/old(?:/.*|\\?.*)?            regex  any              http.server handler Old   any               app.py:25
/pages(?:/.*|\\?.*)?          regex  any              objects Page              any               app.py:38
/cgi\\-bin(/[^?]*)?(?:\\?.*)?  regex  any              CGI scripts of {scripts}  any               -
/made                        regex  any              Made                      GET HEAD OPTIONS  app.py:15
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    Path("scripts").mkdir()
    Path("app.py").write_text(APPLICATION)
    return tmp_path


def webpy(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "webpy.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)


def test_a_table_of_all_routes_aligned(folder: Path) -> None:
    done = webpy("routes", "app.py")
    scripts = str(folder / "scripts")
    lines = [line.split() for line in LISTED.replace("{scripts}", scripts).splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == lines
    header, *rows = done.stdout.splitlines()[1:]
    for name in ("KIND", "HOST", "HANDLER", "METHODS", "DEFINED"):
        place = header.index(name)
        assert all(row[place - 1] == " " != row[place] for row in rows)


def test_json(folder: Path) -> None:
    done = webpy("routes", "app.py", "--json")
    listed = json.loads(done.stdout)
    assert (listed["target"], listed["kind"], len(listed["routes"])) == ("app.py:routes", "routes", 10)
    assert listed["routes"][0] == {
        "route": "/items/{id:int}",
        "kind": "path",
        "host": "api.example.org",
        "handler": "Item",
        "methods": ["GET", "HEAD", "OPTIONS"],
        "defined": "app.py:15",
        "warnings": [],
    }
    assert [listed["routes"][2][name] for name in ("host", "methods", "defined")] == [None, None, "app.py:29"]


COLUMNS = ["ROUTE", "KIND", "HANDLER", "METHODS", "DEFINED"]


@pytest.mark.parametrize(
    ("attribute", "headline", "row"),
    [
        ("shop", "a WSGI application, for all paths", "/.* regex WSGI application shop any app.py:29"),
        ("installed", "a WSGI application, for all paths", "/.* regex WSGI application partial any -"),
        ("Page()", "an object with exposed methods, for all paths", "/.* regex objects Page any app.py:38"),
        ("Handler", "a subclass of webpy.HTTPHandler, for all paths", "(/.*) regex Handler GET HEAD OPTIONS app.py:74"),
        ("server", "a webpy.HTTPServer with 1 route", "/ regex Item GET HEAD OPTIONS app.py:15"),
        (
            "Old",
            "a subclass of http.server.BaseHTTPRequestHandler, for all paths",
            "/.*|\\* regex http.server handler Old any app.py:25",
        ),
    ],
)
def test_other_targets(attribute: str, headline: str, row: str) -> None:
    done = webpy("routes", f"app.py:{attribute}")
    first, titles, *rows = done.stdout.splitlines()
    assert (first, titles.split()) == (f"app.py:{attribute}: {headline}", COLUMNS)
    assert [" ".join(each.split()) for each in rows] == [row]


BAD = """
import webpy


class Item(webpy.HTTPHandler):
    def do_get(self):
        return 200, ""


class Empty(webpy.HTTPHandler):
    def do_GET(self):
        return 200, ""


routes = {"/(.*)": Item, webpy.path("/a/{b}"): Item, "empty": Empty, "/a//b": Item}
"""
WARNINGS = [
    "route webpy.path('/a/{b}') never answers: '/(.*)', before it, matches all that it matches",
    "route 'empty' matches no request: every path begins with '/': write '/empty'",
    "route 'empty': Empty answers no method: it has no do_get, do_post, ... (it has do_GET, wanted do_get)",
    "route '/a//b' matches no request, as routes see paths in normal form: write '/a/b'",
    "route '/a//b' never answers: '/(.*)', before it, matches all that it matches",
]


def test_warnings_of_both_commands() -> None:
    Path("bad.py").write_text(BAD)
    for command in ("routes", "check"):
        done = webpy(command, "bad.py")
        assert done.returncode == 0
        assert done.stderr.splitlines() == [f"webpy: warning: {warning}" for warning in WARNINGS]
    done = webpy("routes", "bad.py", "--json")
    assert done.stderr == ""
    assert [warning for route in json.loads(done.stdout)["routes"] for warning in route["warnings"]] == WARNINGS


@pytest.mark.parametrize(
    ("source", "status", "message"),
    [
        ("routes = {'/(': 5}", 3, "webpy: app.py:routes: route '/(': got 5, wanted a subclass of webpy.HTTPHandler\n"),
        ("import webpy\nwebpy.path('/{')", 3, "ValueError: path template '/{': '{' without '}'"),
        ("def routes(): ...", 3, "webpy: app.py:routes: got <function routes"),
        ("routes = {}", 0, ""),
    ],
)
def test_a_target_that_is_wrong_or_empty(source: str, status: int, message: str) -> None:
    Path("app.py").write_text(source)
    done = webpy("routes")
    assert (done.returncode, done.stdout) == (status, "app.py:routes: 0 routes\n" if status == 0 else "")
    assert message in done.stderr
    assert "TARGET is app.py, the first of" in done.stderr


def test_wrong_usage_and_settings(folder: Path) -> None:
    assert webpy("routes", "app.py", "--kind", "x").returncode == 2
    assert webpy("routes", "app.py", "extra").returncode == 2
    (folder / "webpy.toml").write_text("wrokers = 1\n")
    done = webpy("routes", "app.py")
    assert done.returncode == 2
    assert "wrokers" in done.stderr
    (folder / "webpy.toml").unlink()
    (folder / "below").mkdir()
    (folder / "app.py").rename(folder / "below" / "app.py")
    (folder / "docs").rename(folder / "below" / "docs")
    (folder / "scripts").rename(folder / "below" / "scripts")
    done = webpy("routes", "--chdir", "below")
    assert done.stdout.splitlines()[0] == "app.py:routes: 10 routes"
