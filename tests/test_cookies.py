"""Cookies: reading and writing as tables, and clients of a real server."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.heads import request_of
from tests.server import Server
from webpy import HTTPHeaders
from webpy.cookies import CookieMixIn, format_cookie, parse, put
from webpy.framework.routing.routes import compile_routes

APP = """
from urllib.parse import quote, unquote
import webpy.cookies

class Jar(webpy.cookies.CookieMixIn):
    def do_get(self):
        return 200, "".join(f"{name}={unquote(value)}\\n" for name, value in self.cookies.items())

    def do_put(self):
        self.set_cookie(self.groups[0], quote(self.request.body.decode()), max_age=60)
        return 204, None

    def do_delete(self):
        self.delete_cookie(self.groups[0])
        return 204, None

routes = {"/(.*)": Jar}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("cookies")
    (folder / "jar.py").write_text(APP)
    server = Server("jar.py", "--workers", "1", cwd=folder)
    server.wait_until_listening()
    yield server
    server.kill()


@pytest.mark.parametrize(
    ("field", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2;", {"a": "1", "b": "2"}),
        ("\ta = 1 ;; b=2 ", {"a": "1", "b": "2"}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1; a=2", {"a": "1"}),
        ("A=1; a=2", {"A": "1", "a": "2"}),
        ('a="x y"; b="; c=""', {"a": "x y", "b": '"', "c": ""}),
        ("a; =b; c=1", {"c": "1"}),
        ("a[b]=\xe9", {"a[b]": "\xe9"}),
        ("$Version=1; a=1", {"$Version": "1", "a": "1"}),
    ],
)
def test_parse(field: str, cookies: dict[str, str]) -> None:
    assert parse(field) == cookies


@given(st.text())
def test_parse_takes_anything(field: str) -> None:
    for name, value in parse(field).items():
        assert name and "=" not in name and ";" not in name + value


@pytest.mark.parametrize(
    ("options", "attributes"),
    [
        ({}, "Path=/; HttpOnly; SameSite=Lax"),
        ({"path": None, "http_only": False, "same_site": None}, ""),
        ({"path": "/a b", "domain": "example.org"}, "Path=/a b; Domain=example.org; HttpOnly; SameSite=Lax"),
        ({"max_age": 60, "same_site": "Strict"}, "Path=/; Max-Age=60; HttpOnly; SameSite=Strict"),
        ({"max_age": -1}, "Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
        ({"expires": 0}, "Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax"),
        (
            {"expires": datetime.datetime(2030, 5, 6, 9, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))},
            "Path=/; Expires=Mon, 06 May 2030 07:00:00 GMT; HttpOnly; SameSite=Lax",
        ),
        (
            {"secure": True, "same_site": "None", "partitioned": True},
            "Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
        ),
    ],
)
def test_format(options: dict[str, Any], attributes: str) -> None:
    assert format_cookie("a", "1", **options) == "; ".join(filter(None, ["a=1", attributes]))


def test_the_standard_library_reads_what_is_written() -> None:
    options: dict[str, Any] = {"domain": "example.org", "max_age": 9, "secure": True, "expires": 0}
    (morsel,) = SimpleCookie(format_cookie("a", "x", **options)).values()
    assert (morsel.value, morsel["domain"], morsel["max-age"]) == ("x", "example.org", "9")
    assert morsel["secure"] and morsel["httponly"] and morsel["samesite"] == "Lax"


@pytest.mark.parametrize(
    ("name", "value", "options", "said"),
    [
        ("", "1", {}, "wanted a token"),
        ("a b", "1", {}, "wanted a token"),
        ("a=", "1", {}, "wanted a token"),
        ("\xe4", "1", {}, "wanted a token"),
        ("a\n", "1", {}, "wanted a token"),
        ("a", "x y", {}, "its value holds ' '"),
        ("a", "x;Domain=b", {}, "its value holds ';'"),
        ("a", "x\r\nSet-Cookie: b=2", {}, r"its value holds '\\r'"),
        ("a", "x\n", {}, r"its value holds '\\n'"),
        ("a", "\xe4", {}, "its value holds '\xe4'"),
        ("a", 'x"', {}, "its value holds '\"'"),
        ("a", "x" * 4096, {}, "got 4097 bytes"),
        ("a", "1", {"path": "a"}, "got path 'a'"),
        ("a", "1", {"path": "/a;b"}, "got path"),
        ("a", "1", {"path": "/\n"}, "got path"),
        ("a", "1", {"path": "/" * 1025}, "got path"),
        ("a", "1", {"domain": "b; Path=/"}, "got domain"),
        ("a", "1", {"domain": ""}, "got domain"),
        ("a", "1", {"domain": "b\n"}, "got domain"),
        ("a", "1", {"same_site": "lax"}, "got same_site 'lax'"),
        ("a", "1", {"same_site": "None"}, "wants secure=True"),
        ("a", "1", {"partitioned": True}, "wants secure=True"),
        ("__Secure-a", "1", {}, "wants secure=True"),
        ("__HOST-a", "1", {}, "wants secure=True"),
        ("__Host-a", "1", {"secure": True, "domain": "b"}, "wants None and '/'"),
        ("__Host-a", "1", {"secure": True, "path": "/b"}, "wants None and '/'"),
        ("a", "1", {"expires": datetime.datetime(2030, 1, 1)}, "without a time zone"),
        ("a", "1", {"expires": 1e18}, "got expires"),
    ],
)
def test_refused(name: str, value: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        format_cookie(name, value, **options)


def test_refused_types() -> None:
    with pytest.raises(TypeError, match="value is str, not int: 1"):
        format_cookie("a", 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got max_age 1.5"):
        format_cookie("a", "1", max_age=1.5)  # type: ignore[arg-type]


def test_an_error_does_not_tell_the_value() -> None:
    with pytest.raises(ValueError) as caught:
        format_cookie("a", "sesame opens")
    assert "sesame" not in str(caught.value)


@given(st.text(), st.text())
def test_what_is_written_is_read_again(name: str, value: str) -> None:
    try:
        cookie = format_cookie(name, value)
    except ValueError:
        return
    assert parse(cookie.partition("; ")[0]) == {name: value}


def test_put_replaces_the_same_cookie_only() -> None:
    headers = HTTPHeaders()
    others = [format_cookie("b", "1"), format_cookie("a", "1", path="/a"), format_cookie("a", "1", domain="b")]
    for cookie in [*others, format_cookie("a", "1"), format_cookie("a", "2", max_age=9)]:
        put(headers, cookie)
    assert headers.getlist("Set-Cookie") == [*others, format_cookie("a", "2", max_age=9)]


def made(*fields: str, tls: object | None = None, cls: type[CookieMixIn] = CookieMixIn) -> CookieMixIn:
    request = request_of("GET", "/", *fields)
    request._peer.tls = tls  # type: ignore[misc]
    return cls(request, compile_routes({}).resolve("/")[1])


def test_secure_is_what_the_request_is() -> None:
    plain, safe = made(), made(tls=object())
    for handler in (plain, safe):
        handler.set_cookie("a", "1")
        handler.set_cookie("b", "1", secure=True)
        handler.delete_cookie("__Host-c")
    default, said, host = plain.response.headers.getlist("Set-Cookie")
    assert ("Secure" in default, "Secure" in said, "Secure" in host) == (False, True, True)
    assert all("Secure" in cookie for cookie in safe.response.headers.getlist("Set-Cookie"))


def test_several_fields_are_one() -> None:
    assert made("Cookie: a=1; b=2", "Cookie: c=3; a=4").cookies == {"a": "1", "b": "2", "c": "3"}


def test_a_client_keeps_and_forgets(server: Server) -> None:
    with requests.Session() as client:
        assert client.put(f"{server.url}/theme", "dark; grün").status_code == 204
        assert client.put(f"{server.url}/size", "9").status_code == 204
        assert client.get(server.url).text.splitlines() == ["theme=dark; grün", "size=9"]
        assert client.delete(f"{server.url}/theme").status_code == 204
        assert client.get(server.url).text == "size=9\n"


def test_bad_cookies_do_no_harm(server: Server) -> None:
    answer = server.get("/", headers={"Cookie": ";;=; a; b=\xff; " + "x=1; " * 500})
    assert (answer.status, answer.body.decode()) == (200, "b=\xff\nx=1\n")
