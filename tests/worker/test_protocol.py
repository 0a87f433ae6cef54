"""A connection that changes its protocol: an echo, which knows no HTTP, after an HTTP/1 request that asks for it."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from tests.heads import head_bytes
from tests.worker.rig import Rig, led, records, until
from webpy import HTTPHandler
from webpy.framework.later import Later
from webpy.supervisor import Adoption, Cell, Message
from webpy.worker.connections.connection import FOREVER_S, Connection, ConnectionProtocol, Phase
from webpy.worker.connections.transport import WOULD_BLOCK
from webpy.worker.exchanges.exchange import Exchange
from webpy.worker.worker import Worker

Make = Callable[..., Rig]

WAIT_S = 10.0


class Echo(ConnectionProtocol):
    """Sends back what comes, says goodbye when the worker drains, and closes after `silence_s` without a byte."""

    def __init__(self, worker: Worker, silence_s: float = FOREVER_S) -> None:
        self.worker = worker
        self.silence_s = silence_s
        self.closed = 0
        self.waiting = b""

    def on_start(self, conn: Connection, received: bytes) -> None:
        self.waiting = received
        self._send(conn)

    def on_event(self, conn: Connection, event: int) -> Exchange | None:
        if event & select.EPOLLIN:
            try:
                data = conn.recv(65536)
            except WOULD_BLOCK:
                return None
            if not data:
                self.worker.table.forget(conn)
                return None
            if data.startswith(b"fault"):
                raise KeyError("a fault")
            conn.since_s = time.monotonic()
            self.waiting += data
        self._send(conn)
        return None

    def _send(self, conn: Connection) -> None:
        try:
            while self.waiting:
                self.waiting = self.waiting[conn.send(self.waiting) :]
        except WOULD_BLOCK:
            self.worker.table.watch(conn, select.EPOLLIN | select.EPOLLOUT)
        else:
            self.worker.table.watch(conn, select.EPOLLIN)

    def deadline(self, conn: Connection, now_s: float) -> float:
        return conn.since_s + self.silence_s

    def on_timeout(self, conn: Connection, now_s: float) -> None:
        self.worker.table.forget(conn)

    def on_drain(self, conn: Connection, now_s: float) -> None:
        conn.send(b"goodbye")
        self.worker.table.forget(conn)

    def on_close(self, conn: Connection) -> None:
        self.closed += 1


class Hello(HTTPHandler):
    def do_get(self) -> Any:
        return 200, "hello"


def switching(parts: list[Rig], made: list[Echo], **given: Any) -> type[HTTPHandler]:
    class Switch(HTTPHandler):
        def do_get(self) -> Any:
            def begin(exchange: Any) -> None:
                echo = Echo(parts[0].worker, **given)
                made.append(echo)
                exchange.upgrade([("Upgrade", "echo"), ("X-Bad", "a\r\nb")][: 1 + (self.request.query == "bad")], echo)

            return Later(begin)

    return Switch


@pytest.fixture
def echoes() -> list[Echo]:
    return []


@pytest.fixture
def parts(rig: Make, echoes: list[Echo], adoption: Adoption) -> Rig:
    made: list[Rig] = []
    made.append(rig({"/switch.*": switching(made, echoes), "/hello": Hello}, adoption=adoption))
    return made[0]


def switched(parts: Rig, more: bytes = b"") -> socket.socket:
    client = parts.client()
    ask = b"GET /switch HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    client.sendall(ask + more)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Connection: Upgrade\r\nUpgrade: echo\r\n" in head
    return client


def received(client: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        data = client.recv(65536)
        assert data, got
        got += data
    return got


def test_what_is_sent_comes_back_and_other_connections_go_on(parts: Rig) -> None:
    with led(parts):
        client, other = switched(parts), parts.client()
        for number in range(20):
            client.sendall(b"%d" % number * 100)
            assert received(client, len(b"%d" % number * 100)) == b"%d" % number * 100
            other.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            assert other.recv(999).endswith(b"hello")
        (record,) = [line for line in records(parts.row) if "switch" in line]
        assert record.endswith('"GET /switch HTTP/1.1" 101 0')
        until(lambda: parts.running() == [])


def test_what_came_behind_the_request_is_the_new_protocols(parts: Rig) -> None:
    with led(parts):
        more = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
        assert received(switched(parts, more), len(more)) == more


class SwitchPost(HTTPHandler):
    parts: Rig

    def do_post(self) -> Any:
        self.request.rfile.read(3)
        return Later(lambda exchange: exchange.upgrade([("Upgrade", "echo")], Echo(self.parts.worker)))  # type: ignore[attr-defined]


class SwitchStream(SwitchPost):
    stream = True


BODIES = {
    "Content-Length: 10": (b"abc", b"defghij"),
    "Transfer-Encoding: chunked": (b"3\r\nabc\r\n", b"7\r\ndefghij\r\n0\r\n\r\n"),
}


def connected(parts: Rig, context: ssl.SSLContext | None) -> socket.socket:
    """A client; context: it speaks TLS."""
    client = parts.client()
    if context is not None:
        client = context.wrap_socket(client, server_hostname="localhost")
        parts.clients.append(client)
    return client


def asked(parts: Rig, target: str, field: str, context: ssl.SSLContext | None = None) -> socket.socket:
    """A client that has sent the head and the beginning of the body."""
    client = connected(parts, context)
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n{field}\r\n\r\n"
    client.sendall(head.encode() + BODIES[field][0])
    return client


def receive_head(client: socket.socket) -> None:
    """Receive the answer, and nothing that follows."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += client.recv(1)
    assert got.startswith(b"HTTP/1.1 101 ")


def answered(parts: Rig, client: socket.socket) -> Any:
    """The intake of a request whose answer has come, when its connection waits for the rest of the body."""
    receive_head(client)
    (conn,) = parts.table.by_fd.values()
    until(lambda: conn.exchange is not None and conn.exchange.intake.stream.closed)
    assert conn.exchange is not None
    return conn.exchange.intake


@pytest.mark.parametrize("field", BODIES)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("target", "late"), [("/whole", False), ("/stream", False), ("/stream", True)])
def test_a_body_is_the_requests_also_if_it_still_arrives(
    rig: Make, target: str, late: bool, field: str, tls: bool, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """What follows it is the new protocol's. late: the rest is sent behind the answer."""
    routes = {"/whole": SwitchPost, "/stream": SwitchStream, "/hello": Hello}
    server, context = contexts if tls else (None, None)
    parts = SwitchPost.parts = rig(routes, tls=server)
    with led(parts):
        client = asked(parts, target, field, context)
        rest = BODIES[field][1]
        if late:
            intake = answered(parts, client)
            client.sendall(rest[:4])
            until(lambda: intake.received_bytes >= len(BODIES[field][0]) + 4)
            client.sendall(rest[4:] + b"ECHO")
        else:
            client.sendall(rest + b"ECHO")
            receive_head(client)
        assert received(client, 4) == b"ECHO"
        other = connected(parts, context)
        other.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        assert other.recv(999).endswith(b"hello")
        until(lambda: not parts.running())


def test_a_switch_is_answered_by_the_leader_who_receives_the_body(rig: Make) -> None:
    parts = SwitchPost.parts = rig({"/stream": SwitchStream})
    conn, client = parts.connection()
    fields = ["Connection: Upgrade", "Upgrade: echo", "Transfer-Encoding: chunked"]
    assert parts.reading.begin(conn, head_bytes("POST", "/stream", *fields) + b"3\r\nabc\r\n") is None
    until(lambda: parts.reactor._inbox)
    assert not select.select([client], [], [], 0)[0]
    parts.turn()
    receive_head(client)


@pytest.mark.parametrize("sent", [b"nonsense", b""], ids=["malformed", "an end"])
def test_a_body_whose_rest_never_comes_ends_the_connection(rig: Make, sent: bytes) -> None:
    parts = SwitchPost.parts = rig({"/stream": SwitchStream})
    with led(parts):
        client = asked(parts, "/stream", "Transfer-Encoding: chunked")
        answered(parts, client)
        client.sendall(sent) if sent else client.shutdown(socket.SHUT_WR)
        until(lambda: not parts.table.by_fd and not parts.running())
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    assert not parts.complaints


def test_more_than_the_client_takes_at_once(parts: Rig) -> None:
    with led(parts):
        client = switched(parts)
        data = bytes(range(256)) * 20_000
        client.setblocking(False)
        sent, got = 0, b""
        while len(got) < len(data):
            readable, writable, _ = select.select([client], [client] if sent < len(data) else [], [], WAIT_S)
            if writable:
                sent += client.send(data[sent : sent + 65536])
            if readable:
                got += client.recv(65536)
        assert got == data


def test_the_end_of_the_client_is_told_once(parts: Rig, echoes: list[Echo]) -> None:
    with led(parts):
        switched(parts).close()
        until(lambda: not parts.table.by_fd and echoes[0].closed)  # told after it has left the table
    assert echoes[0].closed == 1


def test_a_fault_in_the_protocol_costs_its_connection(parts: Rig, echoes: list[Echo]) -> None:
    with led(parts):
        client, other = switched(parts), switched(parts)
        client.sendall(b"fault")
        with pytest.raises(ConnectionResetError):
            while client.recv(99):
                pass
        until(lambda: echoes[0].closed == 1)
        other.sendall(b"on")
        assert received(other, 2) == b"on"
        until(lambda: any("an event of a connection of 127.0.0.1 failed" in each for each in parts.complaints))


@pytest.mark.parametrize("method", ["deadline", "on_timeout", "on_drain"])
def test_a_fault_in_a_sweep_costs_its_connection(
    parts: Rig, method: str, echoes: list[Echo], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise KeyError("a fault")

    with led(parts):
        client, other = switched(parts), switched(parts)
        monkeypatch.setattr(echoes[0], method, fail)
        if method == "on_timeout":
            echoes[0].silence_s = 0.0
        elif method == "on_drain":
            parts.say(Message.DRAIN)
        with pytest.raises(ConnectionResetError):
            while client.recv(99):
                pass
        until(lambda: any("a look at a connection of 127.0.0.1 failed" in each for each in parts.complaints))
        if method == "on_drain":
            assert received(other, 7) == b"goodbye"
        else:
            other.sendall(b"on")
            assert received(other, 2) == b"on"


def test_its_deadline_is_its_own(rig: Make, echoes: list[Echo]) -> None:
    made: list[Rig] = []
    made.append(rig({"/switch": switching(made, echoes, silence_s=0.5)}, keepalive=0.1))
    with led(made[0]):
        client = switched(made[0])
        began_s = time.monotonic()
        assert client.recv(1) == b""
        assert 0.4 < time.monotonic() - began_s < WAIT_S


@pytest.mark.parametrize("message", [Message.DRAIN, Message.STOP])
def test_at_the_end_of_the_worker_it_is_asked(parts: Rig, message: Message, adoption: Adoption) -> None:
    with led(parts):
        client = switched(parts)
        parts.say(message)
        assert received(client, 7) == b"goodbye"
        assert client.recv(1) == b""
        until(lambda: parts.lifecycle.over)
    assert parts.row.cells[Cell.HANDED_OVER] == 0  # only HTTP/1 knows how to go on elsewhere
    assert not adoption.waits


def test_fields_that_would_break_the_message_change_nothing(parts: Rig, echoes: list[Echo]) -> None:
    with led(parts):
        client = parts.client()
        client.sendall(b"GET /switch?bad HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(999).startswith(b"HTTP/1.1 500 ")
        (conn,) = parts.table.by_fd.values()
        until(lambda: conn.phase == Phase.IDLE)
        assert conn.protocol is parts.http1


def test_one_that_cannot_go_on_has_no_room_made_of_it(parts: Rig) -> None:
    with led(parts):
        switched(parts)
        (conn,) = parts.table.by_fd.values()
        assert not conn.protocol.may_make_way(conn)


@pytest.mark.parametrize("pieces", [1, 40])
def test_under_tls_what_came_behind_the_request_is_not_lost(rig: Make, echoes: list[Echo], pieces: int) -> None:
    authority = trustme.CA()
    server, context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(context)
    made: list[Rig] = []
    made.append(rig({"/switch": switching(made, echoes)}, tls=server))
    with led(made[0]):
        client = context.wrap_socket(made[0].client(), server_hostname="localhost")
        made[0].clients.append(client)
        more = bytes(range(256)) * 200
        client.sendall(b"GET /switch HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n" + more[:100])
        for number in range(pieces):  # some before the switch, some after it
            begin = 100 + (len(more) - 100) * number // pieces
            client.sendall(more[begin : 100 + (len(more) - 100) * (number + 1) // pieces])
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert received(client, len(more)) == more
        client.sendall(b"on")
        assert received(client, 2) == b"on"
