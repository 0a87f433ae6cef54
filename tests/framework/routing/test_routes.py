"""Routes: which handler, what its regex captured, and what is wrong with a bad one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.heads import request_of
from webpy import HTTPError, HTTPHandler
from webpy.framework.groups import Groups
from webpy.framework.routing.routes import Route, compile_routes, mount_point


class One(HTTPHandler):
    def do_get(self) -> Any:
        return 200, "one"


class Two(One):
    pass


def test_the_first_route_that_matches_wins() -> None:
    table = compile_routes({"/a.*": One, "/ab": Two, "/(.*)": Two})
    assert [table.resolve(path)[0].handler for path in ("/ab", "/b")] == [One, Two]


def test_the_whole_resource_has_to_match_as_it_was_sent() -> None:
    table = compile_routes({"/a": One, r"/q\?x=(.*)": Two, "/%61": Two})
    for resource in ("/a/", "/a?x=1", "x/a", "/A", "/q", "/q?y=1", "/a\n"):
        route, groups = table.resolve(resource)
        assert (route, tuple(groups)) == (table.not_found, ()), resource
    assert table.resolve("/q?x=1&y=2")[1][0] == "1&y=2"
    assert table.resolve("/%61")[0].handler is Two


def hosted(regex: str, host: object = None) -> dict[str, type[HTTPHandler]]:
    return {regex: type("Host", (One,), {"decodes_path": True, "_host": host})}


@pytest.mark.parametrize(
    ("guard", "resource", "is_reached"),
    [
        ("/@a", "/%40a", False),
        ("/%40a", "/@a", False),
        ("/@a", "/%40b", True),
        ("/a@b,c", "/a%40b%2Cc", False),
        (r"/a\{b\}", "/a%7Bb%7D", False),
        ("/a", "/a?x", False),
        ("/@a", "/%40a?x", False),
        (r"/a\?x", "/a?y", True),
        (r"/@a\?x", "/%40a?x", False),
        ("/a", "/b?x", True),
        ("/a", "/b%2Fc", False),
        ("/a", "/b%00", False),
        ("/a", "/b%252F%5C%3F", True),
    ],
)
def test_who_decodes_paths_gets_none_that_is_another_routes(guard: str, resource: str, is_reached: bool) -> None:
    table = compile_routes({guard: Two, **hosted("/.*")})
    assert (table.resolve(resource)[0] is table.routes[1]) == is_reached
    assert is_reached or table.resolve(resource)[0] is table.not_found
    native = compile_routes({guard: Two, "/.*": One})
    assert native.resolve(resource)[0] is native.routes[1]
    for alone in (hosted("/.*"), hosted("/x/.*", host=(one := object())) | hosted("/.*", host=one)):
        assert compile_routes(alone).resolve(resource)[0] is not table.not_found


def test_who_decodes_paths_has_to_take_them_decoded_too() -> None:
    table = compile_routes({"/a": Two, **hosted("/[^@]*")})
    assert table.resolve("/%2C")[0] is table.routes[1]
    assert table.resolve("/%40")[0] is table.not_found
    asking = compile_routes({"/a": Two, **hosted(r"/b\?.+")})
    assert asking.resolve("/b?x")[0] is asking.routes[1]


def test_which_methods_the_server_knows() -> None:
    class Brews(One):
        def do_brew(self) -> Any:
            return 418, None

    class Any_(One):
        any_method = True

    table = compile_routes({"/a": One, "/b": Brews})
    known = [method for method in ("GET", "PUT", "PATCH", "TRACE", "BREW", "brew", "FOOBAR", "") if table.knows(method)]
    assert known == ["GET", "PUT", "PATCH", "TRACE", "BREW", "brew"]
    assert compile_routes({"/a": One, "/b": Any_}).knows("FOOBAR")
    assert not compile_routes({}).knows("FOOBAR")


@pytest.mark.parametrize(
    ("regex", "hint"),
    [
        ("/%61dmin(/.*)?", "write '/admin'"),
        ("/caf%c3%a9", "write '/caf%C3%A9'"),
        ("/a//b.*", "write '/a/b'"),
        (r"/a/\.\./b", "write '/b'"),
        ("/a b", "' ' in the path '/a b', wanted it percent-encoded"),
        *((regex, "") for regex in ("/caf%C3%A9", r"/\.[a-z]+", r"/\.well-known/.*", "/a%[0-9A-F]{2}", r"/a\?x=%61//")),
        *((regex, "") for regex in ("/", "/.*", "(/.*)?", ".*", r"\*", "/a?b", "/a//b|/c")),
    ],
)
def test_a_route_that_no_path_can_match_is_named(regex: str, hint: str) -> None:
    told = f"route {regex!r} matches no request, as routes see paths in normal form: {hint}" if hint else ""
    assert Route(regex, One).complaint() == told


@pytest.mark.parametrize("path", ["", "/a", "/a/", "/%61", "//a/./", "/b/../a"])
def test_mount_points_are_in_normal_form(path: str) -> None:
    assert mount_point(path) == ("/a" if path else "")


@pytest.mark.parametrize("path", ["/..", "/%", "/a b", "/a\\"])
def test_a_bad_mount_point_is_named(path: str) -> None:
    with pytest.raises(ValueError, match="remote: got"):
        mount_point(path)


def test_groups_by_number_and_by_name() -> None:
    _, groups = compile_routes({"/(?P<kind>[a-z]+)/([0-9]+)(/.*)?": One}).resolve("/notes/12")
    assert (groups[0], groups[1], groups[2], groups[-1], groups["kind"]) == ("notes", "12", None, None, "notes")
    assert (len(groups), list(groups), groups[:2]) == (3, ["notes", "12", None], ("notes", "12"))
    assert (groups.get("kind"), groups.get("other"), groups.get("other", "x")) == ("notes", None, "x")
    with pytest.raises(KeyError, match="other"):
        groups["other"]
    with pytest.raises(IndexError):
        groups[3]


def test_a_group_that_took_no_part_has_the_default() -> None:
    match = re.fullmatch("/(?P<page>[0-9]+)?", "/")
    assert match is not None
    assert Groups(match).get("page", "1") == "1"
    assert Groups(match)["page"] is None


def test_what_no_route_takes_is_a_404_for_every_method() -> None:
    route, groups = compile_routes({"/a": One}).resolve("/b")
    for method in ("GET", "OPTIONS", "BREW"):
        with pytest.raises(HTTPError, match="404"):
            route.call(method)(route.handler(request_of(method, "/b"), groups))
    with pytest.raises(HTTPError, match="404"):  # before a body is sent
        route.handler(request_of("PUT", "/b"), groups).check_continue()


def test_the_asterisk_is_the_server_unless_a_route_takes_it() -> None:
    table = compile_routes({"/(.*)": One})
    route, groups = table.resolve("*")
    assert route is table.server
    assert route.call("OPTIONS")(route.handler(request_of("OPTIONS", "*"), groups)) == (204, None)
    assert compile_routes({r"\*": Two}).resolve("*")[0].handler is Two


def test_which_routes_stand_for_many_resources() -> None:
    wide = {"/(.*)": 2, ".*": 2, "(/.*)": 2, "/(?P<rest>.+)": 2, "/a(.*)": 3, "/shop/v1/(.*)": 4, r"/a\.b(?:/.*)?": 3}
    narrow = ["/", "/([a-z]+)/([0-9]+)", "/[^/]*", r"/(.*)\.html", "/a*", "/a|/b/(.*)", "/a/([^/]+)/b"]
    expected = wide | dict.fromkeys(narrow, 0)
    assert {regex: Route(regex, One).telling_segments for regex in expected} == expected
    assert not compile_routes({}).not_found.telling_segments  # else every path that is not there would be remembered


def test_a_handler_without_hooks_is_called_straight() -> None:
    class Hooked(One):
        def encode(self, body: Any) -> Any:
            return body

    class Atomic(One):
        atomic = True

    assert Route("/", One).call("GET") is One.do_get
    assert Route("/", One).call("HEAD") is One.do_head
    for cls, method in ((Hooked, "GET"), (Atomic, "GET"), (One, "DELETE"), (One, "get")):
        assert Route("/", cls).call(method) is cls.respond


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        ({"/(": One}, r"route '/\(': not a regular expression: missing \)"),
        ({5: One}, "route 5: not a regular expression"),
        ({b"/": One}, "route b'/': not a regular expression"),
        ({"/": "Handler"}, "route '/': got 'Handler', wanted a subclass of webpy.HTTPHandler"),
        ({"/": One.do_get}, "route '/': got <function .*, wanted a subclass"),
        ({"/": HTTPError}, "route '/': got <class .*HTTPError'>, wanted a subclass"),
        ([("/", One)], "routes: got list, wanted a dict of regex to handler"),
        (None, "routes: got NoneType, wanted a dict"),
    ],
)
def test_a_bad_route_is_named(routes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile_routes(routes)


def test_a_compiled_regex_is_a_route_too() -> None:
    routes: Any = {re.compile("/A", re.IGNORECASE): One}
    assert compile_routes(routes).resolve("/a")[0].handler is One
