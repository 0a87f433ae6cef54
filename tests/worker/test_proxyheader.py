"""PROXY headers in the worker: what is taken from the socket and when, and what a connection is afterwards."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.rig import Rig, led
from webpy import HTTPHandler
from webpy.supervisor import Adoption, Cell, Message
from webpy.worker.connections.connection import Connection, Phase, Relay, RelayedConnection

Make = Callable[..., Rig]

LINE = b"PROXY TCP4 203.0.113.7 10.9.9.9 4711 443\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Tells(HTTPHandler):
    def do_get(self) -> Any:
        request = self.request
        return 200, f"{request.client_address} {request.server_address[1]} {request.peer_address[0]} {request.scheme}!"


def trusting(rig: Make, *addresses: str, **more: Any) -> Rig:
    return rig({"/.*": Tells}, forwarded_allow_ips=addresses or ("127.0.0.1",), proxy_protocol=True, **more)


def accepted(parts: Rig) -> tuple[Connection, socket.socket]:
    """A connection that has been accepted, and its client's end."""
    client = parts.client()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    before = set(parts.table.by_fd)
    while set(parts.table.by_fd) == before:
        assert parts.poll(5)
        parts.turn()
    (fd,) = set(parts.table.by_fd) - before
    return parts.table.by_fd[fd], client


def step(parts: Rig, conn: Connection) -> None:
    """What came is looked at, and nothing of it comes again."""
    assert conn.fd in parts.poll(5)
    conn.protocol.on_event(conn, select.EPOLLIN)


def test_a_header_that_comes_bytewise_is_taken_as_it_comes(rig: Make) -> None:
    """Otherwise the loop would be told of it again and again, and look at all of it each time."""
    parts = trusting(rig)
    parts.acceptor.start()
    conn, client = accepted(parts)
    assert isinstance(conn, RelayedConnection)
    for at in range(len(LINE) - 1):
        client.sendall(LINE[at : at + 1])
        step(parts, conn)
        assert conn.buffer == LINE[: at + 1]
        assert parts.poll() == {}
    client.sendall(LINE[-1:] + REQUEST)
    step(parts, conn)
    assert (conn.relay, conn.origin.client_address, conn.buffer) == (Relay.NAMED, ("203.0.113.7", 4711), b"")
    assert (conn.peer[0], conn.peer_address[0], conn.server_address) == (
        b"203.0.113.7",
        "127.0.0.1",
        ("10.9.9.9", 443),
    )
    assert (conn.protocol, conn.phase) == (parts.http1, Phase.NEW)
    assert conn.recv(999) == REQUEST  # no byte behind the header has been taken


def test_the_handshake_begins_behind_the_header(rig: Make, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    parts = trusting(rig, tls=contexts[0])
    with led(parts):
        for _ in range(3):
            client = parts.client()
            client.sendall(LINE)
            with contexts[1].wrap_socket(client, server_hostname="localhost") as secure:
                secure.sendall(REQUEST)
                got = b""
                while not got.endswith(b"!"):
                    got += secure.recv(999)
            assert got.endswith(b"('203.0.113.7', 4711) 443 127.0.0.1 https!")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_what_is_no_header_is_left_to_what_follows(
    rig: Make, contexts: tuple[ssl.SSLContext, ssl.SSLContext], tls: bool
) -> None:
    parts = trusting(rig, "10.0.0.1", tls=contexts[0] if tls else None)
    parts.acceptor.start()
    conn, client = accepted(parts)
    assert type(conn) is Connection
    client.sendall(b"PROXY")
    step(parts, conn)
    assert (conn.buffer, parts.poll(), conn.phase) == (b"PROXY", {}, Phase.NEW)
    client.sendall(b"FIND / HTTP/1.1\r\n")
    step(parts, conn)
    assert conn.protocol is (parts.worker.handshake if tls else parts.http1)
    if not tls:
        assert (conn.buffer, conn.phase, list(parts.reactor.ready)) == (b"PROXY", Phase.PIPELINED, [(conn.fd, 0)])
        assert parts.reading.next(conn, 0) is None
        assert parts.reading.more_head(conn, select.EPOLLIN) is None
        assert conn.buffer == b"PROXYFIND / HTTP/1.1\r\n"
    assert parts.row.cells[Cell.BAD_PROXY_HEADERS] == 0


@pytest.mark.parametrize("sent", [b"", LINE[:7], LINE])
def test_a_reset_at_any_moment_costs_the_connection_and_is_no_fault(rig: Make, sent: bytes) -> None:
    parts = trusting(rig)
    parts.acceptor.start()
    conn, client = accepted(parts)
    client.sendall(sent)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    while conn.phase != Phase.CLOSED:
        step(parts, conn)
    assert (parts.table.by_fd, parts.complaints) == ({}, [])


def test_an_end_within_the_header_is_one_complaint(rig: Make) -> None:
    parts = trusting(rig)
    parts.acceptor.start()
    for sent in (b"", LINE[:-1], LINE[:-1]):
        conn, client = accepted(parts)
        client.sendall(sent)
        client.close()
        while conn.phase != Phase.CLOSED:
            step(parts, conn)
    assert parts.complaints == ["closed a connection of the proxy 127.0.0.1: its PROXY header was cut short"]
    assert parts.row.cells[Cell.BAD_PROXY_HEADERS] == 2


def test_how_long_each_may_take(rig: Make) -> None:
    """The header has its time in all, however many bytes come; who sends none may wait as before his first request."""
    parts = trusting(rig, keepalive=75, header_timeout=10)
    parts.acceptor.start()
    proxy, client = accepted(parts)
    began = proxy.since_s
    for at in range(3):
        client.sendall(LINE[at : at + 1])
        step(parts, proxy)
    assert proxy.protocol.deadline(proxy, 0.0) == began + 10
    stranger_parts = trusting(rig, "10.0.0.1", keepalive=75, header_timeout=10)
    stranger_parts.acceptor.start()
    stranger, other = accepted(stranger_parts)
    assert stranger.protocol.deadline(stranger, 0.0) == stranger.since_s + 75
    other.sendall(b"P")
    step(stranger_parts, stranger)
    assert stranger.protocol.deadline(stranger, 0.0) == stranger.since_s + 10
    parts.housekeeping.tick(began + 11)
    assert (proxy.phase, parts.row.cells[Cell.TIMEOUTS]) == (Phase.CLOSED, 1)


def test_a_connection_moves_once_its_header_is_there(rig: Make, adoption: Adoption) -> None:
    old, new = trusting(rig, adoption=adoption), trusting(rig, adoption=adoption)
    new.acceptor.start()
    old.start()
    conn, client = accepted(old)
    client.sendall(LINE[:20])
    step(old, conn)
    old.obey(Message.DRAIN)
    old.housekeeping.tick(time.monotonic())
    assert (conn.phase, old.lifecycle.over) == (Phase.OTHER, False)
    client.sendall(LINE[20:])
    step(old, conn)
    old.housekeeping.tick(time.monotonic() + 0.1)
    assert conn.phase == Phase.CLOSED
    while not new.table.by_fd:
        assert new.poll(5)
        new.turn()
    (moved,) = new.table.by_fd.values()
    assert isinstance(moved, RelayedConnection)
    for each in ("origin", "peer", "peer_address", "server_address", "relay"):
        assert getattr(moved, each) == getattr(conn, each), each
    assert moved.peer is new.acceptor._peer("203.0.113.7", Relay.NAMED)


def test_under_tls_it_gets_its_answer_from_the_worker_that_drains(
    rig: Make, adoption: Adoption, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    parts = trusting(rig, adoption=adoption, tls=contexts[0])
    with led(parts):
        client = parts.client()
        client.sendall(LINE[:20])
        while not any(conn.buffer for conn in list(parts.table.by_fd.values())):
            time.sleep(0.001)
        parts.say(Message.DRAIN)
        while not parts.lifecycle.draining:
            time.sleep(0.001)
        client.sendall(LINE[20:])
        with contexts[1].wrap_socket(client, server_hostname="localhost") as secure:
            secure.sendall(REQUEST)
            got = b"".join(iter(lambda: secure.recv(999), b""))
        assert b"\r\nConnection: close\r\n" in got
        assert got.endswith(b"('203.0.113.7', 4711) 443 127.0.0.1 https!")


def test_one_that_has_gone_when_it_is_adopted(rig: Make, adoption: Adoption) -> None:
    old, new = trusting(rig, adoption=adoption), trusting(rig, adoption=adoption)
    old.start()
    conn, client = accepted(old)
    client.sendall(LINE)
    step(old, conn)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    old.obey(Message.DRAIN)
    old.lifecycle.hand_over(conn, time.monotonic())
    assert adoption.waits
    assert new.acceptor._adopt(adoption)
    assert (new.table.by_fd, new.complaints) == ({}, [])


def test_labels_tell_by_what_a_host_is_known(rig: Make) -> None:
    """What is kept of a head for one connection must not count for another of that host (exchanges/forwarding.py)."""
    label = trusting(rig).acceptor._peer
    kept = [label("192.0.2.1", relay) for relay in Relay]
    assert len({id(each) for each in kept}) == 3 and len(set(kept)) == 1
    assert all(label("192.0.2.1", relay) is each for relay, each in zip(Relay, kept, strict=True))


def test_nothing_of_it_is_there_when_it_is_off(rig: Make) -> None:
    parts = rig({"/.*": Tells}, forwarded_allow_ips=("127.0.0.1",))
    parts.acceptor.start()
    conn, client = accepted(parts)
    assert (type(conn), conn.protocol, conn.phase) == (Connection, parts.http1, Phase.NEW)
    client.sendall(LINE)
    assert conn.fd in parts.poll(5)
    assert parts.reading.first(conn, 0) is None
    assert client.recv(99).startswith(b"HTTP/1.1 400 ")
