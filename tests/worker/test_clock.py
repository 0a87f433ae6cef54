"""The clock, and the heads it makes ready: they must be what `render` makes of the same answer."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest

from tests.heads import head_of
from webpy import HTTPHeaders
from webpy.framework.response import Response
from webpy.protocol import REASONS, body_allowed
from webpy.worker.exchanges.clock import Clock, Preamble
from webpy.worker.http1.serializer import render


def clock() -> Clock:
    return Clock(lambda now: b"%d" % now)


def preamble(scheme: str = "http") -> Preamble:
    return Clock(lambda _now: b"", 60).preambles[scheme]


@pytest.mark.parametrize("status", [status for status in REASONS if body_allowed(status, "GET")])
def test_a_ready_head_is_the_one_that_render_makes(status: int) -> None:
    now = preamble()
    for prefixes, body in ((now.text, "text"), (now.plain, b"bytes")):
        answer = render(head_of(), None, (status, body), now.date, False)
        prefix = prefixes[status]
        assert prefix is not None
        assert prefix + b"%d\r\n\r\n" % len(body) == answer.head


FIELDS = [
    [("X-One", "1"), ("x-one", "2")],
    [("Content-Type", "text/html; charset=utf-8")],
    [("content-type", "image/png"), ("ETag", '"a"')],
]


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("body", ["text", b"bytes"])
def test_with_the_handlers_fields_likewise(fields: list[tuple[str, str]], body: str | bytes) -> None:
    now, response = preamble(), Response()
    response.headers = HTTPHeaders(fields)
    answer = render(head_of(), response.headers, (201, body), now.date, False)
    for _ in range(2):
        prefix = now.prefix(201, type(body) is str, response)
        assert prefix is not None
        assert sorted((prefix + b"%d\r\n\r\n" % len(body)).split(b"\r\n")) == sorted(answer.head.split(b"\r\n"))


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "SERVER", "Date"])
def test_fields_that_say_how_to_send_are_not_plain(name: str) -> None:
    now, response = preamble(), Response()
    response.headers = HTTPHeaders([("X", "1"), (name, "close")])
    assert now.prefix(200, True, response) is None


@pytest.mark.parametrize("field", [("X", "a\r\nY: b"), ("X Y", "a"), ("X", "\0"), ("X", "\N{SNOWMAN}")])
def test_fields_that_would_break_the_message_are_refused_every_time(field: tuple[str, str]) -> None:
    now, response = preamble(), Response()
    response.headers = HTTPHeaders([field])
    for _ in range(2):
        with pytest.raises(ValueError, match="wanted"):
            now.prefix(200, True, response)


def test_heads_with_fields_are_kept_in_bounded_number() -> None:
    now, response = preamble(), Response()
    for number in range(2000):
        response.headers.set("X-Number", str(number))
        prefix = now.prefix(200, False, response)
        assert prefix is not None
        assert b"X-Number: %d\r\n" % number in prefix
        assert len(now.headed) <= 256


@pytest.mark.parametrize("status", [100, 199, 204, 205, 304, 299, 600, 0, -200, True, 200.5, "200", None])
def test_what_is_not_plain_has_no_ready_head(status: object) -> None:
    now = preamble()
    assert now.text[status] is None  # type: ignore[index]
    assert now.plain[status] is None  # type: ignore[index]
    response = Response()
    response.headers.set("X", "1")
    assert now.prefix(status, True, response) is None  # type: ignore[arg-type]
    assert len(now.text) == len(now.plain) == len(now.headed) == 0  # nor does it fill the memory


def test_a_tick_moves_date_stamp_and_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1795176000.25)
    now = clock()
    now.tick(500.0)
    usual = now.preambles["http"]
    assert (usual.date, now.stamp) == ("Fri, 20 Nov 2026 12:00:00 GMT", b"1795176000")
    assert now.due_s == 500.75
    before = usual.text[200]
    monkeypatch.setattr(time, "time", lambda: 1795176001.0)
    now.tick(500.75)
    assert (usual.date, now.due_s) == ("Fri, 20 Nov 2026 12:00:01 GMT", 501.75)
    after = usual.text[200]
    assert before is not None and after is not None
    assert b"12:00:00 GMT" in before
    assert b"12:00:01 GMT" in after


def test_the_date_is_now() -> None:
    began = int(time.time())
    assert began <= parsedate_to_datetime(preamble().date).timestamp() <= time.time()


# -- HSTS -------------------------------------------------------------------------------------------------------------

HSTS = b"Strict-Transport-Security: max-age=60\r\n"


def test_only_https_has_it() -> None:
    for made, expected in ((preamble("http"), 0), (preamble("https"), 1)):
        response = Response()
        response.headers.set("X", "1")
        for prefix in (made.text[200], made.plain[404], made.prefix(200, True, response)):
            assert prefix is not None
            assert prefix.count(HSTS) == expected


def test_off_it_is_one_preamble_for_both() -> None:
    preambles = clock().preambles
    assert preambles["http"] is preambles["https"]
    assert not preambles["http"].more


@pytest.mark.parametrize("name", ["Strict-Transport-Security", "strict-transport-security"])
def test_a_handlers_own_field_wins(name: str) -> None:
    made, response = preamble("https"), Response()
    response.headers.set(name, "max-age=0")
    prefix = made.prefix(200, True, response)
    completed = made.complete(response.headers)
    assert prefix is not None and completed is not None
    assert prefix.lower().count(b"\r\nstrict-transport-security: ") == 1 and b"max-age=0" in prefix
    assert completed.getlist(name) == ["max-age=0"]


def test_a_handlers_headers_are_not_changed() -> None:
    headers = HTTPHeaders([("X", "1")])
    completed = preamble("https").complete(headers)
    assert completed is not None
    assert list(completed) == [("X", "1"), ("Strict-Transport-Security", "max-age=60")]
    assert list(headers) == [("X", "1")]
