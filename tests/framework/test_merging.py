"""What an answer's fields do to those that were set before it, and which cookies are the same one."""

from __future__ import annotations

import pytest

from webpy import HTTPHeaders
from webpy.framework.merging import merge, put_cookie


@pytest.mark.parametrize(
    ("before", "answer", "after"),
    [
        ([], [("A", "1"), ("A", "2")], [("A", "1"), ("A", "2")]),
        ([("A", "0")], [("a", "1"), ("B", "2")], [("a", "1"), ("B", "2")]),
        ([("A", "0"), ("B", "0")], [("A", "1"), ("A", "2")], [("B", "0"), ("A", "1"), ("A", "2")]),
        ([("Content-Type", "x/y")], [("content-type", "text/html")], [("content-type", "text/html")]),
        ([("Content-Length", "1")], [("Content-Length", "2")], [("Content-Length", "2")]),
        ([("Cache-Control", "no-store")], [("Cache-Control", "public")], [("Cache-Control", "public")]),
        ([("Vary", "Origin")], [("Vary", "Accept, origin"), ("vary", "Cookie")], [("Vary", "Origin, Accept, Cookie")]),
        ([("Vary", "Origin")], [("Vary", "*")], [("Vary", "*")]),
        ([("Vary", "*")], [("Vary", "Cookie")], [("Vary", "*")]),
        (
            [("WWW-Authenticate", "Basic")],
            [("WWW-Authenticate", "Digest"), ("WWW-Authenticate", "Bearer")],
            [("WWW-Authenticate", "Basic"), ("WWW-Authenticate", "Digest"), ("WWW-Authenticate", "Bearer")],
        ),
        ([("Link", "<a>")], [("Link", "<b>")], [("Link", "<a>"), ("Link", "<b>")]),
        (
            [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=1; Path=/"), ("Set-Cookie", "a=2; Path=/x")],
            [("Set-Cookie", "a=3;path=/;HttpOnly"), ("Set-Cookie", "c=1")],
            [
                *(("Set-Cookie", "b=1; Path=/"), ("Set-Cookie", "a=2; Path=/x")),
                *(("Set-Cookie", "a=3;path=/;HttpOnly"), ("Set-Cookie", "c=1")),
            ],
        ),
        ([("X", "0")], [], [("X", "0")]),
    ],
)
def test_fields(before: list[tuple[str, str]], answer: list[tuple[str, str]], after: list[tuple[str, str]]) -> None:
    headers = HTTPHeaders(before)
    merge(headers, iter(answer))
    assert list(headers) == after


def test_one_cookie_of_a_name_path_and_domain() -> None:
    headers = HTTPHeaders()
    for cookie in ("a=1", "a=2; Path=/", "a=3; Domain=h.example", "a=4;  PATH=/ ; Secure", "a=5"):
        put_cookie(headers, cookie)
    assert headers.getlist("Set-Cookie") == ["a=3; Domain=h.example", "a=4;  PATH=/ ; Secure", "a=5"]


def test_what_was_frozen_is_never_changed_by_those_made_of_it() -> None:
    frozen = HTTPHeaders([("A", "1"), ("B", "2")]).frozen()
    one, other = HTTPHeaders.of(frozen), HTTPHeaders.of(frozen)
    one.add("C", "3")
    copy = other.copy()
    copy.set("A", "changed")
    two = HTTPHeaders.of(frozen)
    two.set("D", "4")
    three = HTTPHeaders.of(frozen)
    three.add_missing(HTTPHeaders([("E", "5")]))
    four = HTTPHeaders.of(frozen)
    four.remove("A")
    assert other == HTTPHeaders.of(frozen) == HTTPHeaders([("A", "1"), ("B", "2")])
    assert [len(headers) for headers in (one, copy, two, three, four)] == [3, 2, 3, 3, 1]
