"""Answers: heads that cannot be split, chunks, framing; and the table of reason phrases."""

from __future__ import annotations

import http

import pytest

from webpy.protocol import (
    LAST_CHUNK,
    REASONS,
    BodyReader,
    Framing,
    Limits,
    body_allowed,
    encode_chunk,
    encode_head,
    frame,
    parse_head,
    response,
)

CLOSE = ("Connection", "close")
KEEP = ("Connection", "keep-alive")


def test_a_head() -> None:
    assert (
        encode_head(200, None, [("Content-Type", "text/plain"), ("X", "\xe9\t "), ("X", "")])
        == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX: \xe9\t \r\nX: \r\n\r\n"
    )
    assert encode_head(404, "Nope, \xe9", ()) == b"HTTP/1.1 404 Nope, \xe9\r\n\r\n"
    assert encode_head(200, "", ()) == b"HTTP/1.1 200 \r\n\r\n"
    assert encode_head(599, None, ()) == b"HTTP/1.1 599 \r\n\r\n"
    assert encode_head(200, None, (), 0) == b"HTTP/1.0 200 OK\r\n\r\n"
    assert encode_head(100, None, ()) == b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\r\nX: y", "a\nb", "\x01", "\x7f", "\x0b"])
def test_controls_get_nowhere(bad: str) -> None:
    for good in ("", "x", "x" * 5000):
        for text in (bad, good + bad, bad + good):
            with pytest.raises(ValueError, match=r"control|token"):
                encode_head(200, None, [("X", text)])
            with pytest.raises(ValueError, match=r"control|token"):
                encode_head(200, None, [("X" + text, "y")])
            with pytest.raises(ValueError, match="control"):
                encode_head(200, text, ())


@pytest.mark.parametrize("name", ["", " ", "X ", "X:", " X", "a b", "X(", "\xe9", "Кот", '"X"'])
def test_names_are_tokens(name: str) -> None:
    for _ in range(2):  # a refused name is not remembered as a good one
        with pytest.raises(ValueError, match="token"):
            encode_head(200, None, [(name, "y")])


@pytest.mark.parametrize("text", ["кот", "\u010d\u010a", "\ud800", "\u560a\u560d"])
def test_beyond_latin_1_is_refused(text: str) -> None:
    """U+010D and U+010A would be CR and LF if their low bytes were sent."""
    with pytest.raises(ValueError, match="latin-1"):
        encode_head(200, None, [("X", text)])
    with pytest.raises(ValueError, match="latin-1"):
        encode_head(200, text, ())


@pytest.mark.parametrize("status", [-1, 0, 99, 1000])
def test_status_has_three_digits(status: int) -> None:
    with pytest.raises(ValueError, match=str(status)):
        encode_head(status, None, ())


def test_more_names_than_are_remembered() -> None:
    for number in range(2000):
        name = f"X-{number}"
        assert encode_head(200, None, [(name, "y")]).split(b"\r\n")[1] == f"{name}: y".encode()
    assert 0 < len(response._names) <= response._NAMES_KEPT


def test_chunks_are_read_back() -> None:
    head = parse_head(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Limits())
    pieces = [b"a", b"", b"\r\n", b"x" * 70_000]
    body = b"".join(map(encode_chunk, pieces))
    for last, trailers in ((LAST_CHUNK, ()), (b"0\r\nX: y\r\n\r\n", (("X", "y"),))):
        reader = BodyReader(head, Limits())
        assert reader.feed(body + last) == b"".join(pieces)
        assert reader.complete and reader.trailers == trailers and reader.excess == b""
    assert encode_chunk(b"") == b""


def test_body_allowed() -> None:
    for status in (100, 101, 103, 204, 205, 304):
        assert not body_allowed(status, "GET")
    for status in (200, 201, 206, 302, 400, 404, 500):
        assert body_allowed(status, "GET") and body_allowed(status, "POST")
        assert not body_allowed(status, "HEAD")


@pytest.mark.parametrize(
    ("status", "method", "minor", "keep_alive", "length", "framing", "fields", "kept"),
    [
        (200, "GET", 1, True, 5, Framing.LENGTH, [("Content-Length", "5")], True),
        (200, "GET", 1, True, 0, Framing.LENGTH, [("Content-Length", "0")], True),
        (200, "GET", 1, False, 5, Framing.LENGTH, [("Content-Length", "5"), CLOSE], False),
        (200, "GET", 1, True, None, Framing.CHUNKED, [("Transfer-Encoding", "chunked")], True),
        (200, "GET", 1, False, None, Framing.CHUNKED, [("Transfer-Encoding", "chunked"), CLOSE], False),
        (200, "GET", 0, True, 5, Framing.LENGTH, [("Content-Length", "5"), KEEP], True),
        (200, "GET", 0, False, 5, Framing.LENGTH, [("Content-Length", "5"), CLOSE], False),
        (200, "GET", 0, True, None, Framing.CLOSE, [CLOSE], False),
        (200, "GET", 0, False, None, Framing.CLOSE, [CLOSE], False),
        (200, "HEAD", 1, True, 5, Framing.NONE, [("Content-Length", "5")], True),
        (200, "HEAD", 1, True, None, Framing.NONE, [], True),
        (200, "HEAD", 0, True, None, Framing.NONE, [KEEP], True),
        (204, "GET", 1, True, 5, Framing.NONE, [], True),
        (204, "GET", 1, True, None, Framing.NONE, [], True),
        (205, "POST", 1, True, None, Framing.NONE, [("Content-Length", "0")], True),
        (304, "GET", 1, True, 5, Framing.NONE, [("Content-Length", "5")], True),
        (304, "GET", 1, False, None, Framing.NONE, [CLOSE], False),
        (404, "PUT", 1, True, 9, Framing.LENGTH, [("Content-Length", "9")], True),
    ],
)
def test_framing(
    status: int,
    method: str,
    minor: int,
    keep_alive: bool,
    length: int | None,
    framing: Framing,
    fields: list[tuple[str, str]],
    kept: bool,
) -> None:
    assert frame(status, method, minor, keep_alive, length) == (framing, tuple(fields), kept)


def test_reasons_cover_the_standard_library_and_what_is_refused_here() -> None:
    assert {status.value for status in http.HTTPStatus} <= set(REASONS)
    for status in (400, 408, 413, 414, 417, 431, 501, 505):
        assert REASONS[status]
    for status, reason in REASONS.items():
        assert 100 <= status <= 511
        assert reason.isascii() and reason.isprintable() and reason.strip() == reason
