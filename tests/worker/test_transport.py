"""A connection's socket: plain and under TLS, its end, and what waits unread in it."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from webpy.framework.origin import Origin
from webpy.worker.connections.connection import Connection, Phase
from webpy.worker.connections.transport import PlainTransport, TLSTransport


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname(), timeout=10)
        ours, _ = listener.accept()
    with ours, theirs:
        yield ours, theirs


def connection(sock: socket.socket) -> Connection:
    sock.setblocking(False)
    transport = TLSTransport(sock) if isinstance(sock, ssl.SSLSocket) else PlainTransport(sock)
    return Connection(transport, Origin(("192.0.2.1", 5), "http"), (b"192.0.2.1", b"192.0.2.1".ljust(40)), 7.0)


@pytest.fixture
def shaken(pair: tuple[socket.socket, socket.socket], contexts: Any) -> Iterator[tuple[Connection, ssl.SSLSocket]]:
    """Both ends after a handshake."""
    server, client = contexts
    # Python 3.11.2 sets it, and then nobody learns of a missing close_notify
    client.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    pair[0].setblocking(False)
    ours = server.wrap_socket(pair[0], server_side=True, do_handshake_on_connect=False)
    pair[1].setblocking(False)
    theirs = client.wrap_socket(pair[1], server_hostname="localhost", do_handshake_on_connect=False)
    done: set[ssl.SSLSocket] = set()
    while len(done) < 2:
        for side in (ours, theirs):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
                done.add(side)
    theirs.settimeout(10)
    with ours, theirs:
        yield connection(ours), theirs


def test_a_new_connection_waits_for_its_first_byte(pair: tuple[socket.socket, socket.socket]) -> None:
    conn = connection(pair[0])
    assert (conn.phase, conn.since_s, conn.tls, conn.origin.client_address) == (Phase.NEW, 7.0, None, ("192.0.2.1", 5))
    assert (conn.buffer, conn.parked, conn.exchange) == (b"", False, None)


def test_idle_is_the_phase_the_loop_can_tell_without_a_look_at_the_name() -> None:
    assert not Phase.IDLE
    assert all(phase for phase in Phase if phase is not Phase.IDLE)


def test_it_sends_and_receives(pair: tuple[socket.socket, socket.socket]) -> None:
    conn = connection(pair[0])
    assert conn.send(b"hello") == 5
    assert pair[1].recv(9) == b"hello"
    with pytest.raises(BlockingIOError):
        conn.recv(9)


def test_under_tls_likewise(shaken: tuple[Connection, ssl.SSLSocket]) -> None:
    conn, theirs = shaken
    assert conn.tls is conn.transport.sock
    assert conn.send(b"hello") == 5
    assert theirs.recv(9) == b"hello"
    with pytest.raises(ssl.SSLWantReadError):
        conn.recv(9)
    conn.transport.close()
    assert theirs._sslobj.read(9) == b""  # type: ignore[attr-defined]  # close_notify: without one, SSLEOFError


def test_it_receives_into_a_place(pair: tuple[socket.socket, socket.socket]) -> None:
    transport, place = connection(pair[0]).transport, bytearray(4)
    with pytest.raises(BlockingIOError):
        transport.receive_into(memoryview(place))
    pair[1].sendall(b"abcdef")
    assert (transport.receive_into(memoryview(place)), bytes(place), transport.held_bytes()) == (4, b"abcd", 0)
    assert transport.receive_into(memoryview(place)) == 2
    pair[1].close()
    assert transport.receive_into(memoryview(place)) == 0


def test_under_tls_a_place_takes_several_records_and_says_what_is_held(
    shaken: tuple[Connection, ssl.SSLSocket],
) -> None:
    conn, theirs = shaken
    transport, place = conn.transport, bytearray(40_000)
    with pytest.raises(ssl.SSLWantReadError):
        transport.receive_into(memoryview(place))
    sent = bytes(range(250)) * 180  # in records of 16 KB
    for _ in range(2):
        theirs.sendall(sent)
        received = 0
        while received < len(place):
            with contextlib.suppress(ssl.SSLWantReadError):  # it is on its way
                received += transport.receive_into(memoryview(place)[received:])
        assert (bytes(place) == sent[:40_000], transport.held_bytes()) == (True, 5_000)
        assert conn.recv(65536) == sent[40_000:]
        assert transport.held_bytes() == 0
    theirs.shutdown(socket.SHUT_WR)  # closing with session tickets unread would reset the connection
    assert transport.receive_into(memoryview(place)) == 0


def test_the_end_of_sending_is_told_and_what_comes_is_taken(pair: tuple[socket.socket, socket.socket]) -> None:
    conn = connection(pair[0])
    conn.transport.end_sending()
    assert pair[1].recv(9) == b""
    pair[1].sendall(b"more")
    pair[0].setblocking(True)
    assert conn.transport.sock.recv(9) == b"more"


def test_the_end_of_sending_under_tls_is_close_notify(shaken: tuple[Connection, ssl.SSLSocket]) -> None:
    conn, theirs = shaken
    conn.transport.end_sending()
    assert theirs._sslobj.read(9) == b""  # type: ignore[attr-defined]  # close_notify: without one, SSLEOFError
    theirs.sendall(b"more")
    conn.transport.sock.setblocking(True)
    assert conn.transport.sock.recv(99)  # as it is on the wire: nobody is to understand it any more


def test_without_politeness_there_is_no_close_notify(shaken: tuple[Connection, ssl.SSLSocket]) -> None:
    conn, theirs = shaken
    conn.transport.abort()
    with pytest.raises((ssl.SSLError, ConnectionResetError)):  # SSLEOFError from Python 3.11.3 on
        theirs._sslobj.read(9)  # type: ignore[attr-defined]


def test_what_waits_unread(pair: tuple[socket.socket, socket.socket]) -> None:
    conn = connection(pair[0])
    assert not conn.transport.unread()
    pair[1].sendall(b"x")
    pair[0].setblocking(True)
    assert pair[0].recv(1, socket.MSG_PEEK)
    pair[0].setblocking(False)
    assert conn.transport.unread()
    assert conn.recv(9) == b"x"  # it was only looked at
    assert not conn.transport.unread()
    pair[1].close()
    assert not conn.transport.unread()


def test_closing_is_the_last_phase_and_may_come_after_the_peers(pair: tuple[socket.socket, socket.socket]) -> None:
    conn = connection(pair[0])
    pair[1].close()
    conn.transport.end_sending()
    conn.transport.close()
    assert conn.transport.sock.fileno() == -1
    assert not conn.transport.unread()


def test_the_address_that_the_client_connected_to(pair: tuple[socket.socket, socket.socket]) -> None:
    assert connection(pair[0]).server_address == pair[1].getpeername()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert connection(ours).server_address == ("unix", 0)


@pytest.mark.parametrize("end", ["close", "half", "own"])
def test_whether_the_client_has_gone(pair: tuple[socket.socket, socket.socket], end: str) -> None:
    conn = connection(pair[0])
    pair[1].sendall(b"more")
    assert not conn.gone
    if end == "close":
        pair[1].close()
    elif end == "half":
        pair[1].shutdown(socket.SHUT_WR)
    else:
        conn.transport.close()
        conn.phase = Phase.CLOSED
    assert conn.gone
