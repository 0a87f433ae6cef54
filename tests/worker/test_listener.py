"""Listeners of different schemes in one worker: each brings its connections' scheme and certificates."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from tests.worker.rig import Rig, led
from webpy import HTTPHandler
from webpy.supervisor import Adoption, Cell, Message
from webpy.worker.connections.listener import Listener
from webpy.worker.connections.transport import PlainTransport, TLSTransport

Make = Callable[..., Rig]

WAIT_S = 10.0


class Tells(HTTPHandler):
    def do_get(self) -> Any:
        request = self.request
        return 200, f"{request.scheme} {request.host} {request.client_address[0]} {request.tls is not None}!"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def both(rig: Make, authority: trustme.CA, adoption: Adoption) -> Iterator[tuple[Rig, tuple[str, int], Any]]:
    """A rig that listens to HTTP at its own address, and to HTTPS at another one; what a client needs for that."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    with socket.create_server(("127.0.0.1", 0)) as secure:
        secure.setblocking(False)
        parts = rig({"/.*": Tells}, listeners=[Listener(secure, server)], adoption=adoption)
        yield parts, secure.getsockname(), client


def connect(address: tuple[str, int], context: ssl.SSLContext | None) -> socket.socket:
    sock = socket.create_connection(address, timeout=WAIT_S)
    return sock if context is None else context.wrap_socket(sock, server_hostname="localhost")


def ask(sock: socket.socket) -> bytes:
    sock.sendall(b"GET / HTTP/1.1\r\nHost: example.org:1\r\n\r\n")
    got = b""
    while not got.endswith(b"!"):
        data = sock.recv(999)
        assert data, got
        got += data
    return got


def test_both_are_served_in_turn(both: Any) -> None:
    parts, secure, context = both
    with led(parts), connect(parts.address, None) as plain, connect(secure, context) as tls:
        for _ in range(20):
            assert ask(plain).endswith(b"\r\n\r\nhttp example.org:1 127.0.0.1 False!")
            assert ask(tls).endswith(b"\r\n\r\nhttps example.org:1 127.0.0.1 True!")
        kinds = {type(conn.transport) for conn in parts.table.by_fd.values()}
        assert kinds == {PlainTransport, TLSTransport}


def test_a_silent_client_of_one_holds_nobody_up(both: Any) -> None:
    parts, secure, context = both
    with led(parts), connect(secure, None), connect(parts.address, None) as plain, connect(secure, context) as tls:
        assert b"http " in ask(plain)
        assert b"https " in ask(tls)


def test_http_where_tls_is_wanted_and_the_reverse_are_a_400_without_tls(both: Any) -> None:
    parts, secure, context = both
    with led(parts), connect(secure, None) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert plain.recv(999).startswith(b"HTTP/1.1 400 ")
        assert plain.recv(999) == b""
        with pytest.raises(ssl.SSLError):
            connect(parts.address, context)


def test_at_drain_plain_connections_move_and_those_under_tls_get_a_last_answer(both: Any, adoption: Adoption) -> None:
    parts, secure, context = both
    with led(parts), connect(parts.address, None) as plain, connect(secure, context) as tls:
        assert b"Connection: close" not in ask(plain) + ask(tls)
        parts.say(Message.DRAIN)
        assert select.select([adoption], [], [], WAIT_S)[0]
        taken = adoption.take()
        assert taken is not None
        socket.socket(fileno=taken[0]).close()
        assert b"Connection: close\r\n" in ask(tls)
        assert tls.recv(1) == b""
        deadline = time.monotonic() + WAIT_S
        while not parts.lifecycle.over:
            assert time.monotonic() < deadline
            time.sleep(0.002)
    assert parts.row.cells[Cell.HANDED_OVER] == 1
