"""Heads: every row of the table of bad input that the head decides, and what good heads say."""

from __future__ import annotations

import time

import pytest

from webpy.protocol import (
    REASONS,
    Head,
    Limits,
    ProtocolError,
    find_head,
    parse_fields,
    parse_head,
)

from .bad_input import ACCEPTED, BAD, Accepted, Bad
from .driver import FACTS, converse

LIMITS = Limits()


def head_of(raw: bytes, limits: Limits = LIMITS) -> Head:
    end = find_head(raw, limits)
    assert end > 0
    return parse_head(raw[:end], limits)


def refusal(raw: bytes, limits: Limits = LIMITS) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        parse_head(raw, limits)
    return caught.value


def bytewise(raw: bytes) -> list[bytes]:
    return [raw[index : index + 1] for index in range(len(raw))]


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_bad_input_is_refused_where_and_as_the_table_says(bad: Bad) -> None:
    requests, refused = converse([bad.raw], LIMITS, end=bad.where == "end")
    assert refused is not None
    assert requests == []
    assert refused.where == bad.where
    assert refused.status == bad.status
    assert refused.status in REASONS
    assert refused.text.isascii() and refused.text.isprintable() and 5 < len(refused.text) < 500


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_bad_input_is_refused_the_same_byte_by_byte(bad: Bad) -> None:
    step = 1 if len(bad.raw) < 10_000 else 511
    pieces = [bad.raw[index : index + step] for index in range(0, len(bad.raw), step)]
    requests, refused = converse(pieces, LIMITS, end=bad.where == "end")
    assert refused is not None
    assert (requests, refused.status) == ([], bad.status)


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.where == "end"], ids=lambda bad: bad.name)
def test_a_body_cut_short_is_only_refused_at_its_end(bad: Bad) -> None:
    assert converse([bad.raw], LIMITS) == ([], None)


def test_names_in_the_table_are_unique() -> None:
    for rows in (BAD, ACCEPTED):
        names = [row.name for row in rows]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("accepted", ACCEPTED, ids=[accepted.name for accepted in ACCEPTED])
@pytest.mark.parametrize("how", ["whole", "byte by byte"])
def test_accepted_input(accepted: Accepted, how: str) -> None:
    pieces = [accepted.raw] if how == "whole" else bytewise(accepted.raw)
    requests, refused = converse(pieces, LIMITS, end=True)
    assert refused is None
    got = []
    for request in requests:
        said = dict(zip(FACTS, request.head, strict=True))
        got.append((said["method"], said["resource"], said["host"], request.body, said["keep_alive"]))
    assert got == list(accepted.requests)


def test_what_a_head_says() -> None:
    head = head_of(
        b"PUT /a?b=c HTTP/1.1\r\nHost: a.example:80\r\nX-One:  1 \r\nx-one: 2\r\nContent-Length: 12\r\n"
        b"Expect: 100-Continue\r\nCookie: \xe9\r\n\r\n"
    )
    assert (head.method, head.target, head.resource, head.minor) == ("PUT", "/a?b=c", "/a?b=c", 1)
    assert head.host == "a.example:80"
    assert head.fields == (
        ("Host", "a.example:80"),
        ("X-One", "1"),
        ("x-one", "2"),
        ("Content-Length", "12"),
        ("Expect", "100-Continue"),
        ("Cookie", "\xe9"),
    )
    assert (head.content_length, head.chunked, head.keep_alive, head.expect_continue) == (12, False, True, True)
    assert head.line == b"PUT /a?b=c HTTP/1.1"
    assert head.get("x-one") == "1" and head.getlist("x-one") == ["1", "2"]
    assert head.get("none") is None and head.getlist("none") == []
    assert "PUT /a?b=c" in repr(head)


def test_no_content_length_is_none() -> None:
    head = head_of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert head.content_length is None and not head.chunked and not head.expect_continue


@pytest.mark.parametrize(
    ("fields", "waits"),
    [
        (b"Expect: 100-continue\r\n", False),
        (b"Expect: 100-continue\r\nContent-Length: 0\r\n", False),
        (b"Expect: 100-continue\r\nContent-Length: 1\r\n", True),
        (b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", True),
        (b"Expect: , 100-CONTINUE ,100-continue\r\nTransfer-Encoding: chunked\r\n", True),
        (b"Expect:\r\nContent-Length: 1\r\n", False),
    ],
)
def test_expect_continue_only_before_a_body(fields: bytes, waits: bool) -> None:
    assert head_of(b"PUT / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n").expect_continue is waits


def test_expect_is_ignored_in_http_1_0() -> None:
    assert not head_of(b"PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n").expect_continue


def test_find_head_gives_the_end_or_minus_one() -> None:
    raw = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for cut in range(len(raw)):
        assert find_head(raw[:cut], LIMITS) == -1
        assert find_head(raw[:cut], LIMITS, max(cut - 1, 0)) == -1
    for start in range(len(raw)):
        assert find_head(raw + b"more\r\n\r\n", LIMITS, start) == len(raw)
    assert find_head(bytearray(raw), LIMITS) == len(raw)
    assert find_head(b"\r\n" + raw, LIMITS) == len(raw) + 2


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16", 400),
        (b"\x00", 400),
        (b"\n", 400),
        (b"GET / HTTP/1.1\n", 400),
        (b"GET / HTTP/1.1x\n", 400),
        (b"GET /\r\n", 400),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"CONNECT a:80 HTTP/1.1\r\n", 501),
        (b"GET * HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1\r\nX : y\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: y\n", 400),
        (b"GET / HTTP/1.1\r\n X: y\r\n", 400),
        (b"G" * 8193, 501),
        (b"G" * 8192 + b"\r", None),
        (b"G" * 8192 + b"\rG", 501),
    ],
)
def test_refused_before_the_head_is_whole(raw: bytes, status: int | None) -> None:
    for start in {0, len(raw) - 1}:
        if status is None:
            assert find_head(raw, LIMITS, start) == -1
        else:
            with pytest.raises(ProtocolError) as caught:
                find_head(raw, LIMITS, start)
            assert caught.value.status == status


def test_the_first_fault_counts_however_the_bytes_come() -> None:
    limits = Limits(line_bytes=64, head_bytes=256, fields=3)
    line = b"GET / HTTP/1.1\r\n"
    many = b"X: y\r\n" * 4
    rows = {
        line + many + b"bad\r\n\r\n": 431,
        line + b"bad\r\n" + many + b"\r\n": 400,
        b"GET / HTTP/2.0\r\nContent-Length: x\r\n\r\n": 505,
        b"GET / HTTP/2.0\r\nbad\r\n\r\n": 505,
        b"GET /\x80" + b"a" * 99 + b"\r\n\r\n": 400,
        b"GET /" + b"a" * 99 + b"\x80\r\n\r\n": 414,
        line + b"bad\r\n" + b"X: " + b"y" * 300 + b"\r\n\r\n": 400,
        line + b"X: " + b"y" * 300 + b"\r\nbad\r\n\r\n": 431,
    }
    for raw, status in rows.items():
        for pieces in ([raw], bytewise(raw)):
            refused = converse(pieces, limits)[1]
            assert refused is not None and refused.status == status, raw


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nX",
        b"GET / HTTP/1.1\r\n\r\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n \r\n",
    ],
)
def test_parse_head_refuses_what_is_no_whole_head(block: bytes) -> None:
    assert refusal(block).status == 400


def test_parse_head_checks_the_limits_itself() -> None:
    assert refusal(b"GET /aaaa HTTP/1.1\r\nHost: a\r\n\r\n", Limits(line_bytes=17)).status == 414
    assert parse_head(b"GET /aaaa HTTP/1.1\r\nHost: a\r\n\r\n", Limits(line_bytes=18)).resource == "/aaaa"
    assert refusal(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Limits(head_bytes=26)).status == 431
    assert refusal(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", Limits(fields=1)).status == 431


def test_parse_fields_stands_alone() -> None:
    fields = parse_fields(b"Host: a\r\nConnection: Close\r\n\r\n", LIMITS)
    assert (fields.host, fields.close, fields.persist, fields.chunked) == ("a", True, False, False)
    assert parse_fields(b"\r\n", LIMITS).lines == []
    for bad in (b"", b"X: y", b"X: y\r\n", b"\r\nX: y\r\n", b"X: y\r\n\r\n\r\n", b"X: y\r\n\r"):
        with pytest.raises(ProtocolError):
            parse_fields(bad, LIMITS)


def test_only_spaces_and_tabs_are_stripped() -> None:
    head = head_of(b"GET / HTTP/1.1\r\nHost: a\r\nX: \t \xa0a\t b\x85 \t\r\n\r\n")
    assert head.get("x") == "\xa0a\t b\x85"


def test_messages_show_bytes_escaped_and_short() -> None:
    error = refusal(b"GET / HTTP/1.1\r\nHost: <script>" + b"\xe9" * 5000 + b"\r\n\r\n")
    assert len(str(error)) < 400
    assert str(error).isascii()
    assert error.reason == "Bad Request"


HOSTILE = {
    "name without a colon": b"a" * 32000 + b"\r\n\r\n",
    "spaces, then a control": b"X:" + b" " * 32000 + b"\x00\r\n\r\n",
    "spaces, then a bare line feed": b"X:" + b" " * 32000 + b"\n\r\n\r\n",
    "tabs and spaces": b"X:" + b" \t" * 16000 + b"\r\r\n\r\n",
    "words and a control": b"X: " + b"a " * 16000 + b"\x00\r\n\r\n",
    "colons": b":" * 32000 + b"\r\n\r\n",
    "carriage returns": b"X: " + b"\r" * 32000 + b"\r\n\r\n",
    "short lines": b"a\r\n" * 10000 + b"\r\n",
    "bare line feeds": b"X: y" + b"\n" * 32000 + b"\r\n\r\n",
    "percent signs in Host": b"Host: " + b"%2" * 16000 + b"\r\n\r\n",
    "brackets in Host": b"Host: [" + b":" * 32000 + b"\r\n\r\n",
    "commas": b"Connection: " + b"," * 32000 + b"\r\n\r\n",
    "Expect of commas": b"Host: a\r\nExpect: " + b"a," * 15000 + b"\r\n\r\n",
    "length of digits": b"Content-Length: " + b"9" * 32000 + b"\r\n\r\n",
    "letters": b"x" * 32000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_heads_take_linear_time(name: str) -> None:
    """32 KB take some 50 us; with a quadratic step in the way it would be 200 ms and more."""
    raw = b"GET / HTTP/1.1\r\n" + HOSTILE[name]
    times = []
    for _ in range(3):
        began = time.thread_time()
        converse([raw], LIMITS)
        times.append(time.thread_time() - began)
    assert min(times) < 0.03


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_heads_that_come_slowly_take_linear_time(name: str) -> None:
    """Each byte may cost a copy of what is held, not another look at it."""
    buffer = bytearray(b"GET / HTTP/1.1\r\n")
    began = time.thread_time()
    try:
        for byte in HOSTILE[name]:
            buffer.append(byte)
            if find_head(buffer, LIMITS, len(buffer) - 1) > 0:
                break
    except ProtocolError:
        pass
    assert time.thread_time() - began < 1.5
