"""What the worker's parts share: connections and the poller, calls to the leader, counting, and the end."""

from __future__ import annotations

import logging
import select
import socket
import struct
import threading
from collections.abc import Callable

import pytest

from tests.worker.rig import Rig, records
from webpy.supervisor import BUCKETS, CLOSED, Cell
from webpy.worker.connections.connection import Phase
from webpy.worker.exchanges.exchange import Exchange
from webpy.worker.exchanges.output import Output

Make = Callable[..., Rig]


# -- connections ------------------------------------------------------------------------------------------------------


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


# -- parking: a connection whose handler runs elsewhere ---------------------------------------------------------------


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


# -- calls to the leader ----------------------------------------------------------------------------------------------


def test_calls_from_any_thread_are_made_by_the_leader_in_order(rig: Make) -> None:
    parts = rig()
    made: list[tuple[int, int]] = []

    def call(number: int) -> None:
        made.append((number, threading.get_ident()))

    def ask() -> None:
        for number in range(100):
            parts.reactor.call(call, number)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(10)
    assert not made
    parts.turn(5)
    assert made == [(number, threading.get_ident()) for number in range(100)]
    assert parts.poll() == {}  # the bell is silent again


def test_a_call_made_by_a_call_is_not_forgotten(rig: Make) -> None:
    parts = rig()
    made: list[str] = []
    parts.reactor.call(lambda: parts.reactor.call(made.append, "second"))
    while parts.poll():
        parts.turn()
    assert made == ["second"]


# -- counting and the log ---------------------------------------------------------------------------------------------


def answered(exchange: Exchange, status: int, body_bytes: int) -> Exchange:
    """The exchange, as if an answer had been sent whole."""
    exchange.output = Output.of_plain(status, b"head" + bytes(body_bytes), body_bytes)
    exchange.output.skip(4 + body_bytes)
    return exchange


@pytest.mark.parametrize("leading", [True, False])
def test_an_answer_is_logged_and_counted_in_the_lane_of_its_thread(rig: Make, leading: bool) -> None:
    parts = rig()
    conn, _ = parts.connection()
    parts.recorder.record(answered(parts.exchange(conn), 404, 17), leading)
    (record,) = records(parts.row)
    assert record.startswith("192.0.2.1 - - [")
    assert record.endswith('"GET /a HTTP/1.1" 404 17')
    lane, other = (parts.row.lead, parts.row.pool) if leading else (parts.row.pool, parts.row.lead)
    assert sum(lane.latency[4 * BUCKETS : 5 * BUCKETS]) == sum(lane.latency) == 1
    assert sum(other.latency) == 0


def test_what_pool_threads_count_is_not_lost_and_wakes_the_master(rig: Make) -> None:
    parts = rig()
    conn, _ = parts.connection()
    exchange = parts.exchange(conn)
    parts.scoreboard.asleep[0] = 1

    def many() -> None:
        for _ in range(200):
            parts.recorder.record_plain(exchange, 200, 5, 100, parts.row.lines[0])

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    parts.recorder.count_sent(1)
    assert len(records(parts.row)) == 800
    assert sum(parts.row.pool.latency) == 800
    assert parts.row.cells[Cell.BYTES_SENT] == 80_001
    assert select.select([parts.scoreboard.doorbell_reader], [], [], 0)[0]
    parts.recorder.count_sent(0)
    assert parts.row.cells[Cell.BYTES_SENT] == 80_001


def test_without_an_access_log_answers_are_counted_all_the_same(rig: Make) -> None:
    parts = rig(access_log="off")
    conn, _ = parts.connection()
    exchange = answered(parts.exchange(conn), 200, 1)
    parts.recorder.record(exchange, True)
    parts.recorder.record_plain(exchange, 200, 1, 9, parts.row.lines[0])
    assert records(parts.row) == []
    assert sum(parts.row.lead.latency) + sum(parts.row.pool.latency) == 2


@pytest.mark.parametrize("leading", [True, False])
def test_a_logger_may_stand_for_the_access_log(rig: Make, leading: bool) -> None:
    lines: list[str] = []
    log = logging.Logger("http")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    parts = rig(http_log=log, access_log="off")
    conn, _ = parts.connection()
    parts.recorder.record(answered(parts.exchange(conn, "GET", "/?100%"), 200, 1), leading)
    assert (lines == []) == leading  # the leader's is told once it has left the lead
    parts.do_chores()
    assert records(parts.row) == []
    (line,) = lines
    assert line.endswith('"GET /?100% HTTP/1.1" 200 1')


# -- the end ----------------------------------------------------------------------------------------------------------


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
