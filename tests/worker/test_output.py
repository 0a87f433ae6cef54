"""Answers on their way out: every byte once and in order, however little the client takes at a time."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.heads import head_of
from webpy.framework.answer import Answer, file_range
from webpy.worker.connections.transport import PlainTransport
from webpy.worker.exchanges.output import Output, Truncated, send_file
from webpy.worker.http1.serializer import render

LARGE = hashlib.shake_128(b"x").digest(3_000_000)  # does not repeat, so that nothing can be sent twice unnoticed
SMALL = LARGE[:20_000]


@pytest.fixture
def pair() -> Iterator[tuple[PlainTransport, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    theirs.settimeout(10)
    with ours, theirs:
        yield PlainTransport(ours), theirs


def output_of(body: Any, *, version: str = "HTTP/1.1") -> Output:
    answer = render(head_of(version=version), None, (200, body), "now", False)
    return Output(answer)


def sent_whole(output: Output, conn: PlainTransport, client: socket.socket) -> bytes:
    """Pushes as the loop would, the client reading between."""
    got, pushes = b"", 0
    while not output.push(conn):
        pushes += 1
        assert pushes < 10_000
        got += client.recv(50_000)
    client.setblocking(False)
    try:
        while data := client.recv(1 << 20):
            got += data
    except BlockingIOError:
        pass
    client.settimeout(10)
    assert output.sent_bytes == len(got)
    return got


@pytest.mark.parametrize("body", [b"", b"x", SMALL, LARGE[:65536], LARGE[:65537], LARGE], ids=len)
@pytest.mark.parametrize("as_file", [False, True])
def test_what_arrives_is_the_answer(
    pair: tuple[PlainTransport, socket.socket], tmp_path: Path, body: bytes, as_file: bool
) -> None:
    path = tmp_path / "body"
    path.write_bytes(body)
    with path.open("rb") as file:
        output = output_of(file if as_file else body)
        got = sent_whole(output, *pair)
        assert got == output.answer.head + body
        assert output.body_bytes == len(body)
        assert output.close(None) is None
        assert file.closed is as_file


def test_a_file_is_sent_from_where_it_stood(pair: tuple[PlainTransport, socket.socket], tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(LARGE)
    for offset in (10, len(LARGE) - 5, len(LARGE)):
        with path.open("rb") as file:
            file.seek(offset)
            assert sent_whole(output_of(file), *pair).partition(b"\r\n\r\n")[2] == LARGE[offset:]


def test_a_head_and_a_small_body_leave_in_one_write(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(SMALL)

    class Counting:
        def __init__(self) -> None:
            self.writes: list[int] = []

        def send(self, data: memoryview) -> int:
            self.writes.append(len(data))
            return len(data)

    with path.open("rb") as file:
        for body in (SMALL, file):
            conn: Any = Counting()
            output = output_of(body)
            assert output.push(conn)
            assert conn.writes == [len(output.answer.head) + len(SMALL)]


def test_the_first_piece_leaves_with_the_head() -> None:
    output = output_of(iter([b"first", b"second"]))
    source = output.answer.source
    assert source is not None
    output.add(next(source))
    (first,) = output._pending
    assert bytes(first) == output.answer.head + b"5\r\nfirst\r\n"


def test_pieces_follow_one_another(pair: tuple[PlainTransport, socket.socket]) -> None:
    pieces = [b"a", SMALL, LARGE[:100_000], b"z"]
    output = output_of(iter(pieces), version="HTTP/1.0")
    got = b""
    assert output.answer.source is not None
    for piece in output.answer.source:
        output.add(piece)
        got += sent_whole_part(output, *pair)
    assert got == output.answer.head + b"".join(pieces)


@pytest.mark.parametrize("taken", [1, 9_000, 1 << 20])
def test_a_piece_that_is_passed_on_is_sent_once_whatever_the_transport_takes(taken: int) -> None:
    """taken: at once; every other call it takes nothing."""
    got, calls = bytearray(), 0

    class Narrow:
        def send(self, data: bytes | memoryview) -> int:
            nonlocal calls
            calls += 1
            if calls % 2:
                raise BlockingIOError
            got.extend(data[:taken])
            return min(len(data), taken)

    transport: Any = Narrow()
    sizes = [3, 300, 5, 700] if taken == 1 else [65_536, 10, 140_000, 70_000]
    pieces = [LARGE[size : 2 * size] for size in sizes]
    output = output_of(iter(pieces), version="HTTP/1.0")
    assert output.answer.source is not None
    for piece in output.answer.source:
        whole = output.pass_on(piece, transport)
        assert whole is not output.blocked
        while not whole:
            whole = output.push(transport)
    assert bytes(got) == output.answer.head + b"".join(pieces)
    assert output.sent_bytes == len(got)


def test_a_piece_goes_to_the_transport_as_it_is() -> None:
    seen: list[object] = []

    class Wide:
        def send(self, data: bytes | memoryview) -> int:
            seen.append(data)
            return len(data)

    transport: Any = Wide()
    output = output_of(iter([b"first", SMALL]), version="HTTP/1.0")
    assert output.answer.source is not None
    assert all(output.pass_on(piece, transport) for piece in output.answer.source)
    assert seen[0] == output.answer.head + b"first"
    assert seen[1] is SMALL
    assert output.sent_bytes == len(output.answer.head) + len(b"first") + len(SMALL)


def test_a_piece_waits_behind_what_is_left_of_another() -> None:
    got = bytearray()
    room = 2

    class Filling:
        def send(self, data: bytes | memoryview) -> int:
            if len(got) >= room:
                raise BlockingIOError
            count = min(len(data), room - len(got))
            got.extend(data[:count])
            return count

    transport: Any = Filling()
    output = output_of(iter([]), version="HTTP/1.0")
    output.skip(len(output.answer.head))
    output._pending.clear()
    before = output.sent_bytes
    assert not output.pass_on(b"first", transport)
    assert (output.sent_bytes - before, output.blocked) == (2, True)
    room = 100
    assert output.pass_on(b"second", transport)
    assert got == b"firstsecond"


def test_a_piece_that_is_long_leaves_others_their_turn() -> None:
    sizes: list[int] = []

    class Wide:
        def send(self, data: bytes | memoryview) -> int:
            sizes.append(len(data))
            return len(data)

    transport: Any = Wide()
    output = output_of(iter([]), version="HTTP/1.0")
    assert output.push(transport)
    assert not output.pass_on(bytes(1 << 20), transport)
    assert max(sizes) < 1 << 18


def test_a_transport_that_was_closed_is_told_of_as_any_client_that_left() -> None:
    class Closed:
        def send(self, data: bytes | memoryview) -> int:
            if len(data) > 100:
                raise ValueError("of an SSLSocket that has been closed")
            return len(data)

    transport: Any = Closed()
    output = output_of(iter([]), version="HTTP/1.0")
    output.skip(len(output.answer.head))
    output._pending.clear()
    with pytest.raises(ConnectionError, match="closed"):
        output.pass_on(SMALL, transport)


def sent_whole_part(output: Output, conn: PlainTransport, client: socket.socket) -> bytes:
    before = output.sent_bytes
    got = b""
    while not output.push(conn):
        got += client.recv(50_000)
    while len(got) < output.sent_bytes - before:
        got += client.recv(50_000)
    return got


def test_what_the_socket_has_taken_already_is_not_sent_again(pair: tuple[PlainTransport, socket.socket]) -> None:
    conn, client = pair
    output = output_of(SMALL)
    whole = output.answer.head + SMALL
    assert conn.send(whole[:100]) == 100
    output.skip(100)
    got = client.recv(100)
    while not output.push(conn):
        got += client.recv(50_000)
    while len(got) < len(whole):
        got += client.recv(50_000)
    assert got == whole
    assert (output.sent_bytes, output.body_bytes) == (len(whole), len(SMALL))


def test_body_bytes_are_counted_from_behind_the_head() -> None:
    output = output_of(b"0123456789")
    head = len(output.answer.head)
    output.skip(head - 1)
    assert output.body_bytes == 0
    output.skip(4)
    assert output.body_bytes == 3


def test_a_client_that_is_gone_is_an_error(pair: tuple[PlainTransport, socket.socket]) -> None:
    conn, client = pair
    client.close()
    with pytest.raises(OSError):
        output_of(LARGE).push(conn)


@pytest.mark.parametrize("size", [len(SMALL), len(LARGE)])
def test_a_file_that_became_shorter_is_noticed(
    pair: tuple[PlainTransport, socket.socket], tmp_path: Path, size: int
) -> None:
    path = tmp_path / "body"
    path.write_bytes(LARGE[:size])
    with path.open("rb") as file:
        answer = render(head_of(), None, (200, file), "now", False)
        os.truncate(path, 10_000)
        with pytest.raises(Truncated, match="a file became shorter"):
            sent_whole(Output(answer), *pair)
        if size == len(SMALL):
            assert file.closed  # nobody else has it: the output was never made


def test_a_client_that_takes_from_the_kernel_moves_though_the_socket_has_no_room(
    pair: tuple[PlainTransport, socket.socket],
) -> None:
    conn, client = pair
    output = output_of(LARGE)
    assert not output.push(conn)
    output.has_moved(conn)  # from here on
    assert not output.has_moved(conn)
    client.recv(2000)
    got = 2000
    while not output.has_moved(conn):  # a unix socket gives room back by whole buffers
        got += len(client.recv(2000))
        assert got < len(LARGE)
    assert not output.has_moved(conn)


def test_finishing_closes_the_body_once(pair: tuple[PlainTransport, socket.socket]) -> None:
    class Body:
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x"])

        def close(self) -> None:
            self.closed += 1

    body = Body()
    output = output_of(body)
    assert output.close(None) is None
    assert output.close(None) is None
    assert body.closed == 1


def test_an_answer_without_a_body() -> None:
    answer = Answer(204)
    answer.head = b"head"
    output = Output(answer)
    output.skip(4)
    assert output.body_bytes == 0


@pytest.mark.parametrize("sent", ["nothing", "some of the head", "the head", "some of the file", "all but one byte"])
def test_a_plain_answer_with_a_file_goes_on_where_the_client_stopped(
    pair: tuple[PlainTransport, socket.socket], tmp_path: Path, sent: str
) -> None:
    conn, client = pair
    path = tmp_path / "body"
    path.write_bytes(LARGE)
    head = b"the head\r\n\r\n"
    count = {"nothing": 0, "some of the head": 3, "the head": len(head), "some of the file": 90_000}.get(sent)
    if count is None:
        count = len(head) + len(LARGE) - 10 - 1
    with path.open("rb") as file:
        file.seek(10)
        body = file_range(file)
        assert body is not None
        output = Output.of_plain(200, head, body)
        output.skip(count)
        got = b""
        while not output.push(conn):
            got += client.recv(50_000)
        while len(got) < output.sent_bytes - count:
            got += client.recv(50_000)
        assert got == (head + LARGE[10:])[count:]
        assert (output.sent_bytes, output.body_bytes) == (len(head) + len(LARGE) - 10, len(LARGE) - 10)
        assert output.closes_quietly
        assert output.close(None) is None
        assert file.closed


@pytest.mark.parametrize("size", [20_000, 1_000_000])
def test_a_file_that_was_sent_whole_is_closed(tmp_path: Path, size: int) -> None:
    path = tmp_path / "body"
    path.write_bytes(LARGE[:size])
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs, path.open("rb") as file:
        body = file_range(file)
        assert body is not None
        sent = send_file(PlainTransport(ours), b"head", body)
        assert file.closed is (sent == 4 + size)
        assert theirs.recv(1 << 20) == (b"head" + LARGE)[:sent]


def test_a_head_whose_file_cannot_be_sent_has_been_sent(pair: tuple[PlainTransport, socket.socket]) -> None:
    conn, client = pair
    assert conn.send_with_file(b"head", -1, 0, 100) == 4  # what is wrong is met again with the rest
    client.settimeout(10)
    assert client.recv(100) == b"head"
