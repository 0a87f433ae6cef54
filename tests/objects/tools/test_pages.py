"""Tools about JSON, header fields, parameters and URLs: the same on CherryPy and on webpy, wrong requests too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..sidebyside import Pair

SCRIPT = """
import cherrypy

tools, request, response = cherrypy.tools, cherrypy.request, cherrypy.response


class Root:
    @cherrypy.expose
    @tools.json_out()
    def out(self):
        return {"a": [1, 2, {"b": "\\u00e9"}], "c": None}

    @cherrypy.expose
    @tools.json_out()
    def out_none(self):
        return None

    @cherrypy.expose
    @tools.json_out()
    def out_object(self):
        return object()

    @cherrypy.expose
    @tools.json_out()
    def out_generator(self):
        yield 1

    @cherrypy.expose
    @tools.json_out(content_type="application/vnd.x+json")
    def out_type(self):
        return "text"

    @cherrypy.expose
    @tools.json_out(handler=lambda *args, **kwargs: b"<own>")
    def out_own(self):
        return "text"

    @cherrypy.expose
    @tools.json_in()
    def into(self, **kwargs):
        return repr((request.json, kwargs))

    @cherrypy.expose
    @tools.json_in()
    @tools.json_out()
    def both(self):
        return request.json

    @cherrypy.expose
    @tools.json_in(force=False)
    def optional(self, **kwargs):
        return repr((getattr(request, "json", "-"), kwargs))

    @cherrypy.expose
    @tools.json_in(content_type="application/vnd.x+json")
    def only(self, **kwargs):
        return repr((getattr(request, "json", "-"), kwargs))

    @cherrypy.expose
    @tools.accept(media="text/plain")
    def accepts(self):
        return "plain"

    @cherrypy.expose
    def negotiates(self):
        return cherrypy.lib.cptools.accept(["text/html", "text/plain"])

    @cherrypy.expose
    @tools.accept()
    def accepts_all(self):
        return "all"

    @cherrypy.expose
    @tools.response_headers(headers=[("Content-Language", "fr"), ("X-A", "1"), ("X-A", "2")])
    def fields(self):
        return "x"

    @cherrypy.expose
    @tools.response_headers(headers=[("Content-Type", "text/plain"), ("X-B", "b")])
    def fields_over(self):
        response.headers["X-B"] = "own"
        return "x"

    @cherrypy.expose
    @tools.response_headers(headers=[("Content-Language", "fr")])
    def fields_error(self):
        raise cherrypy.HTTPError(404, "no")

    @cherrypy.expose
    @tools.allow(methods=["get"])
    def get_only(self):
        return "x"

    @cherrypy.expose
    @tools.allow(methods="POST")
    def post_only(self):
        return "x"

    @cherrypy.expose
    @tools.allow()
    def allows_default(self):
        return "x"

    @cherrypy.expose
    @tools.referer(pattern="^http://good/")
    def from_good(self):
        return "x"

    @cherrypy.expose
    @tools.referer(pattern="^http://bad/", accept=False, accept_missing=True, error=402, message="gone")
    def not_from_bad(self):
        return "x"

    @cherrypy.expose
    @tools.ignore_headers(headers=("X-Foo", "Range"))
    def ignores(self):
        return repr(request.headers.get("X-Foo"))

    @cherrypy.expose
    @tools.autovary(ignore=["Host"])
    def varies(self):
        request.headers.get("X-Q")
        request.headers.get("Host")
        return "x"

    @cherrypy.expose
    @tools.autovary()
    def varies_too(self):
        response.headers["Vary"] = "Accept"
        return str("X-Z" in request.headers)

    @cherrypy.expose
    @tools.params()
    def converts(self, n: int, f: float = 1.5, s: str = "z"):
        return repr((n, f, s))

    @cherrypy.expose
    @tools.params(error=404)
    def converts_404(self, n: int):
        return repr(n)

    @cherrypy.expose
    @tools.redirect(url="/fields")
    def goes_on(self):
        return "never"

    @cherrypy.expose
    @tools.redirect(url="/fields", internal=False)
    def goes_away(self):
        return "never"

    @cherrypy.expose
    @tools.err_redirect(url="/fields", internal=False)
    def fails_over(self):
        raise ValueError("a bug")

    @cherrypy.expose
    @tools.err_redirect(url="/fields")
    def fails_known(self):
        raise cherrypy.HTTPError(404)

    @cherrypy.expose
    @tools.log_hooks()
    def logs(self):
        raise ValueError("a bug to be logged")

    @cherrypy.expose
    @tools.proxy()
    def proxied(self):
        return repr((request.base, request.scheme, request.remote.ip, cherrypy.url("/z")))

    @cherrypy.expose
    @tools.proxy(base="https://www.x.example")
    def proxied_base(self):
        return repr((request.base, request.scheme, request.remote.ip, cherrypy.url("/z")))

    @cherrypy.expose
    @tools.proxy(local="X-Host", remote="X-R", scheme="X-Forwarded-Ssl")
    def proxied_own(self):
        return repr((request.base, request.scheme, request.remote.ip, cherrypy.url("/z")))

    @cherrypy.expose
    @tools.proxy(base="www.x.example", local="")
    def proxied_fixed(self):
        raise cherrypy.HTTPRedirect("/elsewhere")


class Folder:
    @cherrypy.expose
    def index(self, **kwargs):
        return "index"

    @cherrypy.expose
    def page(self):
        return "page"

    @cherrypy.expose
    @tools.trailing_slash(extra=True)
    def extra(self, **kwargs):
        return "extra"

    @cherrypy.expose
    @tools.trailing_slash(extra=True, status=307)
    def extra_307(self, **kwargs):
        return "extra"


class Loose(Folder):
    _cp_config = {"tools.trailing_slash.on": False}


Root.folder = Folder()
Root.loose = Loose()
cherrypy.quickstart(Root(), "/")
"""

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Iterator[Pair]:
    yield pair(SCRIPT)


@pytest.mark.parametrize("page", ["out", "out_none", "out_object", "out_generator", "out_type", "out_own"])
def test_json_out(both: Pair, page: str) -> None:
    both.same("GET", f"/{page}")
    both.same("HEAD", f"/{page}")


BODIES: list[tuple[str, dict[str, str], Any]] = [
    ("POST", JSON, '{"a": 1}'),
    ("PUT", JSON, "[]"),
    ("POST", JSON, "{bad"),
    ("POST", JSON, b'"\xff"'),
    ("POST", JSON, "[NaN]"),
    ("POST", JSON, ""),
    ("POST", {"Content-Type": "application/json; charset=utf-8"}, '"é"'.encode()),
    ("POST", {"Content-Type": "text/javascript"}, "[1]"),
    ("POST", {"Content-Type": "application/vnd.x+json"}, "[2]"),
    ("POST", {"Content-Type": "text/plain"}, "[2]"),
    ("POST", FORM, "a=1"),
    ("POST", JSON, None),
    ("GET", {}, None),
    ("DELETE", JSON, "[2]"),
]


@pytest.mark.parametrize("page", ["into", "both", "optional", "only"])
def test_json_in(both: Pair, page: str) -> None:
    for method, headers, body in BODIES:
        both.same(method, f"/{page}", body, headers)


def test_json_in_is_read_and_refused(both: Pair) -> None:
    assert both.same("POST", "/into", '{"a": 1}', JSON).text == "({'a': 1}, {})"
    assert both.same("POST", "/into", "a=1", FORM).status == 415
    assert both.same("POST", "/into", "{", JSON).status == 400


def test_a_json_body_that_is_too_deep_is_refused(both: Pair) -> None:
    _, mine = both.send("POST", "/into", "[" * 100_000, JSON)
    assert mine.status == 400


def test_a_chunked_json_body_is_taken(both: Pair) -> None:
    client = both.webpy.server.client()
    client.request("POST", "/into", iter([b"[1", b", 2]"]), JSON, encode_chunked=True)
    answer = client.getresponse()
    assert (answer.status, answer.read()) == (200, b"([1, 2], {})")  # CherryPy wants a Content-Length
    client.close()


ACCEPTS = [
    None,
    "",
    "*/*",
    "text/*",
    "text/plain",
    "text/html",
    "image/png",
    "text/html;q=0.1, text/plain;q=0.9",
    "text/plain;q=0",
    "*/*;q=0.1, text/html;q=0.2",
    "text/plain;q=bad",
]


@pytest.mark.parametrize("page", ["accepts", "negotiates", "accepts_all"])
def test_accept(both: Pair, page: str) -> None:
    for value in ACCEPTS:
        both.same("GET", f"/{page}", headers={} if value is None else {"Accept": value})


def test_accept_refuses(both: Pair) -> None:
    assert both.same("GET", "/accepts", headers={"Accept": "image/png"}).status == 406


@pytest.mark.parametrize("page", ["fields", "fields_over", "fields_error"])
def test_response_headers(both: Pair, page: str) -> None:
    both.same("GET", f"/{page}")


@pytest.mark.parametrize("page", ["get_only", "post_only", "allows_default"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_allow(both: Pair, page: str, method: str) -> None:
    both.same(method, f"/{page}", "" if method == "POST" else None)


@pytest.mark.parametrize("page", ["from_good", "not_from_bad"])
def test_referer(both: Pair, page: str) -> None:
    for headers in ({}, {"Referer": "http://good/x"}, {"Referer": "http://bad/"}):
        both.same("GET", f"/{page}", headers=headers)


def test_ignore_headers_and_autovary(both: Pair) -> None:
    assert both.same("GET", "/ignores", headers={"X-Foo": "1"}).text == "None"
    assert both.same("GET", "/varies").fields["vary"] == "Accept-Charset, X-Q"
    both.same("GET", "/varies_too")


@pytest.mark.parametrize(
    "query", ["n=3", "n=3&f=2", "n=x", "n=3&f=q", "", "n=1&n=2", "n=", "n=3&other=1", "n=3&s=%C3%A9"]
)
@pytest.mark.parametrize("page", ["converts", "converts_404"])
def test_params(both: Pair, page: str, query: str) -> None:
    both.same("GET", f"/{page}?{query}")


@pytest.mark.parametrize("page", ["goes_on", "goes_away", "fails_over", "fails_known"])
def test_redirect(both: Pair, page: str) -> None:
    both.same("GET", f"/{page}")


PROXIES = [
    {},
    {"X-Forwarded-Host": "h.example"},
    {
        "X-Forwarded-Host": "a.example, b.example",
        "X-Forwarded-For": "192.0.2.1, 192.0.2.2",
        "X-Forwarded-Proto": "https",
    },
    {"X-Host": "q.example:81", "X-R": "192.0.2.9", "X-Forwarded-Ssl": "on"},
    {"X-Forwarded-For": "", "X-Forwarded-Proto": ""},
    {"X-Forwarded-Host": "http://q.example"},
    {"X-Forwarded-Host": ""},
]


@pytest.mark.parametrize("page", ["proxied", "proxied_base", "proxied_own", "proxied_fixed"])
def test_proxy(both: Pair, page: str) -> None:
    for headers in PROXIES:
        both.same("GET", f"/{page}", headers=headers)


@pytest.mark.parametrize(
    "path",
    ["", "/", "?a=1&b=%20", "/page", "/page/", "/extra", "/extra/", "/extra/?a=1", "/extra_307/?a=1", "/nothing/"],
)
@pytest.mark.parametrize("folder", ["folder", "loose"])
def test_trailing_slash(both: Pair, folder: str, path: str) -> None:
    both.same("GET", f"/{folder}{path}")


def test_trailing_slash_of_other_methods_and_pages(both: Pair) -> None:
    for path in ("/only", "/only/", "/only/a", "/only/a/"):
        both.same("GET", path)
    both.same("POST", "/folder", "a=1", FORM)
    both.same("HEAD", "/folder")
    both.same("GET", "/folder", version="1.0")


def test_the_log_has_tracebacks_and_hooks_and_fields_but_no_secrets(both: Pair) -> None:
    both.same("GET", "/logs", headers={"Authorization": "Basic c2VjcmV0OnNlY3JldA==", "X-Seen": "seen"})
    server = both.webpy.server
    server.wait_for("Request Hooks for /logs")
    text = "\n".join(server.errors)
    assert "ValueError: a bug to be logged" in text
    assert "X-Seen: seen" in text
    assert "c2VjcmV0" not in text
