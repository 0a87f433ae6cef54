"""From a handler's result to the bytes of its answer: framing, HEAD, files, iterables, and what cannot be sent."""

from __future__ import annotations

import array
import gzip
import http
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.heads import head_of
from webpy import HTTPHeaders
from webpy.framework.answer import SMALL_BYTES, STREAMS, Answer, BadResult, FileRange, close_body, read_small
from webpy.worker.http1.serializer import render

DATE = "Fri, 20 Nov 2026 12:00:00 GMT"
DATA = bytes(range(256)) * 400  # longer than one read


def made(
    result: Any,
    *fields: tuple[str, str],
    method: str = "GET",
    version: str = "HTTP/1.1",
    ask: tuple[str, ...] = (),
    closing: bool = False,
) -> Answer:
    headers = HTTPHeaders(fields) if fields else None
    return render(head_of(method, "/", *ask, version=version), headers, result, DATE, closing)


def fields_of(answer: Answer) -> list[tuple[str, str]]:
    lines = answer.head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")[1:]
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]


def field(answer: Answer, name: str) -> str | None:
    found = [value for got, value in fields_of(answer) if got.lower() == name.lower()]
    assert len(found) < 2, found
    return found[0] if found else None


def body_of(answer: Answer) -> bytes:
    """What would go on the wire behind the head."""
    body = answer.payload
    if answer.file is not None:
        body += os.pread(answer.file.fd, answer.file.count, answer.file.offset)
    if answer.source is not None:
        body += b"".join(answer.source)
    return body


class Closable:
    """An iterable body that counts its closings."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = pieces
        self.closed = 0
        self.begun = False

    def __iter__(self) -> Iterator[Any]:
        self.begun = True
        return iter(self.pieces)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def file(tmp_path: Path) -> Iterator[io.BufferedReader]:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    with path.open("rb") as stream:
        yield stream


# -- plain bodies -----------------------------------------------------------------------------------------------------


def test_a_whole_head() -> None:
    answer = made((200, "ä"), ("X-One", "1"), ("x-one", "2"))
    assert answer.head == (
        f"HTTP/1.1 200 OK\r\nServer: webpy\r\nDate: {DATE}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "X-Content-Type-Options: nosniff\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 2\r\n\r\n"
    ).encode()
    assert (answer.payload, answer.status, answer.close) == ("ä".encode(), 200, False)


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("text", b"text"),
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"xviewx")[1:-1], b"view"),
        (memoryview(b"a.b.c")[::2], b"abc"),
        (memoryview(array.array("H", [1, 2])), array.array("H", [1, 2]).tobytes()),
        (None, b""),
        ("", b""),
    ],
    ids=repr,
)
def test_the_length_is_that_of_the_body(body: Any, sent: bytes) -> None:
    answer = made((200, body), ("Content-Length", "999"))
    assert (body_of(answer), field(answer, "Content-Length")) == (sent, str(len(sent)))


def test_a_stream_in_memory_is_sent_from_where_it_stands() -> None:
    stream = io.BytesIO(b"0123456789")
    stream.seek(3)
    assert body_of(made((200, stream), ("Content-Length", "4"))) == b"3456"
    answer = made((200, stream))
    assert (answer.payload, field(answer, "Content-Length")) == (b"789", "3")


@pytest.mark.parametrize(
    "body", ["x", "", b"x", b"", bytearray(b"x"), memoryview(b"x"), [b"x"], io.BytesIO(b"x")], ids=repr
)
def test_a_body_without_a_type_is_text_or_bytes_and_nothing_else(body: Any) -> None:
    wanted = "text/plain; charset=utf-8" if isinstance(body, str) else "application/octet-stream"
    for status, *fields in ((200,), (404, ("X-One", "1"))):
        answer = made((status, body), *fields)
        assert (field(answer, "Content-Type"), field(answer, "X-Content-Type-Options")) == (wanted, "nosniff")


def test_a_type_of_the_handlers_own_stays_alone() -> None:
    for body in ("x", b"x"):
        answer = made((200, body), ("content-type", "text/html"))
        assert (field(answer, "Content-Type"), field(answer, "X-Content-Type-Options")) == ("text/html", None)
    assert made((200, "x"), ("X-Content-Type-Options", "nosniff")).head.count(b"nosniff") == 1


def test_an_empty_type_is_sent_as_none() -> None:
    answer = made((200, b"x"), ("Content-Type", ""))
    assert (field(answer, "Content-Type"), field(answer, "X-Content-Type-Options")) == (None, None)


@pytest.mark.parametrize("result", [(200, None), (204, ""), (204, b""), (304, b"")])
def test_no_body_has_no_type(result: tuple[int, Any]) -> None:
    assert field(made(result), "Content-Type") is None and field(made(result), "X-Content-Type-Options") is None


def test_the_reason_phrase() -> None:
    assert made((200, "Fine", None)).head.startswith(b"HTTP/1.1 200 Fine\r\n")
    assert made((404, None, None)).head.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert made((299, None)).head.startswith(b"HTTP/1.1 299 \r\n")
    assert made([http.HTTPStatus.CREATED, None]).head.startswith(b"HTTP/1.1 201 Created\r\n")
    assert type(made((http.HTTPStatus.CREATED, None)).status) is int


def test_server_and_date_may_be_the_handlers() -> None:
    answer = made((200, None), ("Server", "mine"), ("date", "some day"))
    assert (field(answer, "Server"), field(answer, "Date")) == ("mine", "some day")


# -- what a message must not say --------------------------------------------------------------------------------------


def test_the_framing_is_not_the_handlers() -> None:
    answer = made((200, b"abc"), ("Transfer-Encoding", "chunked"), ("Content-Length", "1"), ("Content-Length", "2"))
    assert (field(answer, "Transfer-Encoding"), field(answer, "Content-Length")) == (None, "3")


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("body", ["text", DATA, [b"pieces"]])
def test_a_status_without_a_body_sends_none(status: int, body: Any) -> None:
    answer = made((status, body))
    assert body_of(answer) == b""
    assert field(answer, "Transfer-Encoding") is None
    assert field(answer, "Content-Length") == {204: None, 205: "0"}.get(status, field(answer, "Content-Length"))


def test_304_says_the_length_only_if_the_handler_knows_it() -> None:
    assert field(made((304, None)), "Content-Length") is None
    assert field(made((304, "")), "Content-Length") is None
    assert field(made((304, None), ("Content-Length", "17")), "Content-Length") == "17"


@pytest.mark.parametrize(
    "fields",
    [
        [("X", "a\r\nY: b")],
        [("X", "a\nb")],
        [("X", "a\0")],
        [("X Y", "a")],
        [("X:", "a")],
        [("", "a")],
        [("X", "\N{SNOWMAN}")],
        [("Server", "a\r\nb")],
    ],
)
def test_fields_that_would_break_the_message_are_refused(fields: list[tuple[str, str]]) -> None:
    body = Closable()
    with pytest.raises(ValueError, match="wanted"):
        made((200, body), *fields)
    assert body.closed == 1


def test_a_reason_cannot_break_it_either() -> None:
    with pytest.raises(ValueError, match="wanted no control characters"):
        made((200, "OK\r\nX: y", None))


# -- connections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "ask", "said", "closing", "close", "field_sent"),
    [
        ("HTTP/1.1", (), (), False, False, None),
        ("HTTP/1.1", (), (), True, True, "close"),
        ("HTTP/1.1", ("Connection: close",), (), False, True, "close"),
        ("HTTP/1.1", (), (("Connection", "x, Close"),), False, True, "close"),
        ("HTTP/1.1", (), (("Connection", "enclosed"),), False, False, None),
        ("HTTP/1.0", (), (), False, True, "close"),
        ("HTTP/1.0", ("Connection: keep-alive",), (), False, False, "keep-alive"),
        ("HTTP/1.0", ("Connection: keep-alive",), (), True, True, "close"),
    ],
)
def test_when_the_connection_ends(
    version: str, ask: tuple[str, ...], said: Any, closing: bool, close: bool, field_sent: str | None
) -> None:
    answer = made((200, "x"), *said, version=version, ask=ask, closing=closing)
    assert (answer.close, field(answer, "Connection")) == (close, field_sent)


# -- HEAD -------------------------------------------------------------------------------------------------------------


def test_head_says_what_get_would_and_sends_nothing(file: io.BufferedReader) -> None:
    for body, length in (("text", "4"), (b"", "0"), (None, "0"), (file, str(len(DATA))), (io.BytesIO(b"ab"), "2")):
        answer = made((200, body), method="HEAD")
        assert (body_of(answer), field(answer, "Content-Length")) == (b"", length)
        assert answer.file is None


def test_head_of_an_iterable_does_not_begin_it_and_closes_it() -> None:
    body = Closable(b"x")
    answer = made((200, body), method="HEAD")
    assert (answer.source, field(answer, "Content-Length"), field(answer, "Transfer-Encoding")) == (None, None, None)
    close_body(answer)
    assert (body.begun, body.closed) == (False, 1)
    assert field(made((200, [b"x"]), ("Content-Length", "9"), method="HEAD"), "Content-Length") == "9"


def test_a_head_of_its_own_states_the_length() -> None:
    assert field(made((200, None), ("Content-Length", "12345"), method="HEAD"), "Content-Length") == "12345"


# -- streams ----------------------------------------------------------------------------------------------------------


def test_a_file_goes_out_by_its_descriptor_from_where_it_stands(file: io.BufferedReader) -> None:
    file.read(10)
    answer = made((200, file))
    assert answer.file is not None
    assert (answer.file.offset, answer.file.count, answer.payload) == (10, len(DATA) - 10, b"")
    assert field(answer, "Content-Length") == str(len(DATA) - 10)
    assert answer.owner is file


def test_content_length_bounds_a_file(file: io.BufferedReader) -> None:
    file.seek(100)
    answer = made((206, file), ("Content-Length", "50"))
    assert (body_of(answer), field(answer, "Content-Length")) == (DATA[100:150], "50")


def test_a_file_past_its_end_is_empty(file: io.BufferedReader) -> None:
    file.seek(10, os.SEEK_END)
    assert field(made((200, file)), "Content-Length") == "0"


@pytest.mark.parametrize("make", [tempfile.TemporaryFile, tempfile.NamedTemporaryFile])
def test_a_temporary_file_is_a_file(make: Any) -> None:
    with make() as stream:
        stream.write(b"0123456789")
        assert body_of(made((200, stream))) == b""
        stream.seek(0)
        stream.write(b"abc")  # and not flushed
        answer = made((200, stream))
        assert answer.file is not None
        assert body_of(answer) == b"3456789"


def test_a_compressed_file_is_not_sent_by_its_descriptor(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.gz", "wb") as out:
        out.write(b"text" * 50_000)
    with gzip.open(tmp_path / "a.gz") as stream:
        answer = made((200, stream), ("Content-Length", "200000"))
        assert answer.file is None
        assert body_of(answer) == b"text" * 50_000


def test_a_stream_of_unknown_length_is_chunked() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as stream, open(writer, "wb") as out:
        out.write(b"abc")
        out.close()
        answer = made((200, stream))
        assert field(answer, "Transfer-Encoding") == "chunked"
        assert body_of(answer) == b"3\r\nabc\r\n0\r\n\r\n"


class Reader:
    """A stream of the application's own."""

    def __init__(self, *reads: Any) -> None:
        self.reads = list(reads)

    def read(self, size: int) -> Any:
        assert size > 0
        piece = self.reads.pop(0) if self.reads else b""
        return piece[:size] if isinstance(piece, bytes) else piece


def test_a_stream_is_read_no_further_than_its_content_length() -> None:
    stream = Reader(b"abc", b"defg", b"more")
    assert body_of(made((200, stream), ("Content-Length", "5"))) == b"abcde"
    assert stream.reads == [b"more"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_shorter_than_its_content_length(file: io.BufferedReader, method: str) -> None:
    for body in (file, io.BytesIO(DATA)):
        message = f"Content-Length to {len(DATA) + 1} and returned a stream of {len(DATA)} bytes"
        with pytest.raises(BadResult, match=message):
            made((200, body), ("Content-Length", str(len(DATA) + 1)), method=method)


def test_a_stream_that_ends_early_is_noticed() -> None:
    with pytest.raises(BadResult, match="3 bytes shorter than its Content-Length of 5"):
        body_of(made((200, Reader(b"ab")), ("Content-Length", "5")))


@pytest.mark.parametrize("piece", ["text", None, 5])
def test_a_stream_that_reads_no_bytes_is_named(piece: Any) -> None:
    with pytest.raises(BadResult, match=f"a stream read {piece!r}, wanted bytes"):
        body_of(made((200, Reader(b"x", piece))))


def test_a_text_stream_is_refused_and_closed(tmp_path: Path) -> None:
    stream = (tmp_path / "a").open("w+")
    with pytest.raises(BadResult, match="the text stream <.*, wanted one opened in binary mode"):
        made((200, stream))
    assert stream.closed


# -- iterables --------------------------------------------------------------------------------------------------------


def test_an_iterable_is_chunked_without_its_empty_pieces() -> None:
    answer = made((200, [b"abc", b"", bytearray(b"d"), memoryview(b"ef")]))
    assert field(answer, "Transfer-Encoding") == "chunked"
    assert body_of(answer) == b"3\r\nabc\r\n1\r\nd\r\n2\r\nef\r\n0\r\n\r\n"


def test_an_iterable_to_http_1_0_ends_with_the_connection() -> None:
    answer = made((200, iter([b"ab", b"c"])), version="HTTP/1.0", ask=("Connection: keep-alive",))
    assert (field(answer, "Transfer-Encoding"), field(answer, "Content-Length")) == (None, None)
    assert (answer.close, field(answer, "Connection"), body_of(answer)) == (True, "close", b"abc")


def test_an_iterable_of_the_length_it_states() -> None:
    answer = made((200, [b"ab", b"c"]), ("Content-Length", "3"))
    assert (field(answer, "Transfer-Encoding"), field(answer, "Content-Length")) == (None, "3")
    assert body_of(answer) == b"abc"


@pytest.mark.parametrize(
    ("length", "message"),
    [(2, "longer than its Content-Length of 2"), (4, "1 bytes shorter than its Content-Length of 4")],
)
def test_an_iterable_of_another_length_breaks_off(length: int, message: str) -> None:
    source = made((200, [b"ab", b"c"]), ("Content-Length", str(length))).source
    assert source is not None
    assert next(source) == b"ab"
    with pytest.raises(BadResult, match=message):
        list(source)


def test_an_iterable_of_text_is_named() -> None:
    with pytest.raises(BadResult, match="an iterable body gave 'text', wanted bytes"):
        body_of(made((200, ["text"])))


def test_an_iterable_is_pulled_piece_by_piece() -> None:
    pulled = []

    def body() -> Iterator[bytes]:
        for number in range(3):
            pulled.append(number)
            yield b"x"

    source = made((200, body())).source
    assert source is not None and not pulled
    next(source)
    assert pulled == [0]


# -- closing the body -------------------------------------------------------------------------------------------------


def test_a_body_is_closed_once() -> None:
    body = Closable(b"x")
    answer = made((200, body))
    body_of(answer)
    assert body.closed == 0
    close_body(answer)
    close_body(answer)
    assert (body.closed, answer.source) == (1, None)


def test_a_generator_that_is_not_pulled_to_its_end_is_closed() -> None:
    ended = []

    def body() -> Iterator[bytes]:
        try:
            yield b"x"
            yield b"y"
        finally:
            ended.append(True)

    answer = made((200, body()))
    assert answer.source is not None
    next(answer.source)
    close_body(answer)
    assert ended


@pytest.mark.parametrize("status", [99, 199, 600, "200", 200.0, None])
def test_a_bad_status_is_named_and_the_body_closed(status: Any) -> None:
    body = Closable()
    with pytest.raises(BadResult, match=f"returned status {status!r}, wanted a number from 200 to 599"):
        made((status, body))
    assert body.closed == 1


def test_an_error_in_closing_does_not_hide_what_was_wrong() -> None:
    class Sticky(Closable):
        def close(self) -> None:
            raise RuntimeError("cannot close")

    with pytest.raises(BadResult, match="status 0"):
        made((0, Sticky()))


# -- results that are none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "returned None, wanted .status, body. or .status, reason, body."),
        ("ok", "returned 'ok', wanted"),
        (200, "returned 200, wanted"),
        ((200,), r"returned \(200,\), wanted"),
        ((200, "OK", "x", "y"), "wanted"),
        ({200: "x", 1: 2}, r"returned \{200: 'x', 1: 2\}, wanted"),
        ((200, 5, "x"), "returned reason 5, wanted a str or None"),
        ((200, b"OK", "x"), "returned reason b'OK', wanted"),
        ((200, 5), "returned body 5, wanted str, bytes, None, a binary stream or an iterable"),
        ((200, {"a": 1}), r"returned body \{'a': 1\}, wanted str"),
        ((200, object), "returned body <class 'object'>, wanted"),
    ],
)
def test_what_is_no_result_is_named(result: Any, message: str) -> None:
    with pytest.raises(BadResult, match=message):
        made(result)


def test_a_generator_is_no_result_and_is_not_run() -> None:
    def handler() -> Iterator[Any]:
        raise AssertionError("ran")
        yield 200

    with pytest.raises(BadResult, match="returned <generator object"):
        made(handler())


def test_a_long_value_is_named_in_short() -> None:
    with pytest.raises(BadResult) as caught:
        made("x" * 10_000)
    assert len(str(caught.value)) < 250


def test_text_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        made((200, "\udc80"))


@pytest.mark.parametrize("value", ["", "-1", "+1", "1.5", "ten", "1, 1", "٣"])
def test_a_bad_content_length_is_named(value: str) -> None:
    with pytest.raises(BadResult, match="set Content-Length to .*, wanted a number of bytes"):
        made((200, [b"x"]), ("Content-Length", value))


def test_headers_of_another_kind_are_named() -> None:
    headers: Any = {"X": "1"}
    with pytest.raises(BadResult, match=r"set response.headers to \{'X': '1'\}, wanted HTTPHeaders"):
        render(head_of(), headers, (200, None), DATE, False)


def test_a_large_body_is_not_copied() -> None:
    body = b"x" * 1_000_000
    assert made((200, body)).payload is body


def test_small_streams_are_read_from_where_they_stand_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(DATA[:SMALL_BYTES])
    for stream in (open(path, "rb", buffering=0), open(path, "rb"), io.BytesIO(DATA[:SMALL_BYTES])):
        assert type(stream) in STREAMS
        assert stream.read(10) == DATA[:10]
        assert read_small(stream) == DATA[10:SMALL_BYTES]
        assert stream.closed
    with open(path, "rb") as stream:
        stream.seek(0, os.SEEK_END)
        assert read_small(stream) == b""


def test_other_streams_are_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(DATA[: SMALL_BYTES + 1])
    reading, writing = os.pipe()
    with (
        open(path, "rb", buffering=0) as raw,
        open(path, "rb") as buffered,
        gzip.open(path, "rb") as packed,
        open(reading, "rb") as pipe,
        open(writing, "wb"),
    ):
        for stream in (io.BytesIO(DATA), io.BufferedReader(packed), pipe):  # type: ignore[type-var]
            assert read_small(stream) is None
            assert not stream.closed
        for file in (raw, buffered):
            found = read_small(file)
            assert isinstance(found, FileRange)
            assert (found.stream, found.fd, found.offset, found.count) == (file, file.fileno(), 0, SMALL_BYTES + 1)
            assert not file.closed
            assert file.tell() == 0


def test_a_file_that_shrinks_while_it_is_read_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"12345")
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, count, offset: pread(fd, count - 1, offset))
    with open(path, "rb") as stream:
        found = read_small(stream)
        assert isinstance(found, FileRange)
        assert found.stream is stream
        assert not stream.closed


@pytest.mark.parametrize("asked", ["GET", "HEAD"])
def test_a_file_that_was_looked_up_is_answered_as_its_stream_would_be(tmp_path: Path, asked: str) -> None:
    path = tmp_path / "long"
    path.write_bytes(DATA[: SMALL_BYTES + 1])
    heads = []
    for looked_up in (False, True):
        stream = open(path, "rb", buffering=0)
        body = read_small(stream) if looked_up else stream
        answer = render(head_of(asked), None, (200, body), DATE, False)
        assert (answer.file is None) == (asked == "HEAD")
        if answer.file is not None:
            assert (answer.file.fd, answer.file.offset, answer.file.count) == (stream.fileno(), 0, SMALL_BYTES + 1)
        heads.append(answer.head)
        close_body(answer)
        assert stream.closed
    assert heads[0] == heads[1]
