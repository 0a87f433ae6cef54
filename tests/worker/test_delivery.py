"""Answers whose body fails on the way: told while that can be done, broken off when not, logged and closed always."""

from __future__ import annotations

import hashlib
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker.rig import Rig, records
from webpy import HTTPError
from webpy.worker.connections.connection import Connection, Phase
from webpy.worker.exchanges.output import Output
from webpy.worker.http1.serializer import render

Make = Callable[..., Rig]


class Body:
    """Gives some pieces, then raises."""

    def __init__(self, error: BaseException, *pieces: bytes) -> None:
        self.error = error
        self.pieces = pieces
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        raise self.error

    def close(self) -> None:
        self.closed += 1


def pulled(parts: Rig, body: Body) -> tuple[Connection, socket.socket]:
    """A connection whose answer has this body, pulled by a pool thread (this one)."""
    conn, client = parts.connection(Phase.RUNNING)
    exchange = conn.exchange = parts.exchange(conn, "GET", "/body")
    exchange.output = Output(render(exchange.plan.head, None, (200, body), "now", False))
    exchange.pull(parts.row.activities[0])
    parts.turn()
    return conn, client


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("oops"), 500),
        (FileNotFoundError(2, "gone"), 500),
        (ConnectionResetError("by the database, not by the client"), 500),
        (SystemExit(), 500),
        (HTTPError(404), 404),
    ],
)
def test_a_body_that_fails_at_once_is_answered_with_an_error(rig: Make, error: BaseException, status: int) -> None:
    parts = rig()
    body = Body(error)
    conn, client = pulled(parts, body)
    assert client.recv(4096).startswith(b"HTTP/1.1 %d " % status)
    assert (conn.phase, body.closed) == (Phase.IDLE, 1)  # the connection goes on
    (record,) = records(parts.row)
    assert f'"GET /body HTTP/1.1" {status} ' in record
    told = isinstance(error, HTTPError)  # the client is, so the log need not be
    assert parts.complaints == ([] if told else ["the body of GET /body (_NotFound) broke off"])


@pytest.mark.parametrize("error", [RuntimeError("oops"), TimeoutError("of the database")])
def test_a_body_that_fails_later_is_broken_off_and_the_reason_logged(rig: Make, error: BaseException) -> None:
    parts = rig()
    body = Body(error, b"first", b"second")
    conn, client = pulled(parts, body)
    got = b""
    while data := client.recv(4096):
        got += data
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert got.endswith(b"5\r\nfirst\r\n6\r\nsecond\r\n")  # without the last chunk: nobody takes it for whole
    assert (conn.phase, body.closed) == (Phase.CLOSED, 1)
    (record,) = records(parts.row)
    assert '"GET /body HTTP/1.1" 200 ' in record
    assert len(parts.complaints) == 1


def test_a_client_that_is_gone_is_nobodys_fault(rig: Make) -> None:
    parts = rig()

    class Endless(Body):
        def __iter__(self) -> Iterator[Any]:
            while True:
                yield b"x" * 1000

    conn, client = parts.connection(Phase.RUNNING)
    client.close()
    body = Endless(RuntimeError())
    exchange = conn.exchange = parts.exchange(conn, "GET", "/body")
    exchange.output = Output(render(exchange.plan.head, None, (200, body), "now", False))
    exchange.pull(parts.row.activities[0])
    parts.turn()
    assert (conn.phase, body.closed, parts.complaints) == (Phase.CLOSED, 1, [])
    assert len(records(parts.row)) == 1


LONG = hashlib.shake_128(b"x").digest(5_000_000)


def test_a_long_answer_goes_on_by_turns_while_others_wait(rig: Make, tmp_path: Path) -> None:
    parts = rig()
    path = tmp_path / "long"
    path.write_bytes(LONG)
    for body in (LONG, path.open("rb")):
        conn, client = parts.connection(Phase.RUNNING)
        exchange = conn.exchange = parts.exchange(conn, "GET", "/long")
        exchange.output = output = Output(render(exchange.plan.head, None, (200, body), "now", False))
        parts.reactor.ready.append((-1, 0))
        exchange.send(leading=True)
        parts.reactor.ready.clear()
        assert (conn.phase, output.sent_bytes, list(parts.reactor.later)) == (Phase.WRITING, 0, [(conn.fd, 0)])
        assert parts.poll() == {}  # its turn comes without the poller

        client.setblocking(False)
        got = b""
        while conn.phase == Phase.WRITING:
            if parts.reactor.later:
                before = output.sent_bytes
                conn.protocol.on_event(conn, parts.reactor.later.popleft()[1])
                assert output.sent_bytes - before <= 1 << 20
            else:  # the socket is full: the poller tells when it is not
                assert parts.poll() == {}
                while len(got) < output.sent_bytes:
                    got += client.recv(1 << 20)
                assert parts.poll() == {conn.fd: select.EPOLLOUT}
                is_long = output.is_long(conn.transport)
                parts.reactor.ready.append((-1, 0))
                conn.protocol.on_event(conn, select.EPOLLOUT)  # others wait: it is put off again
                parts.reactor.ready.clear()
                assert list(parts.reactor.later) == ([(conn.fd, 0)] if is_long else [])
        client.settimeout(10)
        while len(got) < output.sent_bytes:
            got += client.recv(1 << 20)
        assert got.partition(b"\r\n\r\n")[2] == LONG
        assert conn.phase == Phase.IDLE
        assert not parts.reactor.crowded


def test_a_long_answer_is_sent_at_once_when_nobody_waits(rig: Make) -> None:
    parts = rig()
    conn, _ = parts.connection(Phase.RUNNING)
    exchange = conn.exchange = parts.exchange(conn, "GET", "/long")
    exchange.output = output = Output(render(exchange.plan.head, None, (200, LONG), "now", False))
    exchange.send(leading=True)
    assert output.sent_bytes
    assert not parts.reactor.later


def test_a_client_that_leaves_before_its_turn(rig: Make) -> None:
    parts = rig()
    conn, client = parts.connection(Phase.RUNNING)
    exchange = conn.exchange = parts.exchange(conn, "GET", "/long")
    exchange.output = Output(render(exchange.plan.head, None, (200, LONG), "now", False))
    parts.reactor.ready.append((-1, 0))
    exchange.send(leading=True)
    client.close()
    ((fd, event),) = parts.poll().items()
    assert fd == conn.fd
    conn.protocol.on_event(conn, event)
    assert (conn.phase, parts.complaints) == (Phase.CLOSED, [])
    assert conn.fd not in parts.table.by_fd  # what is left in the queue finds nobody
    assert len(records(parts.row)) == 1
