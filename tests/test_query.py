"""webpy.query: the mapping of a query, what is refused, and routes; the example on two workers."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.heads import request_of
from tests.server import ROOT, Server
from webpy import HTTPError, HTTPHandler, query
from webpy.framework.routing.routes import compile_routes
from webpy.json import JSONHandler

Serve = Callable[..., Server]


class Echo(query.QueryHandler):
    def do_get(self) -> tuple[int, str]:
        return 200, repr((list(self.query.pairs), list(self.groups)))

    do_post = do_get


def answer(routes: dict[str, type[HTTPHandler]], target: str, method: str = "GET") -> tuple[int, str]:
    route, groups = compile_routes(routes).resolve(target)
    try:
        handler = route.handler(request_of(method, target), groups)
        status, body = route.call(method)(handler)
    except HTTPError as error:
        return error.status, str(error.message)
    return status, body


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        ("a=1", [("a", "1")]),
        ("a=1&a=2&b", [("a", "1"), ("a", "2"), ("b", "")]),
        ("a=", [("a", "")]),
        ("=a", [("", "a")]),
        ("a=b=c", [("a", "b=c")]),
        ("&&a=1&&", [("a", "1")]),
        ("a+b=c+d%2B", [("a b", "c d+")]),
        ("a;b=1", [("a;b", "1")]),
        ("gr%C3%bc%c3%9Fe=%E4%B8%96", [("grüße", "世")]),
        ("a=%26%3D%25%00", [("a", "&=%\0")]),
        ("a=?/:@", [("a", "?/:@")]),
    ],
)
def test_pairs(text: str, pairs: list[tuple[str, str]]) -> None:
    assert query.parse(text).pairs == tuple(pairs)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a=%", "got '%' at character 3"),
        ("a=1&%zz=1", "got '%zz' at character 5"),
        ("%4", "got '%4' at character 1"),
        ("a=%u0041", "got '%u0' at character 3"),
        ("a=1&b=%ff", "got byte %FF in field 2, wanted UTF-8"),
        ("a=%C3", "got byte %C3 in field 1"),
        ("a=%ED%A0%80", "got byte %ED in field 1"),  # half of a surrogate pair
        ("%C0%AF=1", "got byte %C0 in field 1"),  # an overlong "/"
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(HTTPError) as caught:
        query.parse(text)
    assert caught.value.status == 400
    assert said in str(caught.value.message)


def test_the_number_of_fields_is_limited() -> None:
    assert len(query.parse("a&" * 100).getlist("a")) == 100
    with pytest.raises(HTTPError, match="400") as caught:
        query.parse("a&" * 101)
    assert caught.value.message == "query: got 101 fields, wanted 100 at most\n"

    class Two(Echo):
        query_max_fields = 2

    assert answer(query.new("/", Two), "/?a&b")[0] == 200
    assert answer(query.new("/", Two), "/?a&b&c")[0] == 400


@given(st.text())
def test_any_text_is_pairs_or_a_400(text: str) -> None:
    try:
        query.parse(text, 5)
    except HTTPError as error:
        assert error.status == 400


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=20))
def test_what_the_standard_library_encodes_comes_back(pairs: list[tuple[str, str]]) -> None:
    assert query.parse(urllib.parse.urlencode(pairs)).pairs == tuple(pairs)


def test_a_query_is_a_mapping_of_the_last_values() -> None:
    found = query.parse("b=1&a=2&b=3")
    assert dict(found) == {"b": "3", "a": "2"} == found
    assert (len(found), list(found), "a" in found, "c" in found) == (2, ["b", "a"], True, False)
    assert (found["b"], found.get("c"), found.get("c", "x")) == ("3", None, "x")
    assert (found.getlist("b"), found.getlist("c"), found.getlist("c", ["x"])) == (["1", "3"], [], ["x"])
    found.getlist("b").append("changed")
    assert found.getlist("b") == ["1", "3"]
    with pytest.raises(KeyError):
        found["c"]
    assert repr(found) == "Query([('b', '1'), ('a', '2'), ('b', '3')])"


def test_routes_take_any_query_or_none() -> None:
    routes = query.new("/a/(.*)|/b", Echo)
    assert answer(routes, "/a/x") == (200, "([], ['x'])")
    assert answer(routes, "/a/x?") == (200, "([], ['x'])")
    assert answer(routes, "/a/x?y=/a/?&z") == (200, "([('y', '/a/?'), ('z', '')], ['x'])")
    assert answer(routes, "/b?y=1") == (200, "([('y', '1')], [None])")
    assert answer(query.new("/a/(.*)x", Echo), "/a/b?x")[0] == 404  # only the path counts
    for other in ("/bb", "/bx?y", "/?/b", "/c?/a/x"):
        assert compile_routes(routes).resolve(other)[0].handler is not routes["(?:/a/(.*)|/b)(?:\\?.*)?"]


def test_a_handler_gets_what_it_lacks() -> None:
    class Plain(HTTPHandler):
        """Documented."""

        def do_get(self) -> tuple[int, str]:
            return 200, self.query["a"]  # type: ignore[attr-defined]

    (generated,) = query.new("/(?P<x>.)", Plain).values()
    assert issubclass(generated, Plain) and issubclass(generated, query.QueryMixIn)
    assert (generated.__name__, generated.__module__, generated.__doc__) == ("Plain", __name__, "Documented.")
    assert answer(query.new("/", Plain), "/?a=1") == (200, "1")
    assert not issubclass(Plain, query.QueryMixIn)


@pytest.mark.parametrize("path", ["(", "(?i)/a", None, "/a)(?:"])
def test_a_bad_path_is_named(path: str) -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        query.new(path, Echo)


@pytest.mark.parametrize("handler", [None, object, HTTPError, Echo(request_of(), ())])  # type: ignore[arg-type]
def test_a_bad_handler_is_named(handler: type[HTTPHandler]) -> None:
    with pytest.raises(ValueError, match=r"route '/a': got .*, wanted a subclass of webpy\.HTTPHandler"):
        query.new("/a", handler)


def test_a_method_that_is_not_there_comes_before_a_bad_query() -> None:
    assert answer(query.new("/", Echo), "/?%", "DELETE")[0] == 405
    assert answer(query.new("/", Echo), "/?%", "HEAD")[0] == 400


def test_it_mixes_with_other_handlers() -> None:
    class Both(query.QueryMixIn, JSONHandler):
        def do_get(self) -> tuple[int, object]:
            return 200, dict(self.query)

    assert answer({r"/\?.*": Both}, "/?a=1") == (200, b'{"a": "1"}')


def test_a_client_that_asks_is_told_before_its_body() -> None:
    assert Echo(request_of("POST", "/?a"), ()).check_continue() is True  # type: ignore[arg-type]
    with pytest.raises(HTTPError, match="400"):
        Echo(request_of("POST", "/?%"), ()).check_continue()  # type: ignore[arg-type]


def test_the_example(serve: Serve) -> None:
    server = serve(ROOT / "examples" / "query.py", "--workers", "2")
    for _ in range(4):
        assert server.get("/search?q=apple").body == b"apple\npineapple\n"
    assert server.get("/search").body == b"apple\nbanana\n"
    assert server.get("/search?colour=red&colour=green&page=2").body == b"lime\n"
    assert server.get("/search?q=%C3%BC").body == b""
    bad = server.get("/search?q=100%")
    assert (bad.status, bad.body) == (
        400,
        b"query: got '%' at character 6, wanted % and two hexadecimal digits\n",
    )
    for number in ("0", "x", "-1", "%C2%B2", "9" * 5000, ""):
        assert server.get(f"/search?page={number}").status == 400
    assert server.get("/search?" + "a&" * 101).status == 400
    assert server.get("/search?q=" + "a" * 9000).status == 414
    assert server.get("/searching").status == 404
    assert server.request("POST", "/search?%").status == 405
    with server.connect() as sock:  # a search may have a body, which is not read
        sock.sendall(b"GET /search?% HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert server.stop() == 0
