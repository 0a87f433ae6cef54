"""The index of routes: the same answers as asking every regex in its order, and few questions in a large table."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import webpy
from webpy import HTTPHandler
from webpy.framework.routing.prefixes import PrefixIndex, literal_prefix
from webpy.framework.routing.routes import compile_routes
from webpy.framework.routing.templates import PathTemplate
from webpy.protocol.path import is_normal


@pytest.mark.parametrize(
    ("regex", "prefix"),
    [
        ("", ""),
        ("/items", "/items"),
        ("^/items/(.*)$", "/items/"),
        (r"/a\.b\-c/\d+", "/a.b-c/"),
        (r"/a\/b", "/a/b"),
        ("/ab*", "/a"),
        ("/ab?c", "/a"),
        ("/ab{2}c", "/a"),
        ("/a(?:b|c)", "/a"),
        ("/a|/b", ""),
        ("(/a|/b)c", ""),
        ("/a[|]b", "/a"),
        ("/a[]|(]b|/c", ""),
        ("/a[^]|(]b", "/a"),
        (r"/a\(b|c", ""),
        (r"/a\|b", "/a|b"),
        (r"/a[\]|(]b", "/a"),
        ("/a(?#()(b|c)", ""),
        ("(?i)/a", ""),
        (re.compile("/a", re.IGNORECASE), ""),
        (re.compile("/a b", re.VERBOSE), ""),
        (re.compile("/a"), "/a"),
    ],
)
def test_what_a_regex_begins_with(regex: str | re.Pattern[str], prefix: str) -> None:
    assert literal_prefix(re.compile(regex)) == prefix


# fmt: off
PIECES = st.sampled_from(["/", "a", "b", "ab", r"\.", ".", "a*", "b?", "(a|b)", "(.*)", "|", "[^/]+", "[|]", "[]a|]",
                          r"\|", "(?:a)", r"\d", "^"])
# fmt: on
REGEXES = st.lists(PIECES, max_size=5).map("".join)
TEXTS = st.text(alphabet="/ab.|1\n", max_size=6)


def compiles(regex: str) -> bool:
    try:
        re.compile(regex)
    except re.error:
        return False
    return True


@given(regexes=st.lists(REGEXES.filter(compiles), max_size=12), texts=st.lists(TEXTS, max_size=6))
def test_nothing_that_matches_is_left_out_and_the_order_is_kept(regexes: list[str], texts: list[str]) -> None:
    patterns = [re.compile(regex) for regex in regexes]
    index = PrefixIndex((pattern, place) for place, pattern in enumerate(patterns))
    for text in texts:
        found = index.candidates(text)
        assert found == sorted(found)
        matching = [place for place, pattern in enumerate(patterns) if pattern.fullmatch(text)]
        assert [place for place in found if patterns[place].fullmatch(text)] == matching


TEMPLATES = st.lists(
    st.sampled_from(["/a", "/b", "/{x}", "/{y:int}", "/a{z}", "/a.b", "/1", "/"]), min_size=1, max_size=3
).map("".join)


def makes(text: str) -> bool:
    try:
        webpy.path(text)
    except ValueError:
        return False
    return True


KEYS = st.one_of(REGEXES.filter(compiles), TEMPLATES.filter(makes).map(webpy.path))
RESOURCES = st.text(alphabet="/ab.1?", max_size=6).filter(lambda text: is_normal(text.partition("?")[0]))


@given(keys=st.lists(KEYS, max_size=12, unique=True), resources=st.lists(RESOURCES, max_size=6))
def test_a_table_of_regexes_and_templates_answers_as_a_plain_loop(keys: list[Any], resources: list[str]) -> None:
    routes = {key: type(f"Handler{number}", (HTTPHandler,), {}) for number, key in enumerate(keys)}
    table = compile_routes(routes)
    for resource in resources:
        expected: tuple[Any, list[Any]] = (table.not_found.handler, [])
        for key, handler in routes.items():
            if isinstance(key, PathTemplate):
                match = re.fullmatch(key.regex, resource.partition("?")[0])
                captured = (
                    [int(text) if name == "y" else text for name, text in match.groupdict().items()] if match else []
                )
            else:
                match = re.fullmatch(key, resource)
                captured = list(match.groups()) if match else []
            if match:
                expected = (handler, captured)
                break
        route, groups = table.resolve(resource)
        assert (route.handler, list(groups)) == expected


def test_a_large_table_asks_few_regexes() -> None:
    handlers = {rf"/kind{number}/(\d+)": type(f"Kind{number}", (HTTPHandler,), {}) for number in range(1000)}
    table = compile_routes({**handlers, "/(.*)": HTTPHandler})
    index = PrefixIndex((route.pattern, route) for route in table.routes)
    for number in (0, 1, 10, 999):
        resource = f"/kind{number}/7"
        assert len(index.candidates(resource)) == 2
        route, groups = table.resolve(resource)
        assert (route.handler.__name__, groups[0]) == (f"Kind{number}", "7")
    assert len(index.candidates("/none")) == 1


def test_prefixes_of_prefixes() -> None:
    regexes = ["/a/b/(.*)", "/(.*)", "/a/(.*)", "(.*)", "/a/b/c", "/ab(.*)"]
    index = PrefixIndex((re.compile(regex), regex) for regex in regexes)
    assert index.candidates("/a/b/c") == [regexes[place] for place in (0, 1, 2, 3, 4)]
    assert index.candidates("/a/z") == [regexes[place] for place in (1, 2, 3)]
    assert index.candidates("/abc") == [regexes[place] for place in (1, 3, 5)]
    assert index.candidates("*") == ["(.*)"]


def test_many_that_begin_with_nothing() -> None:
    """They are put together when asked for, and in order all the same."""
    regexes = [regex for number in range(100) for regex in (f"/(.*){number}", f"(.*)/{number}", f"/a/(.*){number}")]
    index = PrefixIndex((re.compile(regex), regex) for regex in regexes)
    assert index.candidates("/a/b") == regexes
    assert index.candidates("/b") == [regex for regex in regexes if not regex.startswith("/a/")]
    assert index.candidates("*") == [regex for regex in regexes if regex.startswith("(")]
