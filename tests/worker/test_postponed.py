"""Long answers that go on by turns: whose time it is meanwhile, who has left, and what meets them on the way.

Where a loop leads, others are always said to wait, so that every long answer is put off whenever it can be.
"""

from __future__ import annotations

import hashlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker.rig import Rig, led, records, until
from webpy import HTTPHandler
from webpy.framework.answer import FileRange
from webpy.framework.later import Later
from webpy.supervisor import Adoption, Cell, Message
from webpy.worker.connections.connection import Connection, Phase
from webpy.worker.connections.reactor import Reactor
from webpy.worker.exchanges.output import Output
from webpy.worker.http1.serializer import render

Make = Callable[..., Rig]
Kind = Callable[[], Any]

WAIT_S = 10.0
HOUR_S = 3600.0
LONG = hashlib.shake_128(b"x").digest(6_000_000)
RATE = 10_000  # bytes a second


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "long"
    path.write_bytes(LONG)
    return path


@pytest.fixture(params=["memory", "file"])
def body(request: pytest.FixtureRequest, path: Path) -> Kind:
    return lambda: path.open("rb") if request.param == "file" else LONG


def postponed(parts: Rig, body: Any) -> tuple[Connection, socket.socket]:
    """A connection whose long answer waits for its first turn."""
    conn, client = parts.connection(Phase.RUNNING)
    exchange = conn.exchange = parts.exchange(conn, "GET", "/long")
    exchange.output = Output(render(exchange.plan.head, None, (200, body), "now", False))
    parts.reactor.ready.append((-1, 0))
    exchange.send(leading=True)
    parts.reactor.ready.clear()
    assert list(parts.reactor.later) == [(conn.fd, 0)]
    return conn, client


def turn(parts: Rig) -> None:
    """Give the first that was put off its turn."""
    fd, event = parts.reactor.later.popleft()
    conn = parts.table.by_fd[fd]
    conn.protocol.on_event(conn, event)


def is_due(conn: Connection, now_s: float) -> bool:
    return conn.protocol.deadline(conn, now_s) <= now_s


# -- whose time it is -------------------------------------------------------------------------------------------------


def test_the_time_until_its_turn_is_not_the_clients(rig: Make, body: Kind) -> None:
    parts = rig(min_body_rate=RATE, write_timeout=5)
    conn, client = postponed(parts, body())
    client.setblocking(False)
    now_s, got = time.monotonic(), 0
    while conn.phase == Phase.WRITING:
        if parts.reactor.later:
            now_s += HOUR_S
            assert not is_due(conn, now_s)
            turn(parts)
        else:  # it is waited for, and takes what there is
            got += len(client.recv(1 << 24))
            assert conn.exchange is not None
            parts.reactor.ready.append((-1, 0))
            conn.protocol.on_event(conn, select.EPOLLOUT)
            parts.reactor.ready.clear()
    assert got > len(LONG) / 2


def test_a_client_that_takes_nothing_when_it_had_its_turn_is_ended(rig: Make, body: Kind) -> None:
    parts = rig(min_body_rate=0, write_timeout=5)
    conn, _ = postponed(parts, body())
    assert not is_due(conn, time.monotonic() + HOUR_S)
    while parts.reactor.later:
        turn(parts)
    now_s = time.monotonic()
    is_due(conn, now_s)  # what it took until now
    assert not is_due(conn, now_s + 4)
    assert is_due(conn, now_s + 6)
    conn.protocol.on_timeout(conn, now_s + 6)
    parts.do_chores()
    assert conn.phase == Phase.CLOSED
    assert len(records(parts.row)) == 1
    assert parts.row.cells[Cell.TIMEOUTS] == 1


def test_a_client_that_is_too_slow_is_ended_though_it_was_put_off(rig: Make, body: Kind) -> None:
    parts = rig(min_body_rate=RATE, write_timeout=HOUR_S)
    conn, client = postponed(parts, body())
    while parts.reactor.later:
        turn(parts)
    assert conn.exchange is not None
    output = conn.exchange.output
    assert output is not None
    now_s = time.monotonic()
    client.recv(1000)
    assert not is_due(conn, now_s + output.taken_bytes / RATE)
    parts.reactor.ready.append((-1, 0))
    client.recv(1 << 24)
    conn.protocol.on_event(conn, select.EPOLLOUT)  # there is room, and it is put off again
    parts.reactor.ready.clear()
    assert not is_due(conn, now_s + HOUR_S)
    while parts.reactor.later:
        turn(parts)
    is_due(conn, now_s)
    late_s = now_s + 11 + 2 * output.taken_bytes / RATE
    assert is_due(conn, late_s)
    conn.protocol.on_timeout(conn, late_s)
    parts.do_chores()
    assert conn.phase == Phase.CLOSED


# -- who has left -----------------------------------------------------------------------------------------------------


def test_the_turn_of_one_that_left_is_not_that_of_the_next_with_its_number(rig: Make) -> None:
    parts = rig()
    conn, client = postponed(parts, LONG)
    for _ in range(5):
        client.close()
        (event,) = parts.poll().values()
        fd = conn.fd
        conn.protocol.on_event(conn, event)
        assert (conn.phase, list(parts.reactor.later)) == (Phase.CLOSED, [])
        conn, client = postponed(parts, LONG)
        assert fd in (conn.fd, client.fileno())
    assert len(records(parts.row)) == 5


# -- with a loop that leads -------------------------------------------------------------------------------------------


class Long(HTTPHandler):
    """A long answer, from memory or from a file; a part of the file."""

    file: Path

    def do_get(self) -> Any:
        match self.request.path:
            case "/long/memory":
                return 200, LONG
            case "/long/part":
                stream = self.file.open("rb")
                return 206, FileRange(stream, stream.fileno(), 1_000_000, 3_000_000)
            case _:
                return 200, self.file.open("rb")


class Hello(HTTPHandler):
    def do_get(self) -> Any:
        return 200, "hello"


ROUTES = {"/long/.*": Long, "/hello": Hello}
BODIES = {"memory": LONG, "file": LONG, "part": LONG[1_000_000:4_000_000]}


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Any:
    return contexts if request.param == "tls" else (None, None)


@pytest.fixture
def put_off(monkeypatch: pytest.MonkeyPatch, path: Path) -> Iterator[list[int]]:
    """The descriptors of all that was put off, in order."""
    seen: list[int] = []
    original = Reactor.postpone

    def postpone(self: Reactor, fd: int) -> None:
        seen.append(fd)
        original(self, fd)

    monkeypatch.setattr(Reactor, "crowded", True)
    monkeypatch.setattr(Reactor, "postpone", postpone)
    monkeypatch.setattr(Long, "file", path, raising=False)
    yield seen


def connect(parts: Rig, context: ssl.SSLContext | None) -> socket.socket:
    sock = parts.client()
    if context is not None:
        sock = context.wrap_socket(sock, server_hostname="localhost")
        parts.clients.append(sock)
    return sock


def ask(sock: socket.socket, path: str, *fields: str, method: str = "GET") -> None:
    sock.sendall("\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *fields, "", ""]).encode())


def answer(sock: socket.socket, head_only: bool = False) -> tuple[bytes, bytes]:
    """The head of the next answer, and its body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = sock.recv(1)
        assert piece, head
        head += piece
    length = int(head.partition(b"Content-Length: ")[2].split()[0])
    body = bytearray()
    while not head_only and len(body) < length:
        data = sock.recv(min(1 << 16, length - len(body)))
        assert data, f"{len(body)} of {length} bytes came"
        body += data
    return head, bytes(body)


@pytest.mark.parametrize("kind", BODIES)
def test_it_arrives_whole_and_what_is_pipelined_comes_behind_it(
    rig: Make, tls: Any, kind: str, put_off: list[int]
) -> None:
    parts = rig(ROUTES, tls=tls[0])
    with led(parts):
        clients = [connect(parts, tls[1]) for _ in range(6)]
        for client in clients:
            ask(client, f"/long/{kind}")
            ask(client, "/hello")
            ask(client, f"/long/{kind}", method="HEAD")
            ask(client, f"/long/{kind}", "Connection: close")
        for client in clients:
            assert answer(client)[1] == BODIES[kind]
            assert answer(client)[1] == b"hello"
            head, _ = answer(client, head_only=True)
            assert f"Content-Length: {len(BODIES[kind])}\r\n".encode() in head
            assert answer(client)[1] == BODIES[kind]
            assert client.recv(1) == b""
        assert len(put_off) >= 2 * len(clients)
        until(lambda: not parts.table.by_fd and not parts.running())
    assert not parts.complaints
    assert not parts.reactor.later
    sizes = [line.rpartition(" ")[2] for line in records(parts.row)]
    assert sorted(sizes) == sorted([str(len(BODIES[kind])), str(len(BODIES[kind])), "5", "0"] * len(clients))


@pytest.mark.parametrize("kind", BODIES)
def test_clients_that_leave_in_the_middle(rig: Make, tls: Any, kind: str, put_off: list[int]) -> None:
    parts = rig(ROUTES, tls=tls[0])
    with led(parts):
        healthy = connect(parts, tls[1])
        for count in range(6):
            client = connect(parts, tls[1])
            ask(client, f"/long/{kind}")
            client.recv(10 + 100_000 * count)
            client.close()
            parts.clients[-1 if tls[1] is None else -2].close()
            ask(healthy, f"/long/{kind}")
            assert answer(healthy)[1] == BODIES[kind]
        until(lambda: len(parts.table.by_fd) == 1 and not parts.running())
        assert put_off
    assert not parts.complaints
    assert not parts.reactor.later
    assert len(records(parts.row)) == 12


@pytest.mark.parametrize("kind", BODIES)
def test_a_worker_that_drains_ends_it_first(
    rig: Make, tls: Any, kind: str, put_off: list[int], adoption: Adoption
) -> None:
    parts = rig(ROUTES, tls=tls[0], adoption=adoption)
    with led(parts):
        clients = [connect(parts, tls[1]) for _ in range(4)]
        for client in clients:
            ask(client, f"/long/{kind}")
            assert client.recv(1)  # which begins the head
        parts.say(Message.DRAIN)
        until(lambda: parts.lifecycle.draining)
        assert put_off
        for client in clients:
            assert answer(client)[1] == BODIES[kind]
        if tls[1] is None:
            for _ in clients:  # they move
                assert select.select([adoption], [], [], WAIT_S)[0]
                found = adoption.take()
                assert found is not None
                socket.socket(fileno=found[0]).close()
        else:
            for client in clients:  # each has one more answer, which ends it
                ask(client, "/hello")
                head, body = answer(client)
                assert (b"Connection: close" in head, body) == (True, b"hello")
                assert client.recv(1) == b""
        until(lambda: parts.lifecycle.over)
    assert not parts.complaints


@pytest.mark.parametrize("kind", BODIES)
def test_a_stop_ends_it_first(rig: Make, tls: Any, kind: str, put_off: list[int]) -> None:
    parts = rig(ROUTES, tls=tls[0])
    with led(parts):
        clients = [connect(parts, tls[1]) for _ in range(4)]
        for client in clients:
            ask(client, f"/long/{kind}")
            assert client.recv(1)  # which begins the head
        parts.say(Message.STOP)
        until(lambda: parts.lifecycle.draining)
        for client in clients:
            assert answer(client)[1] == BODIES[kind]
        for client in clients:  # each is given the same moment to ask again, as its head was written before the stop
            assert client.recv(1) == b""
        assert put_off
        until(lambda: parts.lifecycle.over)
    assert not parts.complaints


def test_it_may_be_given_later_by_another_thread(rig: Make, tls: Any, path: Path, put_off: list[int]) -> None:
    class Thread(HTTPHandler):
        def do_get(self) -> Any:
            def begin(exchange: Any) -> None:
                threading.Thread(target=exchange.respond, args=((200, path.open("rb")),)).start()

            return Later(begin)

    parts = rig({"/": Thread}, tls=tls[0])
    with led(parts):
        clients = [connect(parts, tls[1]) for _ in range(4)]
        for client in clients:
            ask(client, "/")
        for client in clients:
            assert answer(client)[1] == LONG
            ask(client, "/")
            assert answer(client)[1] == LONG
        assert put_off
