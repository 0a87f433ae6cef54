"""The connections of a worker: coming and going, parking, and the load that others see."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable

import pytest

from tests.worker.rig import Rig
from webpy.supervisor import CLOSED, Cell
from webpy.worker.connections.connection import Phase

Make = Callable[..., Rig]


def test_a_connection_is_counted_watched_and_forgotten(rig: Make) -> None:
    parts = rig()
    table, cells = parts.table, parts.row.cells
    conn, client = parts.connection()
    assert (table.by_fd, cells[Cell.ACCEPTED], cells[Cell.CONNECTIONS]) == ({conn.fd: conn}, 1, 1)
    assert parts.scoreboard.load[parts.row.index] == 1
    client.sendall(b"x")
    assert parts.poll(5)[conn.fd] & select.EPOLLIN
    table.forget(conn)
    table.forget(conn)  # once is enough
    assert (table.by_fd, cells[Cell.ACCEPTED], cells[Cell.CONNECTIONS]) == ({}, 1, 0)
    assert parts.scoreboard.load[parts.row.index] == 0
    assert conn.phase == Phase.CLOSED
    with pytest.raises(ConnectionResetError):  # a byte was left unread
        client.recv(1)


def test_forgetting_a_parked_connection(rig: Make) -> None:
    parts = rig()
    conn, client = parts.connection(Phase.RUNNING)
    parts.table.park(conn)
    parts.table.forget(conn)
    assert (client.recv(1), parts.table.by_fd) == (b"", {})


def test_parting_at_once_when_nothing_is_unread(rig: Make) -> None:
    parts = rig()
    conn, client = parts.connection()
    parts.http1.lingering_close(conn)
    assert (conn.phase, client.recv(1)) == (Phase.CLOSED, b"")


@pytest.mark.parametrize("where", ["buffer", "socket"])
def test_parting_lingers_when_the_client_still_sends(rig: Make, where: str) -> None:
    parts = rig()
    conn, client = parts.connection()
    conn.send(b"the answer")
    if where == "buffer":
        conn.buffer = b"more"
    else:
        client.sendall(b"more")
    parts.http1.lingering_close(conn)
    assert (conn.phase, conn.buffer) == (Phase.LINGER, b"")
    assert client.recv(99) == b"the answer"
    assert client.recv(99) == b""  # the end is told, and no reset has eaten the answer
    client.sendall(b"still more")
    assert conn.fd in parts.poll(5)
    parts.http1.on_event(conn, select.EPOLLIN)
    assert conn.phase == Phase.LINGER
    client.close()
    parts.http1.on_event(conn, select.EPOLLIN)
    assert conn.phase == Phase.CLOSED


def test_aborting_resets_so_that_nobody_takes_the_answer_for_whole(rig: Make) -> None:
    parts = rig()
    parts.acceptor.start()
    client = parts.client()
    while not parts.table.by_fd:
        parts.turn(5)
    (conn,) = parts.table.by_fd.values()
    parts.table.abort(conn)
    parts.table.abort(conn)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert conn.phase == Phase.CLOSED
    linger = struct.unpack("ii", client.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
    assert linger[0] == 0  # it was ours that was set


def test_a_parked_connection_is_not_listened_to_until_it_is_watched_again(rig: Make) -> None:
    parts = rig()
    conn, client = parts.connection(Phase.RUNNING)
    client.sendall(b"x")
    assert conn.fd in parts.poll(5)
    parts.table.park(conn)
    assert (conn.parked, conn.fd in parts.poll(), parts.watched(conn)) == (True, False, False)
    parts.table.watch(conn, select.EPOLLIN)
    assert (conn.parked, conn.fd in parts.poll(5)) == (False, True)


def test_parking_one_that_has_just_ended_watches_it_again(rig: Make) -> None:
    parts = rig()
    conn, client = parts.connection(Phase.RUNNING)
    conn.phase = Phase.IDLE  # the pool thread, between the leader's look and this call
    parts.table.park(conn)
    client.sendall(b"x")
    assert (conn.parked, conn.fd in parts.poll(5)) == (False, True)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase != Phase.IDLE])
def test_unparking_is_for_those_that_still_wait(rig: Make, phase: Phase) -> None:
    """The call may come late: the next request may run by then, or the connection be gone."""
    parts = rig()
    conn, _ = parts.connection(phase)
    parts.table.park(conn)
    parts.table.unpark(conn)
    assert (conn.parked, conn.phase, parts.watched(conn)) == (True, phase, False)


def test_unparking_twice(rig: Make) -> None:
    parts = rig()
    conn, _ = parts.connection(Phase.RUNNING)
    parts.table.park(conn)
    conn.phase = Phase.IDLE
    for _ in range(2):
        parts.table.unpark(conn)
        assert (conn.parked, conn.phase, parts.watched(conn)) == (False, Phase.IDLE, True)


def test_the_last_connection_of_a_draining_worker_brings_housekeeping(rig: Make) -> None:
    parts = rig()
    reactor, table = parts.reactor, parts.table
    first, _ = parts.connection()
    second, _ = parts.connection()
    reactor.due_s = reactor.wait_s = 1e9
    parts.lifecycle.draining = True
    parts.scoreboard.load[parts.row.index] = CLOSED
    table.forget(first)
    assert reactor.due_s == 1e9
    table.forget(second)
    assert reactor.due_s == reactor.wait_s == 0.0
    assert parts.scoreboard.load[parts.row.index] == CLOSED  # it accepts no more, however few it has
    assert parts.row.cells[Cell.CONNECTIONS] == 0


def test_letting_go_of_a_connection_ends_nothing_of_it(rig: Make) -> None:
    for parked in (False, True):
        parts = rig()
        conn, client = parts.connection(Phase.RUNNING)
        if parked:
            parts.table.park(conn)
        with conn.transport.sock.dup() as elsewhere:
            client.sendall(b"unread")
            parts.table.let_go(conn)
            assert (conn.phase, parts.table.by_fd, parts.poll()) == (Phase.CLOSED, {}, {})
            assert elsewhere.recv(99) == b"unread"
            elsewhere.sendall(b"answer")
            assert client.recv(99) == b"answer"
        parts.table.forget(conn)
        parts.table.unpark(conn)  # a pool thread's last word, overtaken
        assert parts.row.cells[Cell.HANDED_OVER] == 1
