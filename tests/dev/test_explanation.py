"""The answer to an exception under `webpy dev`, on the wire: who sees it, in which form, and from which hosts."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.dev.conftest import HTML, Develop
from tests.server import Server

ROUTES = """
import sys
import webpy as web

def price(name):
    secret = "<b>s3cret</b>"
    return {}[name]

class Fails(web.HTTPHandler):
    def do_get(self):
        return 200, price("<script>alert(1)</script>")
    do_post = do_get

class Streams(Fails):
    stream = True

class Chained(web.HTTPHandler):
    def do_get(self):
        try:
            price("plum")
        except KeyError as error:
            raise ValueError("no price") from error

class Forgets(web.HTTPHandler):
    def do_get(self):
        pass

class Means(web.HTTPHandler):
    def do_get(self):
        raise web.HTTPError(500, "meant")

class Modules(web.HTTPHandler):
    def do_get(self):
        return 200, " ".join(sys.modules)

class Sorry(web.HTTPErrorHandler):
    def format(self):
        return f"sorry {self.error.status}"

routes = {"/fails": Fails, "/streams": Streams, "/chained": Chained, "/forgets": Forgets, "/means": Means,
          "/modules": Modules}
error_routes = {404: Sorry}
"""
WSGI = """
def app(environ, start_response):
    return {}["<script>alert(1)</script>"]
"""
STDLIB = """
from http.server import BaseHTTPRequestHandler
class handler(BaseHTTPRequestHandler):
    def do_GET(self):
        return {}["<script>alert(1)</script>"]
"""
OBJECTS = """
import webpy.objects as cherrypy
class Root:
    @cherrypy.expose
    def fails(self):
        return {}["<script>alert(1)</script>"]
root = Root()
"""
SERVER = ROUTES.replace("routes = {", "paths = {") + "server = web.HTTPServer(('127.0.0.1', 0), paths)\n"
PLAIN = b"500 - Internal Server Error\n"
OFF = "exceptions are not shown in the browser, as "


@pytest.mark.parametrize("source", [ROUTES, WSGI, STDLIB, OBJECTS, SERVER])
def test_the_page_and_the_text_from_each_host(source: str, develop: Develop) -> None:
    server = develop(source)
    page = server.get("/fails", headers=HTML)
    assert page.status == 500
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-store"
    assert "script" not in page.headers["Content-Security-Policy"]
    text = page.body.decode()
    assert "<h1>KeyError</h1>" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "<script" not in text
    assert '<details class="application" open>' in text and "<code>app.py:" in text

    plain = server.get("/fails")
    assert plain.status == 500
    assert plain.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert plain.body.startswith(b"Traceback (most recent call last):\n")
    assert plain.body.endswith(b"KeyError: '<script>alert(1)</script>'\n")
    assert server.stop() == 0


def test_under_tls(develop: Develop, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "a.pem"))
    server = develop(ROUTES, "--certfile", "a.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    client = http.client.HTTPSConnection(*server.address, context=context, timeout=10)
    client.request("GET", "/fails", headers=HTML)
    answer = client.getresponse()
    assert answer.status == 500 and b"<h1>KeyError</h1>" in answer.read()
    client.close()
    assert f"https://127.0.0.1:{server.address[1]}/fails" in "\n".join(server.errors)


def test_where_the_exception_may_come_from(develop: Develop) -> None:
    server = develop(ROUTES)
    streamed = server.request("POST", "/streams", b"x", HTML)
    assert streamed.status == 500 and b"<h1>KeyError</h1>" in streamed.body
    chained = server.get("/chained", headers=HTML).body.decode()
    assert "<h1>ValueError</h1>" in chained
    assert 'It was raised from this exception: <span class="kind">KeyError</span>' in chained
    forgets = server.get("/forgets", headers=HTML)
    assert forgets.status == 500
    assert b"a handler returned None, wanted (status, body) or (status, reason, body)" in forgets.body
    assert b"<details class=" not in forgets.body  # webpy's own frames would say nothing
    head = server.request("HEAD", "/fails", headers=HTML)
    assert head.status == 500 and not head.body
    assert server.request("OPTIONS", "/fails").status == 204  # the connection and the worker are well


def test_mix_ins_of_the_target_stand_before_it(develop: Develop) -> None:
    """The page keeps its own policy, without which it would have no style."""
    mixins = "\nfrom webpy.requestid import RequestIDMixIn\nfrom webpy.security import SecurityMixIn\n"
    server = develop(ROUTES + mixins + "mixins = (RequestIDMixIn, SecurityMixIn)\n")
    for path, policy in (("/fails", "default-src 'none'; style-src 'sha256-"), ("/means", "default-src 'self'; ")):
        got = server.get(path, headers=HTML)
        assert got.status == 500 and got.headers["X-Request-ID"]
        (told,) = got.headers.get_all("Content-Security-Policy")
        assert told.startswith(policy)


def test_what_a_handler_means_is_sent_as_it_is(develop: Develop) -> None:
    server = develop(ROUTES)
    assert server.get("/means", headers=HTML).body == b"meant"
    assert server.get("/nowhere", headers=HTML).body == b"sorry 404"


def test_locals_are_shown_if_asked_for(develop: Develop) -> None:
    assert b"s3cret" not in develop(ROUTES).get("/chained", headers=HTML).body.replace(b"secret = ", b"").replace(
        b"&quot;&lt;b&gt;s3cret&lt;/b&gt;&quot;",
        b"",  # the source line
    )
    page = develop(ROUTES, "--locals").get("/chained", headers=HTML).body
    assert b"<dt>secret</dt><dd>&#x27;&lt;b&gt;s3cret&lt;/b&gt;&#x27;</dd>" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    "field",
    [
        ("Host", "evil.example"),  # DNS rebinding
        ("Host", "127.0.0.1.evil.example"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("Via", "1.1 proxy"),
        ("X-Real-IP", "127.0.0.1"),
    ],
)
def test_nobody_else_sees_it(field: tuple[str, str], develop: Develop) -> None:
    server = develop(ROUTES)
    for headers in ({}, HTML):
        assert server.get("/fails", headers={**headers, **dict([field])}).body == PLAIN


@pytest.mark.slow
@pytest.mark.parametrize("name", ["localhost", "app.localhost:80", "127.9.9.9", "[::1]:8000", "LOCALHOST."])
def test_names_of_this_machine(name: str, develop: Develop) -> None:
    assert develop(ROUTES).get("/fails", headers={**HTML, "Host": name}).body != PLAIN


@pytest.mark.slow
@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0", "unix:sock"])
def test_not_on_an_address_that_others_reach(bind: str, broken: bool, develop: Develop) -> None:
    server = develop(ROUTES + ("1 / 0" if broken else ""), bind=bind)
    if server.path:
        server.path = str(server.cwd / server.path)
    else:
        server.address = ("::1" if "[" in bind else "127.0.0.1", server.address[1])
    answer = server.get("/fails", headers=HTML)
    assert answer.status == 500
    if broken:
        assert answer.body == b"500 - The application does not load. The terminal of `webpy dev` says why.\n"
    else:
        assert answer.body == PLAIN
    server.wait_for(OFF)


def test_one_such_address_is_enough(develop: Develop) -> None:
    server = develop(ROUTES, "--bind", "0.0.0.0:0")
    server.wait_for(OFF + r"0\.0\.0\.0:\d+ is not on the loopback address")
    assert server.get("/fails", headers=HTML).body == PLAIN


def test_webpy_serve_knows_nothing_of_it(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(ROUTES)
    for options in (("--workers", "1", "--reload"), ("--workers", "2")):
        server = serve("app.py", *options)
        for path in ("/fails", "/forgets", "/chained"):
            assert server.get(path, headers=HTML).body == PLAIN
        modules = server.get("/modules").body.decode().split()
        assert "webpy.worker.loop" in modules
        assert not [name for name in modules if name.startswith("webpy.dev")]
        assert server.stop() == 0


def test_a_body_that_was_not_read_does_not_matter(develop: Develop) -> None:
    """The next request on the connection is answered."""
    server = develop(ROUTES)
    with socket.create_connection(server.address, 10) as client:
        for _ in range(2):
            client.sendall(b"POST /fails HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
            answer = http.client.HTTPResponse(client, method="POST")
            answer.begin()
            assert answer.status == 500 and b"KeyError" in answer.read()


def test_the_request_on_the_page_has_no_credentials(develop: Develop) -> None:
    headers = {**HTML, "Authorization": "Bearer t0ken", "Cookie": "session=c00kie", "X-Other": json.dumps("<i>")}
    page = develop(ROUTES).get("/fails", headers=headers).body
    assert b"t0ken" not in page and b"c00kie" not in page
    assert b"<dt>X-Other</dt><dd>&quot;&lt;i&gt;&quot;</dd>" in page
