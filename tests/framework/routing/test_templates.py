"""Path templates: what they match, what they capture, the way back by `url`, and what is wrong with a bad one."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import webpy
from webpy import HTTPHandler
from webpy.framework.routing.converters import CONVERTERS
from webpy.framework.routing.routes import compile_routes
from webpy.framework.routing.templates import PathTemplate
from webpy.protocol.path import is_normal, normal_path

ID = uuid.UUID("12345678-1234-5678-1234-56789abcdef0")


def captured(template: str, resource: str) -> list[Any] | None:
    """What a table with this one route captures, None for a 404."""
    table = compile_routes({webpy.path(template): HTTPHandler})
    route, groups = table.resolve(resource)
    return None if route is table.not_found else list(groups)


@pytest.mark.parametrize(
    ("template", "resource", "groups"),
    [
        ("/", "/", []),
        ("/", "/?x", []),
        ("/", "/a", None),
        ("/items", "/items?a=/b?c", []),
        ("/items", "/items/", None),
        ("/items/", "/items/", []),
        ("/items/{id:int}", "/items/7", [7]),
        ("/items/{id:int}", "/items/007?x=8", [7]),
        ("/items/{id:int}", "/items/-7", None),
        ("/items/{id:int}", "/items/7.0", None),
        ("/items/{id:int}", "/items/" + "7" * 5000, None),  # more digits than Python converts
        ("/items/{id:int}", "/items/", None),
        ("/items/{id:int}", "/items/7/", None),
        ("/{x:float}", "/-1.50", [-1.5]),
        ("/{x:float}", "/3", [3.0]),
        ("/{x:float}", "/1e3", None),
        ("/{x:float}", "/nan", None),
        ("/{x:float}", "/" + "9" * 400, None),  # would be infinite
        ("/{lat:float},{lon:float}", "/-52.5,13.4", [-52.5, 13.4]),
        ("/{lat:float},{lon:float}", "/-52.5%2C13.4", [-52.5, 13.4]),
        ("/{id:uuid}", f"/{ID}", [ID]),
        ("/{id:uuid}", f"/{ID}".upper(), [ID]),
        ("/{id:uuid}", f"/{ID.hex}", None),
        ("/{name}", "/a", ["a"]),
        ("/{name}", "/caf%C3%A9%20%3F?q", ["café ?"]),
        ("/{name}", "/a+b@c", ["a+b@c"]),
        ("/{name}", "/%FF", None),  # no UTF-8
        ("/{name}", "/a%2Fb", None),
        ("/{name}", "/a%00", None),
        ("/{name}", "/%252F", ["%2F"]),
        ("/{name}", "/a/b", None),
        ("/{name}", "/", None),
        ("/{name}.json", "/a.b.json", ["a.b"]),
        ("/{name}.{kind}", "/a.tar.gz", ["a.tar", "gz"]),
        ("/{year:int}-{slug}", "/2026-a-b-c", [2026, "a-b-c"]),
        ("/{slug}-{n:int}", "/a-b-7", ["a-b", 7]),
        ("/{a}--{b}", "/x-y--z-w", ["x-y", "z-w"]),
        ("/{user}@{host}", "/a%40b@c", ["a@b", "c"]),
        ("/{user}@{host}", "/a%40c", ["a", "c"]),
        ("/@{user}", "/%40me", ["me"]),
        ("/@{user}", "/@me", ["me"]),
        ("/files/{rest:path}", "/files/a/b%20c/d.txt?x", ["a/b c/d.txt"]),
        ("/files/{rest:path}", "/files/a/", ["a/"]),
        ("/files/{rest:path}", "/files/", None),
        ("/files/{rest:path}", "/files", None),
        ("/files/{rest:path}", "/files/..%2F..%2Fetc%2Fpasswd", None),
        ("/files/{rest:path}/edit", "/files/a/edit/edit", ["a/edit"]),
        ("/{a}/{rest:path}/{b}", "/1/2/3/4", ["1", "2/3", "4"]),
        ("/café/{x}", "/caf%C3%A9/1", ["1"]),
        ("/caf%c3%a9/{x}", "/caf%C3%A9/1", ["1"]),
        ("/a b/%61", "/a%20b/a", []),
        ("/100%25/{x}", "/100%25/1", ["1"]),
        ("/%7B{x}%7D", "/{1}", ["1"]),
        ("/%7B{x}%7D", "/%7B1%7D", ["1"]),
        ("/a.b/{x}", "/aXb/1", None),
        ("/a+/{x}", "/aa/1", None),
    ],
)
def test_what_a_template_captures(template: str, resource: str, groups: list[Any] | None) -> None:
    assert captured(template, resource) == groups


def test_groups_have_the_converted_values_by_number_and_by_name() -> None:
    _, groups = compile_routes({webpy.path("/{a:int}/{b}"): HTTPHandler}).resolve("/7/%C3%A9")
    assert (groups[0], groups[1], groups["a"], groups["b"], groups[-1]) == (7, "é", 7, "é", "é")
    assert (groups.get("a"), groups.get("c"), groups.get("c", 5), len(groups)) == (7, None, 5, 2)
    with pytest.raises(KeyError, match="c"):
        groups["c"]


def test_what_cannot_be_converted_goes_on_to_the_next_route() -> None:
    class One(HTTPHandler): ...

    class Two(HTTPHandler): ...

    table = compile_routes({webpy.path("/{x:int}"): One, webpy.path("/{x}"): Two})
    assert [table.resolve(path)[0].handler for path in ("/7", "/a", "/" + "7" * 5000)] == [One, Two, Two]


def test_equal_templates_are_one_key() -> None:
    first, *others = [webpy.path(text) for text in ("/caf%c3%a9/{x}", "/café/{x:str}", "/caf%C3%A9/{x}")]
    assert all(other == first and hash(other) == hash(first) for other in others)
    assert len(dict.fromkeys([first, *others])) == 1
    different = [webpy.path(text) for text in ("/a/{x}", "/a/{y}", "/a/{x:int}", "/a/{x:path}", "/a/{x}/")]
    assert len({*different}) == len(different)
    assert first != "/caf%C3%A9/{x}"
    assert (str(first), repr(first)) == ("/caf%c3%a9/{x}", "webpy.path('/caf%c3%a9/{x}')")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "wanted '/' at its beginning"),
        ("items", "wanted '/' at its beginning"),
        ("{x}", "wanted '/' at its beginning"),
        ("/a//b", "an empty, '.' or '..' segment"),
        ("/a/../{x}", "an empty, '.' or '..' segment"),
        ("/./a", "an empty, '.' or '..' segment"),
        ("/{a", "'{' without '}'; write %7B"),
        ("/a}/{x}", "'}' without '{'; write %7D"),
        ("/{{a}}", "'{' without '}'"),
        ("/{}", "the name ''"),
        ("/{:int}", "the name ''"),
        ("/{1a}", "the name '1a'"),
        ("/{ a}", "the name ' a'"),
        ("/{a:integer}", "the converter 'integer', wanted one of str, int, float, uuid, path, did you mean {a:int}?"),
        ("/{a:}", "the converter '', wanted one of str, int, float, uuid, path"),
        ("/{a}{b}", "nothing divides {a:str} and {b:str}"),
        ("/{a}/{a:int}", "two captures with the name 'a'"),
        ("/{a:path}/{b:path}", "two captures of a path"),
        ("/x{a:path}", "{a:path} is a part of a segment"),
        ("/{a:path}.x", "{a:path} is a part of a segment"),
        ("/{a:int}0", "{a:int} is followed by '0'"),
        ("/{a:float}5", "{a:float} is followed by '5'"),
        ("/{a}-1{b:int}", "{b:int} follows '1'"),
        ("/a?x={b}", "leave out the query"),
        ("/a#b", "leave out the query"),
        ("/<int:id>", "a capture is written {name} or {name:int}"),
        (r"/\d+", "a template is no regular expression"),
        ("/%zz", "'%' without two hex digits"),
        ("/a%2", "'%' without two hex digits"),
        ('/"a"', "characters that stand in no path"),
        ("/a\n", "characters that stand in no path"),
        ("/\ud800", "characters that stand in no path"),
    ],
)
def test_a_bad_template_is_named_at_once(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"path template {template!r}: ") + ".*" + re.escape(message)):
        webpy.path(template)


@pytest.mark.parametrize("template", [None, 5, b"/a", re.compile("/a")])
def test_a_template_is_a_str(template: Any) -> None:
    with pytest.raises(TypeError, match=r"webpy.path: got .*, wanted a str such as '/items/\{id:int\}'"):
        webpy.path(template)


@pytest.mark.parametrize(
    ("template", "values", "url"),
    [
        ("/", {}, "/"),
        ("/items/{id:int}", {"id": 7}, "/items/7"),
        ("/items/{id:int}", {"id": "007"}, "/items/7"),
        ("/{name}", {"name": "café ?/".replace("/", "@")}, "/caf%C3%A9%20%3F%40"),
        ("/{name}", {"name": 7}, "/7"),
        ("/{name}", {"name": "%2F"}, "/%252F"),
        ("/{x:float}", {"x": 1e-7}, "/0.0000001"),
        ("/{x:float}", {"x": 3}, "/3.0"),
        ("/{id:uuid}", {"id": ID}, f"/{ID}"),
        ("/{id:uuid}", {"id": str(ID).upper()}, f"/{ID}"),
        ("/files/{rest:path}/x", {"rest": "a b/c?"}, "/files/a%20b/c%3F/x"),
        ("/café[{x}]", {"x": "1"}, "/caf%C3%A9%5B1%5D"),
        ("/{self}", {"self": "a"}, "/a"),
        ("/{user}@{host}", {"user": "a@b", "host": "c"}, "/a%40b@c"),
    ],
)
def test_url(template: str, values: dict[str, Any], url: str) -> None:
    assert webpy.path(template).url(**values) == url


@pytest.mark.parametrize(
    ("template", "values", "message"),
    [
        ("/{a}/{b}", {}, "url() misses a, b"),
        ("/{a}/{b}", {"a": 1}, "url() misses b"),
        ("/{a}", {"a": 1, "c": 2}, "url() got c, wanted a"),
        ("/", {"c": 2}, "url() got c, it captures nothing"),
        *(("/{a:int}", {"a": value}, f"url() got a={value!r}, wanted an int") for value in (None, -1, "x", True, 1.5)),
        *(("/{a}", {"a": value}, "wanted a str with characters in it") for value in ("", None, "a/b", "\0", "\ud800")),
        ("/{a:path}", {"a": ""}, "wanted a str with characters in it"),
        *(("/{a:float}", {"a": value}, "wanted a finite number") for value in ("x", float("inf"), None, True)),
        *(("/{a:uuid}", {"a": value}, "wanted a uuid.UUID") for value in ("x", None, 7)),
        ("/{a}", {"a": ".."}, "would be '/..', which the template does not read as these"),
        ("/{a}.{b}", {"a": "x", "b": "tar.gz"}, "would be '/x.tar.gz', which"),
        ("/f/{a:path}", {"a": "../b"}, "would be '/f/../b', which"),
        ("/f/{a:path}", {"a": "/b"}, "would be '/f//b', which"),
    ],
)
def test_url_says_what_is_wrong(template: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"webpy.path({template!r}): ") + ".*" + re.escape(message)):
        webpy.path(template).url(**values)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(),
    "int": st.integers(),
    "float": st.floats(),
    "uuid": st.uuids(),
    "path": st.text(alphabet=st.one_of(st.just("/"), st.just("."), st.characters())),
}
LITERALS = st.text(alphabet="ab.-@é %1", min_size=1, max_size=3).map(lambda text: text.replace("%", "%25"))


@st.composite
def templates(draw: st.DrawFn) -> PathTemplate | None:
    """A template of some segments, None for one that is refused."""
    kinds = draw(st.lists(st.sampled_from([*CONVERTERS, None]), min_size=1, max_size=4))
    text = ""
    for place, kind in enumerate(kinds):
        text += draw(st.sampled_from(["/", "/", "/", ""])) or draw(LITERALS)
        text += draw(LITERALS) if kind is None else f"{{c{place}:{kind}}}"
    try:
        return webpy.path("/" + text.removeprefix("/"))
    except ValueError:
        return None


@given(template=templates(), data=st.data())
def test_what_url_gives_is_in_normal_form_and_is_read_back(template: PathTemplate | None, data: st.DataObject) -> None:
    if template is None:
        return
    captures = {part.name: part.converter.name for part in template.parts if not isinstance(part, str)}
    values = {name: data.draw(VALUES[kind], label=name) for name, kind in captures.items()}
    try:
        url = template.url(**values)
    except ValueError:
        return
    assert is_normal(url)
    match = template.pattern.fullmatch(url)
    assert match is not None
    groups = template.read(match)
    assert groups is not None
    assert dict(groups.names) == values


@given(text=st.text(min_size=1, alphabet=st.characters(exclude_characters="/\0", exclude_categories=["Cs"])))
def test_a_segment_is_captured_in_whatever_way_it_is_escaped(text: str) -> None:
    for spelling in (quote(text, safe=""), quote(text, safe="!$&'()*+,;=:@"), "".join(map(_escaped, text.encode()))):
        if text not in (".", ".."):
            assert captured("/{x}", normal_path(f"/{spelling}")) == [text]


def _escaped(byte: int) -> str:
    return f"%{byte:02x}"


@pytest.mark.parametrize(
    ("template", "resource"),
    [
        ("/{a}-{b}-{c}-{d}/x", "/" + "-" * 8000),
        ("/{a}-{b}-{c}/x", "/" + "a-" * 4000),
        ("/{a}-{b}.{c}~{d}/x", "/" + "a-b.c~" * 1300),
        ("/{a:path}/{b}/{c}/x", "/a" * 4000),
        ("/{a}/{b:path}/{c}.{d}/x", "/a.b" * 2000),
        ("/{a:float}.{b:int}.{c:float}-{d}/x", "/" + "1." * 4000),
        ("/{a:int}-{b:int}/x", "/" + "1" * 8000),
        ("/{a}@{b}@{c}/x", "/" + "%40" * 2600),
        ("/v1{a:int}/{b}-{c:float}/x", "/v1" + "1" * 4000 + "/" + "-1" * 2000),
    ],
)
def test_a_long_path_that_does_not_match_costs_little(template: str, resource: str) -> None:
    """8,000 characters and captures that could be divided in thousands of ways: the square of that is 64 million."""
    began_s = time.thread_time()
    assert captured(template, resource) is None
    assert time.thread_time() - began_s < 0.25
