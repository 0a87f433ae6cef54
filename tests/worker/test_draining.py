"""How a worker ends: DRAIN lets connections go to others or waits for one more answer, STOP waits for nobody long.

Time is given, not waited for.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable

import pytest
import trustme

from tests.heads import head_bytes
from tests.worker.rig import Rig
from webpy.supervisor import CLOSED, Adoption, Cell, Message
from webpy.worker.connections.connection import Connection, Phase

Make = Callable[..., Rig]


def idle(parts: Rig, since_s: float, phase: Phase = Phase.IDLE) -> tuple[Connection, socket.socket]:
    conn, client = parts.connection(phase)
    conn.since_s = since_s
    return conn, client


def stay(parts: Rig) -> Connection:
    """A connection whose handler runs, so that the worker is not over."""
    return parts.connection(Phase.RUNNING)[0]


def queue_one(parts: Rig) -> None:
    parts.client()
    assert select.select([parts.listener], [], [], 5)[0]


# -- DRAIN ------------------------------------------------------------------------------------------------------------


def test_drain_leaves_what_is_queued_and_lets_go_of_all_that_waits(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption)
    parts.start()
    now = time.monotonic()
    moving = [idle(parts, now, phase)[0] for phase in (Phase.IDLE, Phase.NEW, Phase.HEAD, Phase.PIPELINED)]
    busy = [idle(parts, now, phase)[0] for phase in (Phase.BODY, Phase.RUNNING, Phase.STREAMING, Phase.LINGER)]
    queue_one(parts)
    parts.obey(Message.DRAIN)
    assert parts.lifecycle.draining
    assert parts.scoreboard.load[parts.row.index] == CLOSED
    assert parts.listener.fileno() == -1
    parts.housekeeping.tick(now)
    assert {conn.phase for conn in moving} == {Phase.CLOSED}
    assert list(parts.table.by_fd.values()) == busy
    assert parts.row.cells[Cell.HANDED_OVER] == len(moving)
    assert not parts.lifecycle.over
    assert not parts.lifecycle.closing
    assert parts.heads.plan(head_bytes()).plain  # answers keep their connections


def test_it_is_not_over_before_all_that_it_gave_has_been_taken(rig: Make, adoption: Adoption) -> None:
    """If everybody is told to stop meanwhile, it is there to take them back."""
    parts = rig(adoption=adoption)
    parts.start()
    now = time.monotonic()
    idle(parts, now)
    parts.obey(Message.DRAIN)
    parts.housekeeping.tick(now)
    assert (parts.table.by_fd, parts.lifecycle.over) == ({}, False)
    assert parts.reactor.wait_s <= 0.1
    taken = adoption.take()
    assert taken is not None
    socket.socket(fileno=taken[0]).close()
    parts.housekeeping.tick(now + 0.1)
    assert parts.lifecycle.over


def test_it_does_not_wait_for_ever_for_others_to_take_what_it_gave(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption, drain_timeout=20.0)
    parts.start()
    now = time.monotonic()
    idle(parts, now)
    parts.obey(Message.DRAIN)
    for later_s, over in ((0.0, False), (18.0, False), (19.5, True)):
        parts.housekeeping.tick(now + later_s)
        assert parts.lifecycle.over is over
    assert adoption.waits  # for whoever comes


def test_a_connection_that_becomes_idle_moves_too(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption)
    parts.start()
    stay(parts)
    conn = stay(parts)
    parts.obey(Message.DRAIN)
    now = time.monotonic()
    parts.housekeeping.tick(now)
    conn.since_s, conn.phase = now, Phase.IDLE  # a thread that did not know yet that the worker drains
    parts.housekeeping.tick(now + 0.06)
    assert conn.phase == Phase.CLOSED
    other = stay(parts)
    parts.http1.release(other, False)
    assert other.phase == Phase.CLOSED
    assert parts.row.cells[Cell.HANDED_OVER] == 2


def test_a_stop_after_a_drain_takes_back_what_nobody_took(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption)
    parts.start()
    now = time.monotonic()
    _, client = idle(parts, now)
    parts.obey(Message.DRAIN)
    parts.housekeeping.tick(now)
    assert parts.table.by_fd == {}
    parts.obey(Message.STOP)
    assert [conn.phase for conn in parts.table.by_fd.values()] == [Phase.IDLE]
    assert parts.lifecycle.closing
    parts.housekeeping.tick(now + 0.1)
    assert not parts.lifecycle.over
    parts.housekeeping.tick(now + 1.5)
    assert (parts.lifecycle.over, client.recv(1)) == (True, b"")


def test_connections_that_cannot_move_stay_for_one_more_answer(rig: Make) -> None:
    """Without an adoption socket, as under TLS."""
    parts = rig(drain_timeout=30.0)
    parts.start()
    now = time.monotonic()
    waiting = [idle(parts, now, phase)[0] for phase in (Phase.IDLE, Phase.NEW)]
    parts.obey(Message.DRAIN)
    assert parts.lifecycle.closing
    assert not parts.heads.plan(head_bytes()).plain
    asking, client = idle(parts, now)
    for later_s in (0.0, 5.0, 28.0):
        parts.housekeeping.tick(now + later_s)
        assert [conn.phase for conn in waiting] == [Phase.IDLE, Phase.NEW]
    client.sendall(b"GET")
    parts.housekeeping.tick(now + 29.5)  # the master would kill at 30
    assert [conn.phase for conn in waiting] == [Phase.CLOSED, Phase.CLOSED]
    assert asking.phase == Phase.IDLE  # the last look found something: the loop will answer
    assert not parts.lifecycle.over


def test_a_connection_under_tls_does_not_move(rig: Make, adoption: Adoption) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    parts = rig(adoption=adoption, tls=context)
    parts.start()
    now = time.monotonic()
    conn, _ = idle(parts, now)
    parts.obey(Message.DRAIN)
    parts.housekeeping.tick(now)
    assert (conn.phase, adoption.waits) == (Phase.IDLE, False)
    assert (parts.lifecycle.closing, parts.lifecycle.handover) == (True, None)


def test_what_could_not_move_by_the_end_is_answered_with_an_end(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption, drain_timeout=1.0)
    parts.start()
    stay(parts)
    now = time.monotonic()
    parts.obey(Message.DRAIN)
    parts.housekeeping.tick(now + 0.5)
    assert not parts.lifecycle.closing
    parts.housekeeping.tick(now + 0.9)
    assert parts.lifecycle.closing


# -- STOP -------------------------------------------------------------------------------------------------------------


def test_stop_takes_what_is_queued_everywhere(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption)
    parts.start()
    queue_one(parts)
    other = rig(adoption=adoption)
    other.start()
    idle(other, time.monotonic())
    parts.scoreboard.load[0] = 0  # others with fewer do not matter any more
    other.obey(Message.DRAIN)
    other.housekeeping.tick(time.monotonic())
    parts.obey(Message.STOP)
    assert parts.lifecycle.draining
    assert parts.scoreboard.load[parts.row.index] == CLOSED
    assert sorted(conn.phase for conn in parts.table.by_fd.values()) == [Phase.IDLE, Phase.NEW]
    parts.housekeeping.tick(time.monotonic())
    assert not parts.lifecycle.over
    assert not parts.heads.plan(head_bytes()).plain


def test_stop_gives_a_moment_to_clients_that_were_active_lately(rig: Make) -> None:
    parts = rig()
    parts.start()
    now = time.monotonic()
    lately = idle(parts, now - 3.0)[0]
    new = idle(parts, now - 0.1, Phase.NEW)[0]
    long_ago = idle(parts, now - 20.0)[0]
    asking, client = idle(parts, now - 20.0)
    client.sendall(b"GET")
    parts.obey(Message.STOP)
    parts.housekeeping.tick(now + 0.1)
    phases = [conn.phase for conn in (lately, new, long_ago, asking)]
    assert phases == [Phase.IDLE, Phase.NEW, Phase.CLOSED, Phase.IDLE]
    parts.housekeeping.tick(now + 0.9)
    assert (lately.phase, new.phase) == (Phase.IDLE, Phase.NEW)
    parts.housekeeping.tick(now + 1.2)
    assert (lately.phase, new.phase) == (Phase.CLOSED, Phase.CLOSED)
    assert not parts.lifecycle.over  # one has asked


def test_stop_accepts_on_for_that_moment_and_looks_once_more_at_the_end(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption)
    parts.start()
    conn = stay(parts)
    parts.obey(Message.STOP)
    now = time.monotonic()
    parts.housekeeping.tick(now)
    queue_one(parts)
    parts.table.forget(conn)
    parts.housekeeping.tick(now + 0.1)
    (late,) = parts.table.by_fd.values()
    assert (late.phase, parts.lifecycle.over) == (Phase.NEW, False)
    late.since_s = now + 0.9
    parts.housekeeping.tick(now + 1.05)
    assert parts.listener.fileno() == -1
    assert not parts.lifecycle.over
    parts.housekeeping.tick(now + 2.0)
    assert parts.lifecycle.over
    assert parts.poll() == {}  # whoever comes now is not taken into a worker that ends


def test_stop_twice_is_stop_once(rig: Make) -> None:
    parts = rig()
    parts.start()
    stay(parts)
    now = time.monotonic()
    conn = idle(parts, now)[0]
    parts.obey(Message.STOP)
    parts.housekeeping.tick(now + 0.9)
    parts.obey(Message.STOP)
    parts.obey(Message.DRAIN)
    parts.housekeeping.tick(now + 1.1)
    assert conn.phase == Phase.CLOSED


@pytest.mark.parametrize("message", [Message.DRAIN, Message.STOP])
def test_no_idle_connection_outlives_the_drain_timeout(rig: Make, message: Message) -> None:
    parts = rig(drain_timeout=0.4)
    parts.start()
    now = time.monotonic()
    conn = idle(parts, now)[0]
    parts.obey(message)
    parts.housekeeping.tick(now + 0.2)
    assert conn.phase == Phase.IDLE
    parts.housekeeping.tick(now + 0.35)
    assert (conn.phase, parts.lifecycle.over) == (Phase.CLOSED, True)
