"""Tests `Channel` alone: the answer of a handler between the thread that writes it and the one that sends it."""

from __future__ import annotations

import threading

import pytest

from webpy.stdlib.channel import Channel, NoAnswer
from webpy.stdlib.threads import Threads

HEAD = b"HTTP/1.0 200 OK\r\nX-One: 1\r\n"


def answer(*writes: bytes, method: str = "GET", failure: BaseException | None = None) -> tuple[Channel, bytes | None]:
    channel = Channel(method)
    for data in writes:
        channel.write(data)
    channel.end(failure)
    return channel, channel.wait()


def test_whole_answers() -> None:
    channel, body = answer(HEAD, b"\r\nbo", b"dy")
    assert (channel.status, channel.reason, body) == (200, None, b"body")
    assert list(channel.headers) == [("X-One", "1")]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_byte_by_byte(end: bytes) -> None:
    text = b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD.replace(b"\r\n", end) + b"Content-Length: 4" + end + end + b"body"
    channel, body = answer(*(text[at : at + 1] for at in range(len(text))))
    assert (channel.status, channel.headers["X-One"], body) == (200, "1", b"body")


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"HTTP/1.0 404 Not Found", 404, None),
        (b"HTTP/1.1 404 Gone fishing", 404, "Gone fishing"),
        (b"HTTP/1.1 299", 299, None),
        (b"HTTP/1.1 200 ", 200, ""),
    ],
)
def test_status_lines(line: bytes, status: int, reason: str | None) -> None:
    channel, _ = answer(line + b"\r\n\r\n")
    assert (channel.status, channel.reason) == (status, reason)


def test_an_answer_is_as_long_as_it_says() -> None:
    assert answer(HEAD, b"Content-Length: 4\r\n\r\n", b"body and more")[1] == b"body"
    chunks = b"Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"
    assert answer(HEAD, chunks, b"HTTP/1.1 400 what is this\r\n\r\n")[1] == b"body"
    for method, head in (("HEAD", HEAD), ("GET", b"HTTP/1.1 304 Not Modified\r\n"), ("GET", b"HTTP/1.1 204 No\r\n")):
        channel, body = answer(head, b"Content-Length: 4\r\n\r\n", b"bo", method=method)
        assert (body, channel.headers["Content-Length"]) == (b"", "4")


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        (b"", "wrote b'', wanted an HTTP answer"),
        (HEAD, "wanted an HTTP answer"),
        (HEAD + b"Content-Length: 5\r\n\r\nbody", "wrote 1 bytes less than its Content-Length"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", "did not write the last chunk"),
    ],
)
def test_less_than_an_answer(written: bytes, complaint: str) -> None:
    channel = Channel("GET")
    channel.write(written)
    channel.end()
    with pytest.raises(NoAnswer, match=complaint):
        channel.wait()


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        (b"hello\r\n\r\n", "wrote 'hello', wanted a status line"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "wanted a status line"),
        (HEAD + b"no field\r\n\r\n", "wrote 'no field', wanted a field"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", "chunks: "),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "switched protocols"),
        (b"x" * 65537, "no end of a head in 65536 bytes"),
    ],
)
def test_what_is_no_answer_is_refused_where_it_is_written(written: bytes, complaint: str) -> None:
    channel = Channel("GET")
    with pytest.raises(NoAnswer, match=complaint) as caught:
        channel.write(written)
    channel.end(caught.value)
    with pytest.raises(NoAnswer, match=complaint):
        channel.wait()


def test_failures() -> None:
    late = KeyError("late")
    channel, body = answer(HEAD, b"Content-Length: 4\r\n\r\nbody", failure=late)
    assert (body, channel.failure) == (b"body", late)
    for written in (b"", HEAD, HEAD + b"\r\nbody", HEAD + b"Content-Length: 5\r\n\r\nbody"):
        with pytest.raises(KeyError):
            answer(written, failure=late)


def test_a_long_answer_is_taken_while_it_is_written_and_never_held_whole() -> None:
    channel = Channel("GET")
    written = 0

    def write() -> None:
        nonlocal written
        channel.write(HEAD + b"\r\n")
        for _ in range(100):
            channel.write(b"x" * 50_000)
            written += 50_000
        channel.end()

    Threads().run(write)
    assert channel.wait() is None
    got = 0
    for piece in channel:
        got += len(piece)
        assert written - got <= 400_000
    assert got == 5_000_000


def test_an_answer_that_takes_its_time_is_taken_as_it_comes() -> None:
    channel = Channel("GET")
    go = threading.Event()

    def write() -> None:
        channel.write(HEAD + b"\r\none")
        go.wait(10)
        channel.write(b"two")
        channel.end(KeyError("late"))

    Threads().run(write)
    assert channel.wait() is None
    pieces = iter(channel)
    assert next(pieces) == b"one"
    go.set()
    assert next(pieces) == b"two"
    with pytest.raises(KeyError):
        next(pieces)


def test_nobody_takes_it() -> None:
    channel = Channel("GET")
    failure: list[BaseException] = []
    done = threading.Event()

    def write() -> None:
        try:
            channel.write(HEAD + b"\r\n")
            while True:
                channel.write(bytes(100_000))
        except OSError as error:
            failure.append(error)
        channel.end(failure[0])
        done.set()

    Threads().run(write)
    assert channel.wait() is None
    channel.close()
    assert done.wait(10)
    assert isinstance(failure[0], BrokenPipeError)


def test_threads_are_kept_and_never_shared() -> None:
    threads = Threads()
    idents: list[int] = []
    for _ in range(10):
        done = threading.Event()
        threads.run(lambda done=done: (idents.append(threading.get_ident()), done.set()))  # type: ignore[misc]
        assert done.wait(10)
        while not threads._idle:
            pass
    assert len(set(idents)) == 1
    meeting = threading.Barrier(3, timeout=10)
    for _ in range(2):
        threads.run(lambda: meeting.wait() and None)
    meeting.wait()
