"""Routes for one host: which names are taken, in which order routes are asked, and what no name of a host is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import webpy
from webpy import HTTPHandler
from webpy.framework.routing.hosts import host_of
from webpy.framework.routing.routes import compile_routes


def handlers(*names: str) -> list[type[HTTPHandler]]:
    return [type(name, (HTTPHandler,), {}) for name in names]


A, B, C, D = handlers("A", "B", "C", "D")


def answers(routes: dict[Any, Any], host: str, resource: str = "/") -> Any:
    table = compile_routes(routes)
    route, _ = table.resolve(resource, host)
    return None if route is table.not_found else route.handler


@pytest.mark.parametrize(
    ("name", "authority", "is_its"),
    [
        ("api.example.org", "api.example.org", True),
        ("api.example.org", "API.Example.ORG:8080", True),
        ("api.example.org", "api.example.org.", True),
        ("api.example.org", "api.example.org.:80", True),
        ("API.example.org.", "api.example.org", True),
        ("api.example.org", "example.org", False),
        ("api.example.org", "x.api.example.org", False),
        ("api.example.org", "", False),
        ("*.example.org", "a.example.org", True),
        ("*.example.org", "a.b.example.org:1", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "badexample.org", False),
        ("*.example.org", "a.example.org.evil", False),
        ("*.org", "a.example.org", True),
        ("localhost", "LOCALHOST:8000", True),
        ("127.0.0.1", "127.0.0.1:8000", True),
        ("::1", "[::1]:8000", True),
        ("[0:0::1]", "[::1]", True),
        ("[::1]", "[0:0:0:0:0:0:0:1]:1", True),
        ("2001:DB8::1", "[2001:db8:0:0::1]", True),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("*.bücher.example", "a.XN--bcher-kva.example", True),
    ],
)
def test_whose_requests_a_host_answers(name: str, authority: str, is_its: bool) -> None:
    assert answers({**webpy.host(name, {"/": A}), ".*": B}, authority) is (A if is_its else B)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "wanted the name of a host"),
        ("*", r"wanted a name, or '\*.' and a name"),
        ("*.", r"wanted a name, or '\*.' and a name"),
        ("a.*.org", r"wanted a name, or '\*.' and a name"),
        ("a*.org", r"wanted a name, or '\*.' and a name"),
        ("a..org", "wanted the name of a host"),
        (".org", "wanted the name of a host"),
        ("*..org", "wanted the name of a host"),
        ("a b", "wanted the name of a host"),
        ("a,b", "wanted the name of a host"),
        ("[::1", "wanted the name of a host"),
        ("[::g]", "wanted the name of a host"),
        ("example.org:80", "without scheme, port and path"),
        ("[::1]:80", "without scheme, port and path"),
        ("https://example.org", "without scheme, port and path"),
        ("example.org/a", "without scheme, port and path"),
        ("\ud800.org", "not the name of a host"),
    ],
)
def test_a_name_that_no_host_has_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"webpy.host: got {re.escape(repr(name))}, .*{message}"):
        webpy.host(name, {})


def test_what_is_no_dict_of_routes_is_refused() -> None:
    wrong: Any
    for wrong in (A, [("/", A)], None):
        with pytest.raises(TypeError, match="wanted a dict of routes"):
            webpy.host("a", wrong)
    with pytest.raises(ValueError, match="got a route that is for the host 'a' already"):
        webpy.host("b", webpy.host("a", {"/": A}))
    with pytest.raises(TypeError, match="wanted the name of a host"):
        webpy.host(5, {})  # type: ignore[arg-type]


def test_the_order_of_the_dict_decides() -> None:
    routes = {
        "/health": D,
        **webpy.host("a.org", {"/": A, "/health": A}),
        **webpy.host("*.org", {"/(.*)": B}),
        **webpy.host("b.org", {"/": C}),
        "/(.*)": D,
    }
    assert [answers(routes, host) for host in ("a.org", "b.org", "c.org", "d.net", "")] == [A, B, B, D, D]
    assert answers(routes, "a.org", "/health") is D
    assert answers(routes, "a.org", "/x") is B
    assert answers({**webpy.host("a.org", {"/": A})}, "b.org") is None
    assert answers({**webpy.host("a.org", {"/": A}), **webpy.host("a.org", {"/": B})}, "a.org") is B  # as in any dict


def test_a_bad_route_is_named_with_its_host() -> None:
    with pytest.raises(ValueError, match=r"route '/\(' of host 'a': not a regular expression"):
        compile_routes(webpy.host("a", {"/(": A}))
    with pytest.raises(ValueError, match="route '/' of host 'a': got 5, wanted a subclass"):
        compile_routes(webpy.host("a", {"/": 5}))


def test_who_is_alone_on_a_host_gets_all_its_paths() -> None:
    """What hosts other programs gets escaped slashes, and any spelling of a path, unless another handler is beside."""

    class One(HTTPHandler):
        decodes_path = True

    class Two(One): ...

    alone = {**webpy.host("a", {"/.*": One}), **webpy.host("b", {"/.*": Two})}
    assert [answers(alone, host, "/x%2Fy") for host in ("a", "b", "c")] == [One, Two, None]
    beside = {"/@x": A, **alone}
    assert [answers(beside, host, "/x%2Fy") for host in ("a", "b")] == [None, None]
    assert [answers(beside, host, "/%40x") for host in ("a", "b", "c")] == [None, None, None]
    mixed = {**webpy.host("a", {"/@x": A, "/.*": One}), **webpy.host("b", {"/.*": One})}
    assert [answers(mixed, host, "/%40x") for host in ("a", "b")] == [None, One]


NAMES = st.sampled_from(["a.org", "b.a.org", "*.org", "*.a.org", "c.net", "*.b.a.org"])
KEYS = st.sampled_from(["/", "/a", "/(.*)", "/a/(.*)", ".*", webpy.path("/a/{x:int}"), webpy.path("/{x}")])


@given(
    keys=st.lists(st.tuples(st.one_of(st.none(), NAMES), KEYS), max_size=8),
    host=st.sampled_from(["a.org", "b.a.org", "c.b.a.org", "x.org", "c.net", "org", ""]),
    resource=st.sampled_from(["/", "/a", "/a/7", "/a/x", "/b?q", "*"]),
)
def test_the_answers_are_those_of_asking_one_after_the_other(keys: list[Any], host: str, resource: str) -> None:
    routes: dict[Any, Any] = {}
    expected = None
    for number, (name, key) in enumerate(keys):
        handler = type(f"Handler{number}", (HTTPHandler,), {})
        more: dict[Any, Any] = {key: handler} if name is None else webpy.host(name, {key: handler})
        for each in more:
            routes.setdefault(each, handler)
        suffix = (name or "").removeprefix("*")
        is_host = name is None or (host.endswith(suffix) and host != suffix if name[0] == "*" else host == name)
        matches = compile_routes({key: handler}).resolve(resource)[0].handler is handler
        if expected is None and is_host and matches:
            expected = handler
    if expected is None and resource == "*":
        return  # the server itself answers
    assert answers(routes, host, resource) is expected


@given(st.text(max_size=20))
def test_any_text_has_a_host(text: str) -> None:
    assert host_of(host_of(text)) in (host_of(text), host_of(text).removesuffix("."))
