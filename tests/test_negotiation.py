"""webpy.negotiation: weighted lists, the examples of RFC 9110 section 12.5, and `accept` on the wire."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.heads import request_of
from tests.server import ROOT, Server
from webpy import HTTPError, HTTPHeaders
from webpy.json import JSONHandler
from webpy.negotiation import AcceptMixIn, best, best_encoding, vary, weigh

# RFC 9110 section 12.5.1, its last example
RFC_ACCEPT = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"


@pytest.mark.parametrize(
    ("value", "members"),
    [
        ("gzip", [("gzip", 1.0)]),
        ("  GZip ; q=0.5 ,\tbr;Q=1.000", [("gzip", 0.5), ("br", 1.0)]),
        ("da, en-GB;q=0.8, en;q=0.7", [("da", 1.0), ("en-gb", 0.8), ("en", 0.7)]),
        ("a;q=0, b;q=0., c;q=0.000, *;q=1.", [("a", 0.0), ("b", 0.0), ("c", 0.0), ("*", 1.0)]),
        ("text/html ; Level=1 ; q=0.25 ; later=x", [("text/html;level=1", 0.25)]),
        ('text/x;a="1,2;q=0\\"";q=0.5, b', [('text/x;a="1,2;q=0\\""', 0.5), ("b", 1.0)]),
        (",, a ,,", [("a", 1.0)]),
        ("a;;q=0.5;", [("a", 0.5)]),
        ("a;q=0.3333", [("a", 0.3333)]),
        ("", []),
        ('a;q=1.1, b;q=-1, c;q=.5, d;q=1.01, e;q=, f;q, g;q=0x1, h;q=nan, i;q="1", j;q=1e0, k', [("k", 1.0)]),
        ("a b, c/d/e, /, a/, /b, ä, a=b, ;q=1, (x), k", [("k", 1.0)]),
        ('a;x="open, b', []),
    ],
)
def test_weigh(value: str, members: list[tuple[str, float]]) -> None:
    assert weigh(value) == members


@pytest.mark.parametrize(
    "value", ['"' * 32000, '"\\' * 16000, "a;" * 16000, 'a;b="\\' * 5000, "a," * 16000, " " * 32000]
)
def test_what_a_head_can_hold_is_read_at_once(value: str) -> None:
    began = time.thread_time()
    weigh(value)
    assert time.thread_time() - began < 0.5


@given(st.text(alphabet='ab/*;,="\\ \tq01.', max_size=40))
def test_any_text_gives_members_that_are_read_again(value: str) -> None:
    members = weigh(value)
    assert all(0 <= weight <= 1 for _, weight in members)
    assert weigh(", ".join(f"{member};q={weight:f}" for member, weight in members)) == members


@pytest.mark.parametrize(
    ("offer", "weight"),
    [
        ("text/plain;format=flowed", 1),
        ("text/plain", 0.7),
        ("text/html", 0.3),
        ("image/jpeg", 0.5),
        ("text/plain; format=fixed", 0.4),
        ('TEXT/Plain; charset=utf-8; Format="Flowed"', 1),
    ],
)
def test_the_most_specific_range_tells_the_weight(offer: str, weight: float) -> None:
    """Find a weight from outside: an offer wins against one of slightly less, and loses to one of slightly more."""
    less, more = (f"{RFC_ACCEPT}, rival/rival;q={weight + step:.3f}" for step in (-0.001, 0.001))
    assert best(less, ["rival/rival", offer]) == offer
    assert weight == 1 or best(more, [offer, "rival/rival"]) == "rival/rival"


@pytest.mark.parametrize(
    ("value", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("nonsense;q=7", "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/html"),
        ("text/html, application/json", "application/json"),
        ("text/html, application/json;q=0.9", "text/html"),
        ("application/json;q=0, */*", "text/html"),
        ("application/*;q=0, application/json;q=0.1", "application/json"),
        ("image/png", None),
        ("*/*;q=0", None),
        ("text/html;level=1", None),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),  # a browser
    ],
)
def test_best(value: str | None, chosen: str | None) -> None:
    assert best(value, ["application/json", "text/html"]) == chosen


def test_best_of_nothing() -> None:
    assert best(None, []) is None
    assert best("*/*", []) is None


@pytest.mark.parametrize(
    ("value", "chosen"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, br", "br"),
        ("gzip, br;q=0.9", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=0", None),
        ("*", "br"),
        ("*;q=0", None),
        ("br;q=0, *;q=0.1", "gzip"),
        ("identity", None),
        ("gzip;q=0.5, identity", None),
        ("gzip, identity", "gzip"),
        ("gzip;q=0.2, br;q=0, *;q=0.5", None),  # `*` stands for identity also
        ("identity;q=0, deflate", None),
        ("compress, deflate", None),
        ("gzip;q=0, gzip", None),  # the first one counts
    ],
)
def test_best_encoding(value: str | None, chosen: str | None) -> None:
    assert best_encoding(value, ["br", "gzip"]) == chosen


def test_vary() -> None:
    headers = HTTPHeaders()
    vary(headers, "Accept")
    vary(headers, "accept")
    vary(headers, "Origin")
    assert list(headers) == [("Vary", "Accept, Origin")]
    headers = HTTPHeaders([("Vary", "Cookie"), ("Vary", "origin")])
    vary(headers, "Origin")
    assert len(headers) == 2
    vary(headers, "Accept")
    assert list(headers) == [("Vary", "Cookie, origin, Accept")]
    headers.set("Vary", "*")
    vary(headers, "Accept")
    assert list(headers) == [("Vary", "*")]


class Both(AcceptMixIn):
    def do_get(self) -> Any:
        return 200, self.accept("application/json", "text/html; charset=utf-8")


def answer(cls: type[AcceptMixIn], *fields: str) -> tuple[Any, HTTPHeaders]:
    handler = cls(request_of("GET", "/", *fields), ())  # type: ignore[arg-type]
    return handler.respond(), handler.response.headers


def test_accept_sets_what_it_chose() -> None:
    for fields, chosen in (
        ((), "application/json"),
        (("Accept: text/html",), "text/html; charset=utf-8"),
        (("Accept: text/html;q=0.5", "Accept: application/*;q=0.6"), "application/json"),
    ):
        result, headers = answer(Both, *fields)
        assert result == (200, chosen)
        assert list(headers) == [("Vary", "Accept"), ("Content-Type", chosen)]


def test_accept_refuses_with_what_there_is() -> None:
    with pytest.raises(HTTPError, match="406") as caught:
        answer(Both, "Accept: image/png")
    assert caught.value.message == "application/json\ntext/html; charset=utf-8\n"
    assert dict(caught.value.headers or ()) == {
        "Vary": "Accept",
        "Content-Type": "text/plain; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
    }


def test_it_mixes_with_other_handlers() -> None:
    class Last(JSONHandler, AcceptMixIn):
        do_get = Both.do_get

    assert answer(Last, "Accept: text/html")[1]["Content-Type"] == "text/html; charset=utf-8"


def test_the_example(serve: Callable[..., Server]) -> None:
    server = serve(ROOT / "examples" / "negotiated.py", "--workers", "2")
    for _ in range(2):
        plain = server.get("/weather")
        assert json.loads(plain.body)["degrees"] == 21 and plain.headers["Content-Type"] == "application/json"
        page = server.get("/weather", headers={"Accept": "text/html,*/*;q=0.8"})
        assert "<li>place: Zürich".encode() in page.body and page.headers["Vary"] == "Accept"
        text = server.get("/weather", headers={"Accept": "text/*;q=0.5, text/plain"})
        assert (text.body, text.headers["Content-Type"]) == (
            "place: Zürich\nsky: clear\ndegrees: 21\n".encode(),
            "text/plain; charset=utf-8",
        )
    none = server.get("/weather", headers={"Accept": "image/png"})
    assert (none.status, none.headers["Vary"], len(none.body.splitlines())) == (406, "Accept", 3)
