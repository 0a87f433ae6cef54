"""The review of a route table: it names routes that can never answer, and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import webpy
from webpy import HTTPHandler
from webpy.framework.routing.review import review
from webpy.framework.routing.routes import compile_routes
from webpy.protocol.path import is_normal


class Answering(HTTPHandler):
    def do_get(self) -> Any:
        return 200, None


def covered(*keys: Any) -> bool:
    """Whether the last of the routes is said to lie behind another."""
    routes: dict[Any, Any] = {}
    for key in keys:
        routes.update(key if isinstance(key, dict) else {key: Answering})
    *_, last = review(compile_routes(routes).routes)
    return any("never answers" in warning for warning in last)


def on(name: str, key: Any) -> dict[Any, Any]:
    return webpy.host(name, {key: Answering})


path = webpy.path


@pytest.mark.parametrize(
    "keys",
    [
        ("/a", "^/a$"),
        ("/a", re.compile("/a")),
        ("/(.*)", "/a"),
        ("/(.*)", "/b/(.*)"),
        (".*", "/b/([0-9]+)"),
        ("(.*)", "(x|/y)"),
        (r"/(\w+)", "/about"),
        (r"/a\.b(.*)", r"/a\.bc"),
        ("/shop(?:/.*|\\?.*)?", "/shop/new"),  # as webpy.wsgi.new("/shop") makes it
        ("/shop(?:/.*|\\?.*)?", r"/shop\?x=(.*)"),
        (r"/docs(/[^?]*)?(?:\?.*)?", "/docs/(?P<page>.*)"),  # as webpy.file.new("/docs")
        ("/.*", path("/{x}")),
        ("/a/(?P<rest>.*)", path("/a/{x:int}/b")),
        ("^/a/(?P<x>.*)", "/a/(?P<y>.*)"),
        ("/a/([0-9]+)", re.compile("/a/([0-9]+)")),
        (path("/{x}"), path("/{y}")),
        (path("/{x}"), path("/about")),
        (path("/{x}"), path("/{y:int}")),
        (path("/{x}"), path("/a-{y}")),
        (path("/{x}/b"), path("/a/b")),
        (path("/items/{x:int}"), path("/items/{id:int}")),
        (path("/items/{x:int}"), "/items/7"),
        (path("/items/{x:int}"), path("/items/7")),
        (path("/f/{x:path}"), path("/f/{a}/{b:int}")),
        (path("/f/{x:path}"), path("/f/{a}/")),
        (path("/f/{x:path}/e"), path("/f/{y:path}/e")),
        (path("/@{x}"), path("/@me")),
        (path("/{x}"), "/caf%C3%A9"),
        (on("a.org", "/(.*)"), on("a.org", "/b")),
        (on("*.org", "/(.*)"), on("a.org", "/b")),
        (on("*.org", "/(.*)"), on("*.a.org", "/b")),
        ("/(.*)", on("a.org", "/b")),
    ],
)
def test_a_route_behind_one_that_takes_all_it_matches_is_named(keys: Any) -> None:
    assert covered(*keys)


@pytest.mark.parametrize(
    "keys",
    [
        ("/a", "/b"),
        ("/a", "/a/"),
        ("/a/(.*)", "/a"),
        ("/a/(.*)", "/a(.*)"),
        ("/a(/.*)?", "/ab"),
        ("/shop(?:/.*|\\?.*)?", "/shopping"),
        (r"/docs(/[^?]*)", "/docs/(.*)"),  # without a query
        ("/([a-z]+)", "/(.+)"),
        ("/(.+)", "/(.*)"),
        (r"/([a-z]+)", path("/about")),  # whose query the regex does not match
        ("/about", path("/about")),
        ("(?i:/a)", "/A/b"),
        (re.compile("/a", re.IGNORECASE), re.compile("/a", re.IGNORECASE | re.DOTALL)),
        (path("/{x:int}"), path("/{x}")),
        (path("/{x:int}"), "/([0-9]+)"),
        (path("/{x}"), "/([a-z]+)"),
        (path("/{x}"), "/%FF"),  # which is no UTF-8
        (path("/{x}"), path("/%FF{y}")),
        (path("/{x}"), path("/{y}/")),
        (path("/{x}"), path("/")),
        (path("/{x}"), path("/{y:path}")),
        (path("/{x:float}"), path("/{y:int}")),  # of 400 digits
        (path("/f/{x:path}"), path("/f/")),
        (path("/f/{x:path}"), path("/{y:path}")),
        (path("/f/{x:path}/e"), path("/f/{y:path}")),
        (path("/items/{x:int}"), "/items/x"),
        (on("a.org", "/(.*)"), "/b"),
        (on("a.org", "/(.*)"), on("b.org", "/b")),
        (on("a.org", "/(.*)"), on("*.org", "/b")),
        (on("*.a.org", "/(.*)"), on("a.org", "/b")),
    ],
)
def test_a_route_that_has_requests_of_its_own_is_not(keys: Any) -> None:
    assert not covered(*keys)


def test_the_warning_names_both_and_only_the_later() -> None:
    routes = {"/(.*)": Answering, **on("a.org", path("/{id}"))}
    assert review(compile_routes(routes).routes) == [
        [],
        [
            "route webpy.path('/{id}') of host 'a.org' never answers: '/(.*)', before it, matches all that it matches",
        ],
    ]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("items", "write '/items'"),
        ("items/(.*)", "write '/items/(.*)'"),
        ("^items", "write '/items'"),
        ("", "write '/'"),
        ("http://a.org/", "write '/http://a.org/'"),
    ],
)
def test_a_route_that_begins_otherwise_than_every_path_is_named(key: str, hint: str) -> None:
    ((warning,),) = review(compile_routes({key: Answering}).routes)
    assert warning == f"route {key!r} matches no request: every path begins with '/': {hint}"


@pytest.mark.parametrize("key", ["/a", ".*", "(.*)", "[/]a", "(/a|/b)", r"\*", "/a|b", "/?"])
def test_others_are_not(key: str) -> None:
    assert review(compile_routes({key: Answering}).routes) == [[]]


def test_a_route_in_no_normal_form_is_named() -> None:
    ((warning,),) = review(compile_routes({"/%61": Answering}).routes)
    assert warning == "route '/%61' matches no request, as routes see paths in normal form: write '/a'"


def test_a_handler_without_methods_is_named() -> None:
    class Empty(HTTPHandler): ...

    class Upper(HTTPHandler):
        def do_GET(self) -> Any: ...

    class Bare(Upper):
        def post(self) -> Any: ...

    class Whole(HTTPHandler):
        def respond(self) -> Any: ...

    class Every(HTTPHandler):
        any_method = True

    routes = {"/1": Empty, "/2": Upper, "/3": Bare, "/4": Whole, "/5": Every, "/6": Answering}
    found = [each[0] if each else "" for each in review(compile_routes(routes).routes)]
    named = [text.partition("handler_without_methods_is_named.<locals>.")[2] for text in found]
    wanted = "answers no method: it has no do_get, do_post, ..."
    assert named == [
        f"Empty {wanted}",
        f"Upper {wanted} (it has do_GET, wanted do_get)",
        f"Bare {wanted} (it has post, wanted do_post)",
        "",
        "",
        "",
    ]


# fmt: off
PIECES = st.sampled_from(["/", "a", "b", "(.*)", ".*", "(/.*)?", "[^/]+", r"(?:\?.*)?", "(?:/.*|\\?.*)?", "a?", "$",
                          "^"])
# fmt: on
REGEXES = st.lists(PIECES, max_size=4).map("".join)
TEMPLATES = st.lists(
    st.sampled_from(["/a", "/b", "/{x}", "/{y:int}", "/a{z}", "/1", "/{p:path}", "/", "/{q}-{r}", "/%FF"]),
    min_size=1,
    max_size=3,
).map("".join)


def key_of(text: str, is_template: bool) -> Any:
    try:
        return webpy.path(text) if is_template else re.compile(text).pattern
    except (ValueError, re.error):
        return None


KEYS = st.one_of(REGEXES.map(lambda text: key_of(text, False)), TEMPLATES.map(lambda text: key_of(text, True)))
RESOURCES = [
    text
    for path_ in (
        "/",
        "/a",
        "/a/",
        "/b",
        "/1",
        "/a1",
        "/a/b",
        "/a/1",
        "/1/a/b",
        "/a-b",
        "/%FF",
        "/a/%FF",
        "/b/a/1/b",
        "/x",
    )
    for text in (path_, path_ + "?", path_ + "?a/b")
    if is_normal(path_)
]


@given(keys=st.lists(KEYS.filter(lambda key: key is not None), max_size=5, unique=True))
def test_no_resource_reaches_a_route_that_is_said_never_to_answer(keys: list[Any]) -> None:
    routes = {key: type(f"Handler{number}", (Answering,), {}) for number, key in enumerate(keys)}
    table = compile_routes(routes)
    warned = {route for route, warnings in zip(table.routes, review(table.routes), strict=True) if warnings}
    assert not warned & {table.resolve(resource)[0] for resource in RESOURCES}
