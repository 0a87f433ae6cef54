"""webpy.redirect: where a redirect may lead, how its Location is written, and clients that follow it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.heads import request_of
from tests.server import ROOT, Server
from webpy import HTTPError, redirect
from webpy.framework.routing.routes import compile_routes
from webpy.redirect import RedirectMixIn

Serve = Callable[..., Server]


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("/", "/"),
        ("/a/b?c=d&e=%20#f", "/a/b?c=d&e=%20#f"),
        ("/ä b", "/%C3%A4%20b"),
        ("/100%", "/100%25"),
        ("/%zz%4", "/%25zz%254"),
        ('/a\\b"<>^`{|}', "/a%5Cb%22%3C%3E%5E%60%7B%7C%7D"),
        ("/a\x00\x7f\udcff", "/a%00%7F%FF"),
        ("/a\r\nSet-Cookie: x", "/aSet-Cookie:%20x"),
        (" /a ", "/a"),
        ("a", "a"),
        ("a/b:c", "a/b:c"),
        ("../a", "../a"),
        ("./a:b", "./a:b"),
        ("?page=2", "?page=2"),
        ("#top", "#top"),
        ("/?next=http://b/", "/?next=http://b/"),
    ],
)
def test_location(target: str, value: str) -> None:
    assert redirect.location(target) == value


ELSEWHERE = [
    "//b.org",
    "///b.org",
    "/\\b.org",
    "\\\\b.org",
    "\\/b.org",
    "/\t/b.org",
    "\n//b.org",
    " //b.org",
    "\x01//b.org",
    "http://b.org/",
    "HTTPS:b.org",
    "ht\ntp://b.org/",
    "javascript:alert(1)",
    "mailto:a@b.org",
    "a:b",
    ":80",
    "\\",
    "a\\b",
    "",
    " ",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_what_leads_elsewhere_is_refused(target: str) -> None:
    for made in (redirect.location, redirect.to):
        with pytest.raises(ValueError, match="a redirect to .*, wanted a path of this server"):
            made(target)


@given(st.text(alphabet="/\\:?#.@a%\t\r\n \x00\u00e4h[]", max_size=12))
def test_no_text_leads_elsewhere(target: str) -> None:
    """Return the URL as browsers read it: backslashes are slashes, tabs and line ends are dropped (URL, 4.4)."""
    try:
        value = redirect.location(target)
    except ValueError:
        return
    assert value.isascii() and value.isprintable() and " " not in value
    seen = urlsplit(urljoin("https://here.org/x/y", value.replace("\\", "/")))
    assert (seen.scheme, seen.netloc) == ("https", "here.org")


def test_other_servers_if_told_so() -> None:
    for target in ("https://b.org", "http://b.org:8080/ä?x", "/a"):
        assert redirect.location(target, foreign=True) == target.replace("ä", "%C3%A4")
    for target in ("//b.org", "javascript:alert(1)", "ftp://b.org/", "https://a.org@b.org/", "https://", "https:///b"):
        with pytest.raises(ValueError, match="wanted a URL of http or https, or a path"):
            redirect.location(target, foreign=True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_statuses(status: int) -> None:
    error = redirect.to("/a", status)
    assert (error.status, error.headers and error.headers["Location"]) == (status, "/a")


@pytest.mark.parametrize("status", [200, 300, 304, 305, 404, None])
def test_statuses_that_do_not_redirect(status: Any) -> None:
    for made in (redirect.to, lambda target, status: redirect.new("/b", target, status)):
        with pytest.raises(ValueError, match="wanted one of 301, 302, 303, 307, 308"):
            made("/a", status)


def test_what_the_handler_set_goes_along() -> None:
    class Login(RedirectMixIn):
        def do_post(self) -> Any:
            self.response.headers.set("Set-Cookie", "id=1")
            return self.redirect("/home")

    handler = Login(request_of("POST"), ())  # type: ignore[arg-type]
    assert handler.respond() == (303, None)
    assert list(handler.response.headers) == [("Set-Cookie", "id=1"), ("Location", "/home")]


def follow(routes: dict[str, Any], target: str, method: str = "GET") -> tuple[int, str]:
    request = request_of(method, target)
    route, groups = compile_routes(routes).resolve(request.resource)
    handler = route.handler(request, groups)
    status, _ = handler.respond()
    return status, handler.response.headers["Location"]


def test_routes_that_redirect() -> None:
    moved = redirect.new(r"/old/(.*)", "/new/{0}") | redirect.new(r"/(?P<a>\d+)(-(?P<b>\d+))?", "/n?a={a}&b={b}", 302)
    assert follow(moved, "/old/a%20b?x=1") == (308, "/new/a%20b?x=1")
    assert follow(moved, "/old/", "PUT") == (308, "/new/")
    assert follow(moved, "/7-8") == (302, "/n?a=7&b=8")
    assert follow(moved, "/7?c=%26") == (302, "/n?a=7&b=&c=%26")
    assert follow(redirect.new("/a|/b", "/c"), "/b?x") == (308, "/c?x")
    assert follow(redirect.new("/a(.*)", "https://b.org/{0}", foreign=True), "/a//x")[1] == "https://b.org//x"


def test_a_route_cannot_be_made_to_lead_elsewhere() -> None:
    routes = redirect.new("/go/([^?]*)", "/{0}")
    assert follow(routes, "/go/x") == (308, "/x")
    assert follow(routes, "/go//b.org") == (308, "/b.org")
    assert follow(routes, "/go/%5Cb.org") == (308, "/%5Cb.org")
    routes = redirect.new(r"/go\?(.*)", "/{0}")
    for path in ("/go?/b.org", "/go?\\b.org"):
        with pytest.raises(HTTPError, match="404"):
            follow(routes, path)


@pytest.mark.parametrize(("regex", "target"), [("/a", "/{0}"), ("/(a)", "/{1}{2}"), ("/a", "/{x}"), ("/a", "//b")])
def test_a_route_to_nowhere_is_refused(regex: str, target: str) -> None:
    with pytest.raises(ValueError, match="a redirect to"):
        redirect.new(regex, target)


@pytest.mark.parametrize("regex", ["(", "/a)(?:", "(?i)/a", "(?P<redirect_query>.*)"])
def test_a_bad_regex_is_named(regex: str) -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        redirect.new(regex, "/")


def test_the_example(serve: Serve) -> None:
    server = serve(ROOT / "examples" / "cached.py", "--workers", "2")
    followed = requests.get(server.url + "/old-page?x=1", timeout=10)
    assert followed.url == server.url + "/page?x=1" and followed.text.startswith("This page")
    assert [(step.status_code, step.text) for step in followed.history] == [(308, "")]
    assert server.request("HEAD", "/old-page").headers["Location"] == "/page"


def test_a_handler_of_ones_own() -> None:
    class Marked(redirect.RedirectHandler):
        redirect_status = 301

        def respond(self) -> Any:
            self.response.headers.set("X-Marked", "yes")
            return super().respond()

    (made,) = redirect.new("/old", "/new", handler=Marked).values()
    _, groups = compile_routes({"/old": made}).resolve("/old")
    answering = made(request_of("GET", "/old"), groups)
    assert answering.respond() == (301, None) and issubclass(made, Marked)
    assert (answering.response.headers["Location"], answering.response.headers["X-Marked"]) == ("/new", "yes")
    (made,) = redirect.new("/old", "/new", 307, handler=Marked).values()
    assert made.redirect_status == 307
    with pytest.raises(TypeError, match=r"webpy\.redirect\.new: got handler .* wanted a subclass of RedirectHandler"):
        redirect.new("/old", "/new", handler=RedirectMixIn)  # type: ignore[arg-type]
