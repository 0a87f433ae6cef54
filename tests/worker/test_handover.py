"""Handing over: the message, which connections move, and that nothing a client sent is lost on the way.

Two workers' parts share an adoption socket; the test leads both.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable

import pytest

from tests.heads import head_bytes
from tests.worker.rig import Rig, records
from webpy import HTTPHandler
from webpy.framework.origin import Origin
from webpy.supervisor import Adoption, Cell, Message
from webpy.worker.connections.connection import Connection, Phase, Relay
from webpy.worker.connections.handover import Arrival, Handover, pack, unpack
from webpy.worker.exchanges.plan import Plan

Make = Callable[..., Rig]

MOVABLE = [Phase.IDLE, Phase.NEW, Phase.HEAD, Phase.PIPELINED]


class Hello(HTTPHandler):
    def do_get(self) -> object:
        return 200, "hello"


# -- the message ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", MOVABLE)
@pytest.mark.parametrize("address", [("127.0.0.1", 65535), ("2001:db8::1", 1), ("unix", 0), ("fe80::1%é", 7)])
@pytest.mark.parametrize("buffer", [b"", b"GET / HTTP", bytearray(b"\0\xff" * 9000)])
@pytest.mark.parametrize(
    ("scheme", "relay", "server"),
    [("http", Relay.NONE, None), ("https", Relay.NAMED, ("2001:db8::2", 443)), ("http", Relay.UNNAMED, None)],
)
def test_a_message_tells_what_was_packed(
    phase: Phase, address: tuple[str, int], buffer: bytes, scheme: str, relay: Relay, server: tuple[str, int] | None
) -> None:
    arrival = Arrival(phase, 1.25, Origin(address, scheme), bytes(buffer), relay, server)
    assert unpack(pack(arrival._replace(buffer=buffer))) == arrival


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "version none .* wanted 02"),
        (b"\1" + bytes(40), "version 01 .* wanted 02"),
        (b"\2\0", "2 bytes"),
        (pack(Arrival(Phase.RUNNING, 0.0, Origin(("a", 1), "http"), b"")), r"phase 6 .* \[0, 1, 3, 5\]"),
    ],
)
def test_a_message_that_is_none_is_named(message: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        unpack(message)


# -- which connections move -------------------------------------------------------------------------------------------


def adopt(parts: Rig) -> Connection:
    """The connection that this worker has taken."""
    before = set(parts.table.by_fd)
    while set(parts.table.by_fd) == before:
        assert parts.poll(5), "nothing was given"
        parts.turn()
    (fd,) = set(parts.table.by_fd) - before
    return parts.table.by_fd[fd]


@pytest.mark.parametrize("phase", list(Phase))
def test_only_those_that_wait_for_a_request_move(rig: Make, adoption: Adoption, phase: Phase) -> None:
    parts = rig(adoption=adoption)
    conn, _ = parts.connection(phase)
    moved = Handover(adoption, parts.table.let_go).give(conn, 5.0)
    assert moved is (phase in MOVABLE) is adoption.waits
    assert parts.row.cells[Cell.HANDED_OVER] == moved
    if moved:
        assert (conn.phase, conn.transport.sock.fileno(), parts.table.by_fd) == (Phase.CLOSED, -1, {})
    if phase == Phase.CLOSED:
        conn.phase = Phase.IDLE  # so that the rig closes it


def test_what_the_client_sent_and_nobody_read_is_there(rig: Make, adoption: Adoption) -> None:
    old, new = rig(adoption=adoption), rig({"/.*": Hello}, adoption=adoption)
    new.acceptor.start()
    conn, client = old.connection(Phase.IDLE)
    conn.since_s = time.monotonic() - 60.0
    client.sendall(head_bytes())
    assert conn.fd in old.poll(5)  # the loop has seen it, and has not come to it yet
    assert Handover(adoption, old.table.let_go).give(conn, time.monotonic())
    assert old.poll() == {}
    moved = adopt(new)
    assert (moved.phase, moved.origin.client_address, moved.peer) == (Phase.IDLE, ("192.0.2.1", 1), conn.peer)
    assert 60.0 <= time.monotonic() - moved.since_s < 65.0  # it has been idle all the while
    assert moved.fd in new.poll(5)
    assert moved.recv(999) == head_bytes()
    client.close()
    assert moved.recv(999) == b""


def test_a_head_that_has_begun_goes_on(rig: Make, adoption: Adoption) -> None:
    old, new = rig(adoption=adoption), rig({"/.*": Hello}, adoption=adoption)
    new.acceptor.start()
    conn, client = old.connection(Phase.NEW)
    client.sendall(head_bytes()[:20])
    assert old.reading.first(conn, 0) is None
    assert conn.phase == Phase.HEAD
    conn.since_s = began = time.monotonic() - 4.0
    assert Handover(adoption, old.table.let_go).give(conn, time.monotonic())
    moved = adopt(new)
    assert abs(moved.since_s - began) < 2.0  # header-timeout counts on
    client.sendall(head_bytes()[20:])
    assert moved.fd in new.poll(5)
    begun = new.reading.more_head(moved, select.EPOLLIN)
    assert begun is not None
    assert begun.plan.handler is Hello


def test_pipelined_requests_are_answered_in_order(rig: Make, adoption: Adoption) -> None:
    old, new = rig(adoption=adoption), rig({"/.*": Hello}, adoption=adoption)
    new.acceptor.start()
    conn, client = old.connection(Phase.RUNNING)
    conn.buffer = head_bytes("GET", "/2") + head_bytes("GET", "/3")
    client.sendall(head_bytes("GET", "/4"))
    old.lifecycle.draining = True
    old.lifecycle.handover = Handover(adoption, old.table.let_go)
    old.http1.release(conn, False)  # the first one's answer has left
    assert conn.phase == Phase.CLOSED
    moved = adopt(new)
    assert list(new.reactor.ready) == [(moved.fd, 0)]
    asked = []
    while moved.phase == Phase.PIPELINED:
        begun = new.reading.next(moved, 0)
        assert begun is not None
        asked.append(begun.plan.head.resource)
        new.http1.release(moved, False)
    asked.append(new.reading.begin(moved, moved.recv(999))[0].head.resource)  # type: ignore[index]
    assert asked == ["/2", "/3", "/4"]


def test_more_bytes_than_fit_stay_where_they_are(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption, max_headers=100_000)
    conn, _ = parts.connection(Phase.HEAD)
    handover = Handover(adoption, parts.table.let_go)
    conn.buffer = b"x" * (32 * 1024 + 1)
    assert not handover.give(conn, 0.0)
    conn.buffer = b"x" * (32 * 1024)
    assert handover.give(conn, 0.0)
    assert len((adoption.take() or (0, b""))[1]) > 32 * 1024


# -- races ------------------------------------------------------------------------------------------------------------


def test_a_ready_event_of_a_connection_that_has_left_harms_nobody(rig: Make, adoption: Adoption) -> None:
    """The descriptor's number may be another connection's by then."""
    parts = rig(adoption=adoption)
    conn, client = parts.connection(Phase.PIPELINED)
    fd = conn.fd
    conn.buffer = head_bytes()
    parts.reactor.ready.append((fd, 0))
    assert Handover(adoption, parts.table.let_go).give(conn, 0.0)
    other, _ = parts.connection(Phase.IDLE)
    assert other.fd == fd
    with pytest.raises(BlockingIOError):
        other.recv(1)  # what the loop does with the event
    other.phase = Phase.NEW
    assert parts.reading.first(other, 0) is None
    assert (other.phase, parts.table.by_fd) == (Phase.NEW, {fd: other})
    client.close()


@pytest.mark.parametrize("parked", [False, True])
def test_a_pool_thread_that_has_just_finished(rig: Make, adoption: Adoption, parked: bool) -> None:
    """It sets IDLE and then looks whether the connection was parked: the leader may have given it away in between."""
    parts = rig(adoption=adoption)
    conn, client = parts.connection(Phase.RUNNING)
    if parked:
        client.sendall(head_bytes())
        parts.table.park(conn)
    conn.phase = Phase.IDLE
    assert Handover(adoption, parts.table.let_go).give(conn, 0.0)
    parts.reactor.call(parts.table.unpark, conn)
    parts.reactor.call(parts.http1.release, conn, False)
    parts.turn(5)
    assert (conn.phase, parts.table.by_fd) == (Phase.CLOSED, {})
    taken = adoption.take()
    assert taken is not None
    with socket.socket(fileno=taken[0]) as moved:
        if parked:
            assert moved.recv(999) == head_bytes()
        moved.sendall(b"answer")
        assert client.recv(99) == b"answer"


@pytest.mark.parametrize("kind", ["plain", "settled", "streamed"])
def test_an_answer_of_a_pool_thread_lets_its_connection_go_at_once(rig: Make, adoption: Adoption, kind: str) -> None:
    class Answers(HTTPHandler):
        def do_get(self) -> object:
            if kind == "plain":
                return 200, "yes"
            return (200, "Fine", "yes") if kind == "settled" else (200, iter([b"y", b"es"]))

    parts = rig({"/.*": Answers}, adoption=adoption)
    parts.start()
    conn, client = parts.connection(Phase.IDLE)
    parts.dispatched(conn, begun(parts, conn, client))
    parts.obey(Message.DRAIN)
    parts.housekeeping.tick(time.monotonic())
    if conn.phase != Phase.CLOSED:  # the thread may have been quicker
        assert not parts.lifecycle.over
    while not parts.lifecycle.over:
        parts.turn(0.01)
        while taken := adoption.take():
            os.close(taken[0])  # the client's connection, as far as this test goes
        parts.housekeeping.tick(time.monotonic())
    answer = b""
    while b"yes" not in answer.replace(b"1\r\n", b"").replace(b"2\r\n", b"").replace(b"\r\n", b""):
        answer += client.recv(999)
    assert b"\r\nConnection: close" not in answer
    assert parts.row.cells[Cell.HANDED_OVER] == 1
    assert len(records(parts.row)) == 1


def begun(parts: Rig, conn: Connection, client: socket.socket) -> tuple[Plan, object]:
    client.sendall(head_bytes())
    assert conn.fd in parts.poll(5)
    found = parts.reading.begin(conn, conn.recv(999))
    assert found is not None
    return found


# -- when it cannot be done -------------------------------------------------------------------------------------------


def test_when_too_many_wait_the_others_are_tried_again(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption)
    parts.start()
    ours = [parts.connection(Phase.IDLE)[0] for _ in range(3)]
    for conn in ours:
        conn.since_s = time.monotonic()
    room = [True, False]
    adoption_give = adoption.give

    class Narrow:
        waits = True

        def give(self, fd: int, data: bytes) -> bool:
            return room.pop(0) and adoption_give(fd, data)

    parts.obey(Message.DRAIN)
    handover = parts.lifecycle.handover
    assert handover is not None
    handover._adoption = Narrow()  # type: ignore[assignment]
    now = time.monotonic()
    parts.housekeeping.tick(now)
    assert (len(parts.table.by_fd), handover.full, room) == (2, True, [])  # one try was enough
    assert parts.reactor.wait_s <= 0.01
    room += [True, True]
    parts.housekeeping.tick(now + 0.01)
    assert parts.table.by_fd == {}


def test_when_it_cannot_be_done_at_all_answers_end_their_connections(rig: Make, adoption: Adoption) -> None:
    parts = rig({"/.*": Hello}, adoption=adoption)
    parts.start()
    conn, _ = parts.connection(Phase.IDLE)
    conn.since_s = time.monotonic()

    class Broken:
        waits = False

        def give(self, fd: int, data: bytes) -> bool:
            raise OSError(errno.EPERM, "Operation not permitted")

    parts.obey(Message.DRAIN)
    assert parts.lifecycle.handover is not None
    assert not parts.lifecycle.closing
    parts.lifecycle.handover._adoption = Broken()  # type: ignore[assignment]
    parts.housekeeping.tick(time.monotonic())
    assert (conn.phase, parts.lifecycle.closing, parts.lifecycle.handover) == (Phase.IDLE, True, None)
    assert parts.complaints == [
        "connections cannot be handed over (Operation not permitted); each ends with its next answer"
    ]
    assert not parts.heads.plan(head_bytes()).plain
