"""`mixins` beside `routes`, on the wire: every answer has their fields, with one worker and with two."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import webpy
from tests.server import ROOT, Answer, Server
from webpy import testing
from webpy.requestid import RequestIDMixIn

APP = """
from http.server import BaseHTTPRequestHandler

import webpy
from webpy import file, objects, redirect, stdlib, wsgi
from webpy.caching import CachingMixIn
from webpy.cors import CORSMixIn
from webpy.requestid import RequestIDMixIn
from webpy.security import SecurityMixIn


class Shared(CORSMixIn):
    cors_origins = ('https://app.example',)


class Note(webpy.HTTPHandler):
    def do_get(self):
        match self.groups[0]:
            case 'fault':
                raise KeyError('not meant')
            case 'conflict':
                raise webpy.HTTPError(409)
            case 'unsendable':
                return 200, 17
            case 'late':
                return 200, self.pieces()
            case 'redirect':
                raise redirect.to('/note/here')
        return 200, 'a note'

    def do_put(self):
        return 200, self.request.body

    def pieces(self):
        raise webpy.HTTPError(410)
        yield b''

    def check_continue(self):
        return self.groups[0] != 'refused'


class Own(RequestIDMixIn):
    request_id_field = 'X-Own-ID'
    security_csp = None
    security_frame_ancestors = None
    security_opener_policy = 'unsafe-none'

    def do_get(self):
        self.response.headers.set('Referrer-Policy', 'no-referrer')
        return 200, 'own'


class Cached(CachingMixIn):
    def do_get(self):
        return 200, 'cached'


class Fails(webpy.HTTPHandler):
    def __init__(self, request, groups):
        raise KeyError('before anything')


def app(environ, start_response):
    if environ['PATH_INFO'] == '/fault':
        raise KeyError('of the application')
    start_response('404 Not Found', [('Content-Type', 'text/plain'), ('Referrer-Policy', 'origin')])
    return [b'from wsgi']


class Old(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'from http.server')


class Pages:
    @objects.expose
    def index(self):
        return 'from objects'


routes = {
    '/note/(.*)': Note,
    '/own': Own,
    '/cached': Cached,
    '/fails': Fails,
    **file.new('files', '/files'),
    **wsgi.new(app, '/wsgi'),
    **stdlib.new(Old, '/old'),
    **objects.new(Pages(), '/pages'),
    **redirect.new('/moved', '/note/a'),
}
mixins = (RequestIDMixIn, SecurityMixIn, Shared)
"""
ORIGIN = {"Origin": "https://app.example"}
POLICY = re.compile("default-src 'self'; script-src 'self'; .*frame-ancestors 'self'")


@pytest.fixture(scope="module", params=["1", "2"], ids=["one worker", "two workers"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mixins")
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text("a file")
    (folder / "app.py").write_text(APP)
    server = Server("app.py", "--workers", request.param, "--max-body", "1K", "--body-timeout", "0.5", cwd=folder)
    server.wait_until_listening()
    yield server
    server.kill()


def check(got: Answer) -> None:
    """Each mix-in has done its work, once."""
    assert len(got.headers.get_all("X-Request-ID", [])) == 1, got.headers
    assert POLICY.fullmatch(" ".join(got.headers.get_all("Content-Security-Policy", []))), got.headers
    assert got.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert got.headers.get_all("Cross-Origin-Opener-Policy") == ["same-origin"]
    assert len(got.headers.get_all("Referrer-Policy", [])) == 1
    assert got.headers.get_all("Access-Control-Allow-Origin") == ["https://app.example"]
    assert "Origin" in (got.headers["Vary"] or "")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/note/a", 200),
        ("HEAD", "/note/a", 200),
        ("OPTIONS", "/note/a", 204),
        ("PUT", "/note/a", 200),
        ("DELETE", "/note/a", 405),
        ("BREW", "/note/a", 405),
        ("GET", "/note/conflict", 409),
        ("GET", "/note/fault", 500),
        ("GET", "/note/unsendable", 500),
        ("GET", "/note/late", 410),
        ("GET", "/note/redirect", 303),
        ("GET", "/moved", 308),
        ("GET", "/cached", 200),
        ("GET", "/nowhere", 404),
        ("HEAD", "/nowhere", 404),
        ("PUT", "/nowhere", 404),
        ("BREW", "/nowhere", 404),
        ("OPTIONS", "*", 204),
        ("GET", "/files/a.txt", 200),
        ("GET", "/files/b.txt", 404),
        ("GET", "/files", 301),
        ("DELETE", "/files/a.txt", 405),
        ("GET", "/wsgi", 404),
        ("GET", "/wsgi/fault", 500),
        ("GET", "/old", 200),
        ("POST", "/old", 501),
        ("GET", "/pages/", 200),
        ("GET", "/pages/nowhere", 404),
    ],
)
def test_every_answer_has_their_fields(server: Server, method: str, path: str, status: int) -> None:
    for _ in range(2):  # the second is remembered
        got = server.request(method, path, headers=ORIGIN)
        assert got.status == status
        check(got)


def test_a_handler_that_cannot_be_made(server: Server) -> None:
    got = server.get("/fails")
    assert got.status == 500 and POLICY.fullmatch(got.headers["Content-Security-Policy"])


def test_a_refused_body_and_a_preflight(server: Server) -> None:
    waits = {"Expect": "100-continue", "Content-Length": "3"}
    refused = server.request("PUT", "/note/refused", b"", ORIGIN | waits)
    assert refused.status == 417
    check(refused)
    asked = ORIGIN | {"Access-Control-Request-Method": "PUT"}
    for path in ("/note/a", "/files/a.txt", "/wsgi"):
        preflight = server.request("OPTIONS", path, headers=asked)
        assert preflight.status == 204 and "GET" in preflight.headers["Access-Control-Allow-Methods"]
        check(preflight)


def test_what_a_handler_or_a_host_says_itself_counts(server: Server) -> None:
    own = server.get("/own", headers={"X-Request-ID": "outer", "X-Own-ID": "inner"})
    assert own.headers["X-Own-ID"] == "inner" and own.headers["X-Request-ID"] is None
    assert own.headers["Content-Security-Policy"] is None
    assert own.headers.get_all("Cross-Origin-Opener-Policy") == ["unsafe-none"]
    assert own.headers.get_all("Referrer-Policy") == ["no-referrer"]
    assert server.get("/wsgi").headers.get_all("Referrer-Policy") == ["origin"]


@pytest.mark.parametrize("path", ["/files/a.txt", "/cached"])
def test_a_304_has_the_id_and_no_policy(server: Server, path: str) -> None:
    etag = server.get(path).headers["ETag"]
    got = server.get(path, headers={"If-None-Match": etag})
    assert (got.status, got.body) == (304, b"")
    told = {name.lower() for name, _ in got.headers.items()}
    assert {"x-request-id", "etag", "vary"} <= told
    assert not told & {"content-security-policy", "x-content-type-options", "referrer-policy"}
    assert "cross-origin-opener-policy" not in told


def test_an_id_goes_through(server: Server) -> None:
    for path in ("/note/a", "/nowhere", "/files/a.txt", "/wsgi", "/old"):
        got = server.get(path, headers={"X-Request-ID": f"of{path}".replace("/", "-")})
        assert got.headers["X-Request-ID"] == f"of{path}".replace("/", "-")


def refused(server: Server, sent: bytes) -> Answer:
    """Return the answer to bytes that are no whole request."""
    with server.connect() as sock:
        sock.sendall(sent)
        got = http.client.HTTPResponse(sock)
        got.begin()
        answer = Answer(got.status, got.reason, got.headers, got.read())
        assert sock.recv(1) == b""  # it has been closed
    return answer


BEGUN = b"PUT /note/a HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nX-Request-ID: of-a-bad-body\r\n"


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"Content-Length: 1025\r\n\r\n", 413),
        (b"Content-Length: 1025\r\n\r\n" + 1025 * b"x", 413),
        (b"Content-Length: 1025\r\nExpect: 100-continue\r\n\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n\r\nno size\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n400\r\n" + 1024 * b"x" + b"\r\n1\r\nx\r\n", 413),
        (b"Content-Length: 9\r\n\r\nx", 408),
    ],
)
def test_a_body_that_is_refused_while_it_comes(server: Server, rest: bytes, status: int) -> None:
    got = refused(server, BEGUN + rest)
    assert got.status == status and got.headers["X-Request-ID"] == "of-a-bad-body"
    assert got.headers.get_all("Connection") == ["close"] and len(got.headers.get_all("Content-Type", [])) == 1
    check(got)
    server.wait_for(rf'"PUT /note/a HTTP/1.1" {status} ', server.log)


def test_what_cannot_be_read_has_none_of_theirs(server: Server) -> None:
    got = refused(server, b"PUT /note/a HTTP/1.1\r\n\r\n")
    assert got.status == 400 and got.headers["X-Request-ID"] is None


def test_a_client_that_leaves_before_it_is_refused(server: Server) -> None:
    for _ in range(20):
        with server.connect() as sock:
            sock.sendall(BEGUN + b"Transfer-Encoding: chunked\r\n\r\nno size\r\n")
    assert server.get("/note/a").status == 200


# -- commands, reloads, and the test client ---------------------------------------------------------------------------

SMALL = """
import webpy
from webpy.requestid import RequestIDMixIn

class Hello(webpy.HTTPHandler):
    def do_get(self):
        return 200, 'hello'

routes = {'/': Hello}
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webpy.cli", *arguments]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def test_check_and_routes_name_them(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SMALL + "mixins = (RequestIDMixIn,)\n")
    checked = run(tmp_path, "check", "app.py")
    assert checked.stdout.splitlines()[0] == "ok: app.py:routes — 1 route (routes), behind RequestIDMixIn"
    listed = run(tmp_path, "routes", "app.py")
    assert listed.stdout.splitlines()[0] == "app.py:routes: 1 route, behind RequestIDMixIn"
    assert re.search(r"^/ +regex +Hello +GET HEAD OPTIONS +app.py:5$", listed.stdout, re.M)
    assert json.loads(run(tmp_path, "routes", "--json", "app.py").stdout)["mixins"] == ["RequestIDMixIn"]


@pytest.mark.parametrize(
    ("mixins", "told"),
    [
        ("RequestIDMixIn", r"mixins: got the class RequestIDMixIn, wanted a tuple: \(RequestIDMixIn,\)"),
        ("(Hello,)", "mixins: got Hello, which answers GET by itself, wanted a tuple of mix-in classes"),
        ("'RequestIDMixIn'", "mixins: got 'RequestIDMixIn', wanted a tuple of mix-in classes"),
    ],
)
def test_a_wrong_value_is_refused_by_name(tmp_path: Path, mixins: str, told: str) -> None:
    (tmp_path / "app.py").write_text(f"{SMALL}mixins = {mixins}\n")
    checked = run(tmp_path, "check", "app.py")
    assert checked.returncode == 3 and re.search(f"^webpy: app.py:routes: {told}", checked.stderr), checked.stderr
    with pytest.raises(testing.StartError, match=told):
        testing.Client(tmp_path / "app.py")


@pytest.mark.slow
def test_a_reload_brings_and_takes_them(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(SMALL)
    with testing.serve(app) as server:
        assert "X-Request-ID" not in server.get("/nowhere").headers
        app.write_text(SMALL + "mixins = (RequestIDMixIn,)\n")
        server.reload()
        assert "X-Request-ID" in server.get("/nowhere").headers
        app.write_text(SMALL + "mixins = RequestIDMixIn\n")
        with pytest.raises(testing.ReloadError, match="mixins: got the class RequestIDMixIn, wanted a tuple"):
            server.reload()
        assert "X-Request-ID" in server.get("/").headers  # those that serve go on
        app.write_text(SMALL)
        server.reload()
        assert "X-Request-ID" not in server.get("/").headers


def test_of_a_package_with_a_module_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "mixins.py").write_text("")
    (tmp_path / "app.py").write_text(SMALL + "import mixins\n")
    with testing.Client(tmp_path / "app.py") as client:
        assert client.get("/").status == 200


SERVER = """
httpd = webpy.HTTPServer(('127.0.0.1', 0), routes%s)
"""


def test_beside_a_server(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SMALL + "mixins = (RequestIDMixIn,)" + SERVER % ", mixins=mixins")
    with testing.Client(f"{tmp_path}/app.py:httpd") as client:
        assert "X-Request-ID" in client.get("/nowhere").headers
    (tmp_path / "other.py").write_text(SMALL + "mixins = (RequestIDMixIn,)" + SERVER % "")
    with pytest.raises(testing.StartError, match=r"mixins beside a server do nothing: write HTTPServer\(…, mixins="):
        testing.Client(f"{tmp_path}/other.py:httpd")
    wrong: Any = RequestIDMixIn
    with pytest.raises(ValueError, match="mixins: got the class RequestIDMixIn"):
        webpy.HTTPServer(("127.0.0.1", 0), {}, mixins=wrong)


def test_before_a_whole_application(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from webpy.requestid import RequestIDMixIn\n"
        "mixins = (RequestIDMixIn,)\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'x']\n"
    )
    with testing.Client(tmp_path / "app.py") as client:
        assert "X-Request-ID" in client.get("/a").headers
