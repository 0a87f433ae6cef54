"""Path templates and routes for one host, on the wire: hosts of other programs, mix-ins, errors, workers and TLS."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.server import Answer, Server

APPLICATION = """
from http.server import BaseHTTPRequestHandler

import webpy
import webpy.cgi
import webpy.file
import webpy.objects
import webpy.query
import webpy.redirect
import webpy.stdlib
import webpy.wsgi
from webpy.auth import BasicAuthMixIn
from webpy.compression import CompressionMixIn

ITEM = webpy.path("/items/{id:int}")


class Item(webpy.HTTPHandler):
    def do_get(self):
        return 200, f"item {self.groups['id']!r} {self.groups[0]!r} {self.request.query} {ITEM.url(id=self.groups[0])}"

    def do_put(self):
        return 200, self.request.body


class Named(webpy.HTTPHandler):
    def do_get(self):
        return 200, f"named {dict(self.groups.names)!r}"


class Private(BasicAuthMixIn, CompressionMixIn, Named):
    auth_realm = "items"

    def login(self, user, password):
        return user if password == "secret" else None


class Asked(webpy.HTTPHandler):
    def do_get(self):
        return 200, f"{self.groups['id']} {self.query['q']}"


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"wsgi {environ['SCRIPT_NAME']} {environ['PATH_INFO']} {environ['HTTP_HOST']}".encode("latin-1")]


class Standard(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"stdlib {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Page:
    @webpy.objects.expose
    def index(self):
        return "objects"


class PrivateFiles(BasicAuthMixIn, webpy.file.PathHandler):
    auth_realm = "files"

    def login(self, user, password):
        return user if password == "secret" else None


class Brew(webpy.HTTPHandler):
    def do_brew(self):
        return 418, None


api = {ITEM: Item, webpy.path("/{kind}/{rest:path}"): Named, "/only": Brew}
routes = {
    **webpy.host("api.example.org", api),
    **webpy.host("wsgi.example.org", webpy.wsgi.new(application)),
    **webpy.host("stdlib.example.org", webpy.stdlib.new(Standard)),
    **webpy.host("objects.example.org", webpy.objects.new(Page())),
    **webpy.host("files.example.org", webpy.file.new("files", handler=PrivateFiles)),
    **webpy.host("cgi.example.org", webpy.cgi.new("scripts", "/cgi-bin", user=None)),
    **webpy.host("mixed.example.org", {"/@me": Item, **webpy.wsgi.new(application, "/shop")}),
    **webpy.host("*.example.org", {webpy.path("/private/{name}"): Private}),
    **webpy.host("[::1]", {webpy.path("/who"): Named}),
    ITEM: Named,
    **webpy.query.new(webpy.path("/asked/{id:int}"), Asked),
    **webpy.redirect.new(webpy.path("/old/{name}"), "/items/{name}"),
    webpy.path("/@{user}"): Named,
}
"""


@contextlib.contextmanager
def started(folder: Path, *options: str) -> Iterator[Server]:
    (folder / "app.py").write_text(APPLICATION)
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text("a file")
    (folder / "scripts").mkdir()
    script = folder / "scripts" / "a"
    script.write_text("#!/bin/sh\necho Content-Type: text/plain\necho\nprintf 'cgi %s' $HTTP_HOST\n")
    script.chmod(0o755)
    server = Server("app.py", *options, cwd=folder)
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module", params=["1", "2"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("routing"), "--workers", request.param) as server:
        yield server


def ask(server: Server, host: str, path: str, method: str = "GET", **headers: str) -> Answer:
    return server.request(method, path, headers={"Host": host, **headers})


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/items/7", 200, "named {'id': 7}"),
        ("/items/7?x=1", 200, "named {'id': 7}"),
        ("/items/seven", 404, None),
        ("/items/" + "7" * 5000, 404, None),
        ("/asked/7?q=a%20b", 200, "7 a b"),
        ("/asked/7", 400, None),
        ("/asked/x?q=1", 404, None),
        ("/@caf%C3%A9", 200, "named {'user': 'café'}"),
        ("/%40me?x", 200, "named {'user': 'me'}"),
        ("/@a%2Fb", 404, None),
        ("/@%FF", 404, None),
    ],
)
def test_templates(server: Server, path: str, status: int, body: str | None) -> None:
    answer = ask(server, "a.net", path)
    assert answer.status == status
    assert body is None or answer.body.decode() == body


def test_a_template_in_a_redirect_keeps_escapes_and_query(server: Server) -> None:
    answer = ask(server, "a.net", "/old/a%20b?x=1")
    assert (answer.status, answer.headers["Location"]) == (308, "/items/a%20b?x=1")


BASIC = "Basic YW5uOnNlY3JldA=="  # ann:secret


@pytest.mark.parametrize(
    ("host", "path", "status", "body"),
    [
        ("api.example.org", "/items/7?q", 200, "item 7 7 q /items/7"),
        ("API.EXAMPLE.ORG.:8000", "/items/7?q", 200, "item 7 7 q /items/7"),
        ("api.example.org", "/a/b%20c/d", 200, "named {'kind': 'a', 'rest': 'b c/d'}"),
        ("api.example.org", "/items", 404, None),
        ("api.example.org", "/asked/7?q=1", 200, "named {'kind': 'asked', 'rest': '7'}"),  # the first that matches
        ("example.org", "/items/7", 200, "named {'id': 7}"),
        ("wsgi.example.org", "/x%2Fy", 404, None),  # routes of all hosts are beside it
        ("wsgi.example.org", "/x", 200, "wsgi  /x wsgi.example.org"),
        ("stdlib.example.org", "/x?y", 200, "stdlib /x?y"),
        ("objects.example.org", "/", 200, "objects"),
        ("cgi.example.org", "/cgi-bin/a", 200, "cgi cgi.example.org"),
        ("cgi.example.org", "/items/7", 200, "named {'id': 7}"),
        ("mixed.example.org", "/shop/x", 200, "wsgi /shop /x mixed.example.org"),
        ("mixed.example.org", "/shop/x%2Fy", 404, None),
        ("other.example.org", "/shop/x", 404, None),
        ("[::1]:80", "/who", 200, "named {}"),
        ("[0:0::1]", "/who", 200, "named {}"),
        ("127.0.0.1", "/who", 404, None),
    ],
)
def test_hosts(server: Server, host: str, path: str, status: int, body: str | None) -> None:
    answer = ask(server, host, path)
    assert answer.status == status
    assert body is None or answer.body.decode() == body


def test_mix_ins_stand_before_routes_of_hosts(server: Server) -> None:
    for host, path in (("x.example.org", "/private/ann"), ("files.example.org", "/a.txt")):
        assert ask(server, host, path).status == 401
        assert ask(server, host, path, Authorization=BASIC).status == 200
    assert ask(server, "example.org", "/private/ann").status == 404
    compressed = ask(
        server, "x.example.org", "/private/" + "ann" * 500, Authorization=BASIC, **{"Accept-Encoding": "gzip"}
    )
    assert compressed.headers["Content-Encoding"] == "gzip"


def test_methods_of_templates_and_hosts(server: Server) -> None:
    answer = ask(server, "api.example.org", "/items/7", "OPTIONS")
    assert (answer.status, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, PUT")
    answer = ask(server, "api.example.org", "/items/7", "DELETE")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, PUT")
    answer = ask(server, "a.net", "/items/7", "PUT")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert ask(server, "a.net", "/items/7", "BREW").status == 405  # some handler answers it, on whatever host
    assert ask(server, "api.example.org", "/only", "BREW").status == 418
    head = ask(server, "api.example.org", "/items/7", "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "18")
    assert ask(server, "api.example.org", "*", "OPTIONS").status == 204
    assert server.request("PUT", "/items/7", b"body", {"Host": "api.example.org"}).body == b"body"


def test_the_host_of_an_absolute_target_wins_and_http_1_0_needs_none(server: Server) -> None:
    assert ask(server, "a.net", "http://api.example.org/items/7").body.startswith(b"item 7")
    for fields, begins in ((b"", b"named"), (b"Host: api.example.org\r\n", b"item")):
        with server.connect() as sock:
            sock.sendall(b"GET /items/7 HTTP/1.0\r\n" + fields + b"\r\n")
            answer = b"".join(iter(lambda sock=sock: sock.recv(65536), b""))
        assert answer.partition(b"\r\n\r\n")[2].startswith(begins)


def test_one_connection_asks_for_several_hosts(server: Server) -> None:
    """The plans of heads are kept by the whole head, the host included."""
    with contextlib.closing(server.client()) as client:
        for _ in range(4):
            for host, begins in (("api.example.org", "item 7"), ("a.net", "named"), ("wsgi.example.org", "wsgi")):
                client.request("GET", "/items/7", headers={"Host": host})
                assert client.getresponse().read().decode().startswith(begins)


def test_under_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("api.example.org", "localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "pem")
    with started(tmp_path, "--workers", "2", "--certfile", "pem") as server:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        for host, begins in (("api.example.org", "item 7"), ("a.net", "named")):
            client = http.client.HTTPSConnection("localhost", server.address[1], timeout=10, context=context)
            with contextlib.closing(client):
                client.request("GET", "/items/7", headers={"Host": host})
                assert client.getresponse().read().decode().startswith(begins)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "routes = {webpy.path('/{id:number}'): H}",
            "path template '/{id:number}': {id:number} has the converter 'number'",
        ),
        ("routes = webpy.host('a:80', {'/': H})", "webpy.host: got 'a:80', wanted the name of a host alone"),
        ("routes = webpy.host('a', {'/(': H})", "route '/(' of host 'a': not a regular expression"),
        ("routes = webpy.wsgi.new(print, webpy.path('/a'))", "remote: got webpy.path('/a'), wanted a path such as"),
        ("routes = webpy.file.new('.', webpy.path('/a'))", "remote: got webpy.path('/a'), wanted a path such as"),
        ("routes = webpy.cgi.new('.', webpy.path('/a'))", "cgi: got remote webpy.path('/a'), wanted a path such as"),
        ("routes = {webpy.path('/{p:path}'): webpy.file.PathHandler}", "PathHandler decodes the path by itself"),
    ],
)
def test_a_mistake_is_named_when_the_application_loads(tmp_path: Path, line: str, message: str) -> None:
    imports = "import webpy, webpy.cgi, webpy.file, webpy.wsgi\nclass H(webpy.HTTPHandler): ...\n"
    (tmp_path / "app.py").write_text(imports + line + "\n")
    server = Server("app.py", cwd=tmp_path)
    try:
        assert server.wait() == 3
    finally:
        server.kill()
    assert message in "\n".join(server.errors)
