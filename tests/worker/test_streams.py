"""Bodies that the handler's thread receives by itself: what it gets, what the leader does meanwhile, and how it ends.

The test is the leader, and does nothing unless it says so.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import ssl
import struct
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.heads import head_bytes
from tests.worker.rig import Rig, led, records
from webpy import HTTPHandler
from webpy.worker.connections.connection import Connection, Phase
from webpy.worker.exchanges.streams import Streams

Make = Callable[..., Rig]

WAIT_S = 10.0


class Reads(HTTPHandler):
    """Reads as much as the path says, when it may; answers with how it went."""

    stream = True
    go = threading.Event()
    got: list[Any]

    def do_post(self) -> Any:
        stream, (what,) = self.request.rfile, self.groups
        Reads.got.append("begun")
        assert Reads.go.wait(WAIT_S)
        try:
            if what == "closes":
                stream.close()
                Reads.got.append("closed")
                assert Unread.go.wait(WAIT_S)
                return 200, "closed"
            body = stream.read() if what == "all" else stream.read(int(what))
        except ConnectionError as error:
            Reads.got.append(getattr(error, "status", None))
            raise
        Reads.got.append(body)
        return 200, body


class Unread(HTTPHandler):
    stream = True
    go = threading.Event()

    def do_post(self) -> Any:
        Reads.got.append("begun")
        assert Unread.go.wait(WAIT_S)
        return 200, "unread"


class Whole(HTTPHandler):
    def do_post(self) -> Any:
        return 200, self.request.body


ROUTES = {"/reads/(.*)": Reads, "/unread": Unread, "/whole": Whole}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Reads.got, Reads.go, Unread.go = [], threading.Event(), threading.Event()
    Reads.go.set()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def lead_until(parts: Rig, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        parts.turn(0.01)


def begin(parts: Rig, path: str, length: int, there: bytes = b"") -> tuple[Connection, socket.socket]:
    """A request whose head has come, with the beginning of its body; its handler has begun."""
    conn, client = parts.connection(Phase.IDLE)
    head = head_bytes("POST", path, f"Content-Length: {length}")
    assert parts.reading.begin(conn, head + there) is None
    if "begun" not in Reads.got:
        until(lambda: "begun" in Reads.got)
    return conn, client


def answer(client: socket.socket, ending: bytes) -> bytes:
    received = b""
    while not received.endswith(ending):
        data = client.recv(1 << 20)
        assert data, received
        received += data
    return received


@pytest.mark.parametrize("there", [b"", b"01234"])
def test_the_reader_needs_no_leader(rig: Make, there: bytes) -> None:
    parts = rig(ROUTES)
    conn, client = begin(parts, "/reads/all", 300_000, there)
    assert not parts.watched(conn)
    body = there + os.urandom(300_000 - len(there))
    client.sendall(body[len(there) :])
    until(lambda: body in Reads.got)
    parts.table.forget(conn)


def test_the_reader_takes_nothing_of_the_next_request(rig: Make) -> None:
    parts = rig(ROUTES)
    following = head_bytes("POST", "/whole", "Content-Length: 4") + b"next"
    conn, client = begin(parts, "/reads/all", 10, b"01")
    client.sendall(b"23456789" + following)
    answer(client, b"\r\n\r\n0123456789")
    lead_until(parts, lambda: conn.phase == Phase.IDLE and parts.watched(conn))
    (record,) = records(parts.row)
    assert '"POST /reads/all HTTP/1.1" 200 10' in record
    found = parts.reading.begin(conn, conn.recv(65536))
    parts.dispatched(conn, found)
    answer(client, b"\r\n\r\nnext")


def test_an_event_from_before_takes_nothing_from_the_reader(rig: Make) -> None:
    parts = rig(ROUTES)
    Reads.go.clear()
    conn, client = begin(parts, "/reads/all", 6)
    client.sendall(b"abc")
    assert parts.reading.more_stream(conn, select.EPOLLIN) is None
    Reads.go.set()
    client.sendall(b"def")
    answer(client, b"\r\n\r\nabcdef")


@pytest.mark.parametrize("waits", [True, False])
def test_an_end_inside_the_body_raises_and_is_told(rig: Make, waits: bool) -> None:
    parts = rig(ROUTES)
    if not waits:
        Reads.go.clear()
    conn, client = begin(parts, "/reads/all", 6, b"abc")
    client.shutdown(socket.SHUT_WR)
    Reads.go.set()
    until(lambda: 400 in Reads.got)
    lead_until(parts, lambda: conn.phase in (Phase.LINGER, Phase.CLOSED))
    assert answer(client, b"the connection ended inside the body\n").startswith(b"HTTP/1.1 400 ")


def test_a_client_that_resets_the_connection_raises(rig: Make) -> None:
    parts = rig(ROUTES)
    ours = parts.client()
    parts.acceptor.start()
    lead_until(parts, lambda: parts.table.by_fd)
    (conn,) = parts.table.by_fd.values()
    conn.phase = Phase.IDLE
    assert parts.reading.begin(conn, head_bytes("POST", "/reads/all", "Content-Length: 6") + b"abc") is None
    until(lambda: "begun" in Reads.got)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ours.close()
    until(lambda: 400 in Reads.got)
    lead_until(parts, lambda: conn.phase == Phase.CLOSED)
    lead_until(parts, lambda: not parts.running())
    assert not parts.complaints


def test_a_connection_that_is_closed_ends_the_wait_of_its_reader(rig: Make) -> None:
    parts = rig(ROUTES)
    conn, _ = begin(parts, "/reads/all", 6, b"abc")
    parts.table.forget(conn)
    until(lambda: 400 in Reads.got)
    lead_until(parts, lambda: not parts.running())


def test_a_handler_sends_nothing_while_the_leader_closes_its_connection(rig: Make) -> None:
    parts = rig(ROUTES)
    conn, client = begin(parts, "/unread", 6, b"abc")
    conn.protocol.on_close(conn)  # as `ConnectionTable.forget` does first
    Unread.go.set()
    until(lambda: parts.reactor._inbox)  # the answer waits for the leader
    parts.table.forget(conn)
    assert client.recv(1) == b""
    lead_until(parts, lambda: not parts.running())
    assert not parts.complaints


def test_the_rest_of_a_stream_that_was_closed_is_taken_in(rig: Make) -> None:
    parts = rig(ROUTES)
    conn, client = begin(parts, "/reads/closes", 100_000, b"abc")
    until(lambda: "closed" in Reads.got)
    client.sendall(bytes(99_997))
    lead_until(parts, lambda: parts.watched(conn))
    while conn.exchange is not None and conn.exchange.intake is not None and not conn.exchange.intake.complete:
        parts.reading.more_stream(conn, select.EPOLLIN)
    Unread.go.set()
    lead_until(parts, lambda: conn.phase == Phase.IDLE)
    assert b"Connection: close" not in answer(client, b"\r\n\r\nclosed")


@pytest.mark.parametrize("path", ["/unread", "/reads/3"])
@pytest.mark.parametrize("all_there", [True, False])
def test_what_a_handler_leaves_unread_ends_the_connection_unless_it_is_there(
    rig: Make, path: str, all_there: bool
) -> None:
    parts = rig(ROUTES)
    Reads.go.clear()
    conn, client = begin(parts, path, 50_000, b"abc")
    client.sendall(bytes(49_997 - (not all_there)))
    Reads.go.set()
    Unread.go.set()
    received = answer(client, b"\r\n\r\n" + (b"unread" if path == "/unread" else b"abc")) if all_there else b""
    lead_until(parts, lambda: conn.phase in (Phase.IDLE, Phase.LINGER, Phase.CLOSED))
    assert (conn.phase == Phase.IDLE) is all_there
    received = received or client.recv(1000)
    assert (b"Connection: close" in received) is not all_there


def test_what_waits_for_its_turn_begins_when_a_reader_is_done(rig: Make) -> None:
    parts = rig(ROUTES)  # two streams at once
    first, *others = [begin(parts, "/reads/all", 4, b"ab") for _ in range(3)]
    until(lambda: len(Reads.got) == 2)
    first[1].sendall(b"cd")
    answer(first[1], b"\r\n\r\nabcd")
    lead_until(parts, lambda: Reads.got.count("begun") == 3)
    for _, client in others:
        client.sendall(b"cd")
        answer(client, b"\r\n\r\nabcd")


def test_a_turn_that_comes_free_at_once_is_not_missed(rig: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = rig(ROUTES)
    for _ in range(2):
        begin(parts, "/reads/all", 4)
    streams = parts.worker.http1._streams
    show, reading = parts.worker.activities.show_waiting, streams._reading

    def a_reader_ends(*given: Any) -> None:
        streams._read(next(iter(reading)))  # between the leader's look and its note that a request waits
        show(*given)

    monkeypatch.setattr(type(parts.worker.activities), "show_waiting", lambda self, *given: a_reader_ends(*given))
    begin(parts, "/reads/all", 4)
    until(lambda: Reads.got.count("begun") == 3)
    assert isinstance(streams, Streams) and not streams._waiting


def test_a_reader_leaves_no_descriptors_and_nothing_that_keeps_itself(rig: Make) -> None:
    parts = rig(ROUTES)
    began = len(os.listdir("/proc/self/fd"))
    gc.disable()
    try:
        for _ in range(3):
            conn, client = begin(parts, "/reads/all", 4, b"ab")
            kept = weakref.ref(conn.exchange.intake.stream)  # type: ignore[union-attr, arg-type]
            client.sendall(b"cd")
            answer(client, b"\r\n\r\nabcd")
            lead_until(parts, lambda conn=conn: conn.phase == Phase.IDLE)
            until(lambda kept=kept: kept() is None)
            parts.table.forget(conn)
            client.close()
    finally:
        gc.enable()
    assert len(os.listdir("/proc/self/fd")) <= began


def test_a_body_that_came_with_its_head_is_run_in_place(rig: Make) -> None:
    parts = rig(ROUTES)
    for path in ("/whole", "/reads/all"):
        conn, _ = parts.connection(Phase.IDLE)
        found = parts.reading.begin(conn, head_bytes("POST", path, "Content-Length: 4") + b"abcd")
        assert found is not None
        _, request = found
        assert (request.body, request.rfile.read(), request.raw_body) == (b"abcd",) * 3
        assert (conn.phase, conn.buffer, conn.exchange) == (Phase.IDLE, b"", None)


def test_under_tls_the_answer_on_a_connection_that_was_closed_is_logged(
    rig: Make, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    parts = rig(ROUTES, tls=contexts[0])
    with led(parts):
        client = contexts[1].wrap_socket(parts.client(), server_hostname="localhost")
        parts.clients.append(client)
        client.sendall(head_bytes("POST", "/unread", "Content-Length: 6") + b"abc")
        until(lambda: "begun" in Reads.got)
        (conn,) = parts.table.by_fd.values()
        parts.reactor.call(parts.table.forget, conn)
        assert client.recv(1) == b""
        Unread.go.set()
        until(lambda: not parts.running())
    assert [line.split('"', 1)[1] for line in records(parts.row)] == ['POST /unread HTTP/1.1" 200 0']
    assert not parts.complaints
