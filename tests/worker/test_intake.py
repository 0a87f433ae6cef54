"""Bodies on their way in: whole ones in memory or in a file, and streams that are read while they arrive."""

from __future__ import annotations

import gc
import io
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.heads import FakePeer, head_of
from webpy import HTTPError, HTTPHandler
from webpy.framework.request import Request
from webpy.protocol import Limits, ProtocolError
from webpy.worker.exchanges import intake as module
from webpy.worker.exchanges.intake import Intake, Stream

WAIT_S = 10.0
LIMITS = Limits(body_bytes=1 << 20)


class Post(HTTPHandler):
    def do_post(self) -> Any:
        return 200, None


def intake(*fields: str, limits: Limits = LIMITS) -> Intake:
    return Intake(Request(FakePeer(), head_of("POST", "/", *fields)), limits)


# -- whole bodies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, 100])
def test_a_body_is_put_together_whatever_its_pieces(step: int) -> None:
    body = bytes(range(100))
    taken = intake("Content-Length: 100")
    for start in range(0, 100, step):
        assert not taken.complete
        taken.feed(body[start : start + step])
    assert taken.complete
    assert (taken.request.body, taken.request.rfile.read(), taken.request.raw_body) == (body, body, body)


def test_what_follows_a_body_is_not_of_it() -> None:
    taken = intake("Content-Length: 3")
    taken.feed(b"abcGET / HTTP")
    assert (taken.complete, taken.request.body, bytes(taken.reader.excess)) == (True, b"abc", b"GET / HTTP")


def test_chunks_are_decoded_and_trailers_kept_apart() -> None:
    taken = intake("Transfer-Encoding: chunked")
    for byte in b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nX-Sum: 5\r\n\r\n":
        taken.feed(bytes([byte]))
    request = taken.request
    assert (request.body, request.trailers, "X-Sum" in request.headers) == (b"abcd", (("X-Sum", "5"),), False)


def test_a_large_body_goes_to_a_file_and_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MEMORY_BYTES", 10)
    taken = intake("Content-Length: 100")
    for start in range(0, 100, 5):
        taken.feed(bytes(range(start, start + 5)))
        assert sum(map(len, taken._pieces)) <= 10
    request = taken.request
    try:
        assert not isinstance(request.rfile, io.BytesIO)
        assert request.body == bytes(range(100))
        assert request.rfile.read() == bytes(range(100))
        assert request.raw_body == b""
    finally:
        request.rfile.close()


def test_too_large_a_body_is_refused_on_its_head() -> None:
    with pytest.raises(ProtocolError, match="a body of 11 bytes, over 10") as caught:
        intake("Content-Length: 11", limits=Limits(body_bytes=10))
    assert caught.value.status == 413


def test_too_many_chunks_are_refused_as_they_come() -> None:
    taken = intake("Transfer-Encoding: chunked", limits=Limits(body_bytes=10))
    taken.feed(b"a\r\n0123456789\r\n")
    with pytest.raises(ProtocolError) as caught:
        taken.feed(b"1\r\n")
    assert caught.value.status == 413
    assert not taken.complete


def test_a_disk_that_takes_no_more_is_a_503_and_not_the_end_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_MEMORY_BYTES", 10)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    taken = intake("Content-Length: 20")
    taken.feed(b"x" * 10)
    with pytest.raises(ProtocolError, match="cannot be stored") as caught:
        taken.feed(b"x" * 10)
    assert caught.value.status == 503
    assert isinstance(caught.value.__cause__, OSError)


def test_a_body_given_up_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MEMORY_BYTES", 10)
    taken = intake("Content-Length: 100")
    taken.feed(b"x" * 50)
    assert taken._file is not None
    taken.abandon()
    assert taken._file.closed
    assert (taken.request.body, taken.complete) == (b"", False)


# -- streams ----------------------------------------------------------------------------------------------------------


class Reader:
    """Reads a stream on a thread of its own, as a handler does."""

    def __init__(self, read: Callable[[], Any]) -> None:
        self.result: Any = None
        self._read = read
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._read()
        except Exception as error:
            self.result = error

    def get(self) -> Any:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        return self.result


def streaming(*fields: str) -> tuple[Intake, Stream, list[None]]:
    taken = intake(*fields)
    asked: list[None] = []
    taken.stream = Stream(lambda: asked.append(None))
    taken.request.read_from(io.BufferedReader(taken.stream))
    return taken, taken.stream, asked


def test_a_stream_is_read_while_it_arrives() -> None:
    taken, _, _ = streaming("Content-Length: 6")
    reader = Reader(lambda: taken.request.rfile.read(3))
    taken.feed(b"ab")
    taken.feed(b"cd")
    assert reader.get() == b"abc"
    taken.feed(b"ef")
    assert taken.complete
    assert Reader(taken.request.rfile.read).get() == b"def"
    assert Reader(taken.request.rfile.read).get() == b""


def test_a_streams_trailers_are_there_at_its_end() -> None:
    taken, _, _ = streaming("Transfer-Encoding: chunked")
    reader = Reader(lambda: taken.request.body)
    taken.feed(b"3\r\nabc\r\n0\r\nX: y\r\n\r\n")
    assert reader.get() == b"abc"
    assert taken.request.trailers == (("X", "y"),)


@pytest.mark.parametrize("error", [None, ProtocolError(413, "a body of more than 10 bytes")])
def test_a_stream_that_breaks_off_is_never_taken_for_whole(error: ProtocolError | None) -> None:
    taken, _, _ = streaming("Content-Length: 6")
    reader = Reader(taken.request.rfile.read)
    taken.feed(b"abc")
    taken.abandon(error)
    broken = reader.get()
    assert isinstance(broken, HTTPError)
    assert isinstance(broken, ConnectionError)
    assert broken.status == (400 if error is None else 413)
    assert isinstance(Reader(taken.request.rfile.read).get(), ConnectionError)


def test_a_stream_that_is_whole_cannot_break_off_any_more() -> None:
    taken, _, _ = streaming("Content-Length: 3")
    taken.feed(b"abc")
    taken.abandon()  # such as a timeout while the handler still computes
    assert Reader(taken.request.rfile.read).get() == b"abc"


def test_a_client_that_is_faster_than_the_handler_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STREAM_BYTES", 10)
    stream_of = Stream(lambda: asked.append(None))
    asked: list[None] = []
    stream_of.put(b"x" * 10)
    assert not stream_of.hold()
    stream_of.put(b"x")
    assert stream_of.hold()
    buffer = bytearray(5)
    assert stream_of.readinto(buffer) == 5
    assert not asked  # six wait: not yet
    assert stream_of.readinto(buffer) == 5
    assert asked == [None]
    assert stream_of.readinto(buffer) == 1
    assert asked == [None]  # once


def test_a_stream_the_handler_has_closed_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STREAM_BYTES", 10)
    taken, stream_of, _ = streaming("Content-Length: 1000")
    taken.request.rfile.close()
    for _ in range(10):
        taken.feed(b"x" * 90)
    assert not stream_of.hold()  # the rest is taken in, so that the connection can go on
    assert not stream_of._pieces


# -- whole bodies that are received in place --------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """The large bodies of this test, by an id."""
    monkeypatch.setattr(module, "_large", {})
    return module._large


def place_all(taken: Intake, body: bytes, step: int) -> None:
    at = 0
    while not taken.complete:
        place = taken.place()
        assert place is not None
        count = min(len(place), step, len(body) - at)
        place[:count] = body[at : at + count]
        taken.placed(place, count)
        at += count
    assert at == len(body)


@pytest.mark.parametrize("step", [1000, 70_000, 1 << 20])
@pytest.mark.parametrize("fed", [0, 1, 65_536])
def test_a_body_in_memory_is_received_in_place(step: int, fed: int, large: dict[int, int]) -> None:
    for size in (module._MEMORY_BYTES, module._MEMORY_BYTES + 1, module._LARGE_BYTES):
        body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
        taken = intake(f"Content-Length: {size}", limits=Limits(body_bytes=1 << 24))
        if fed:
            taken.feed(body[:fed])
        assert not taken.complete
        place_all(taken, body[fed:], step)
        request = taken.request
        assert (request.raw_body == body, request.body == body, request.rfile.read() == body) == (True, True, True)
        assert (taken.received_bytes, large, taken.place()) == (size, {}, None)
        assert request.rfile.read(1) == b""


@pytest.mark.parametrize("fed", [0, 100, module._MEMORY_BYTES + 5])
def test_a_longer_one_goes_to_a_file(fed: int, large: dict[int, int]) -> None:
    body = bytes(range(256)) * (module._LARGE_BYTES // 256) + b"z"
    taken = intake(f"Content-Length: {len(body)}", limits=Limits(body_bytes=1 << 24))
    if fed:
        taken.feed(body[:fed])
    place_all(taken, body[fed:], 100_000)
    with taken.request.rfile as stored:
        assert taken.request.raw_body == b"" and stored.read() == body
    assert not large


def test_large_bodies_in_memory_are_bounded_together(large: dict[int, int]) -> None:
    size = module._LARGE_BYTES
    limits = Limits(body_bytes=1 << 24)
    many = [intake(f"Content-Length: {size}", limits=limits) for _ in range(module._MAX_LARGE_BYTES // size + 3)]
    for each in many:
        place = each.place()
        assert place is not None
        place[:1] = b"x"
        each.placed(place, 1)
    assert sum(large.values()) == module._MAX_LARGE_BYTES
    place_all(many[-1], b"y" * (size - 1), size)
    with many[-1].request.rfile as stored:
        assert many[-1].request.raw_body == b"" and stored.read() == b"x" + b"y" * (size - 1)
    for each in many[:-1]:
        each.abandon()
        each.abandon()
    assert not large
    intake(f"Content-Length: {size}", limits=limits).place()
    assert not large  # it has been dropped


def test_chunks_and_streams_are_not_received_in_place() -> None:
    assert intake("Transfer-Encoding: chunked").place() is None
    streamed = intake("Content-Length: 5")
    streamed.stream = Stream(lambda: None)
    assert streamed.place() is None


def test_a_body_in_place_that_cannot_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room() -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", no_room)
    size = module._LARGE_BYTES + 1
    taken = intake(f"Content-Length: {size}", limits=Limits(body_bytes=1 << 24))
    with pytest.raises(ProtocolError, match="cannot be stored") as caught:
        place_all(taken, bytes(size), size)
    assert caught.value.status == 503


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_a_body_that_is_dropped_while_it_arrives_complains_of_nothing(size: int) -> None:
    """The garbage collector finalizes a buffer before the views of it."""
    taken = intake(f"Content-Length: {size}")
    taken.feed(b"x")
    assert taken.place() is not None
    cycle: list[object] = [taken]
    cycle.append(cycle)
    ignored: list[object] = []
    before, sys.unraisablehook = sys.unraisablehook, ignored.append
    try:
        del taken, cycle
        gc.collect()
    finally:
        sys.unraisablehook = before
    assert not ignored
