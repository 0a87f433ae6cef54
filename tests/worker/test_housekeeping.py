"""What is done once a second and when the master says so: timeouts, the clock, draining.

Time is given, not waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.worker.rig import Rig, records
from webpy.framework.answer import Answer
from webpy.supervisor import Cell, Message
from webpy.worker.connections.connection import Connection, Phase
from webpy.worker.exchanges.output import Output

Make = Callable[..., Rig]

LIMITS = {"keepalive": 75.0, "header_timeout": 10.0, "body_timeout": 30.0, "write_timeout": 60.0}


def aged(parts: Rig, phase: Phase) -> Connection:
    """A connection that entered its phase at 1000.0."""
    conn, client = parts.connection(phase)
    client.setblocking(False)
    conn.since_s = 1000.0
    return conn


# -- timeouts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "limit_s"),
    [
        (Phase.IDLE, 75.0),
        (Phase.NEW, 75.0),
        (Phase.HANDSHAKE, 10.0),
        (Phase.HEAD, 10.0),
        (Phase.LINGER, 2.0),
    ],
)
def test_each_wait_has_its_limit(rig: Make, phase: Phase, limit_s: float) -> None:
    parts = rig(**LIMITS)
    conn = aged(parts, phase)
    conn.buffer = b"GET" if phase == Phase.HEAD else b""
    parts.housekeeping.tick(1000.0 + limit_s - 0.5)
    assert conn.phase == phase
    parts.housekeeping.tick(1000.0 + limit_s + 1.0)
    assert conn.phase == (Phase.LINGER if phase == Phase.HEAD else Phase.CLOSED)


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PIPELINED])
def test_a_handler_that_runs_is_not_cut_off(rig: Make, phase: Phase) -> None:
    parts = rig(**LIMITS)
    conn = aged(parts, phase)
    parts.housekeeping.tick(1e9)
    assert conn.phase == phase


def test_every_phase_has_a_limit(rig: Make) -> None:
    parts = rig()
    assert set(parts.http1._limits_s) == set(Phase) - {Phase.CLOSED, Phase.HANDSHAKE, Phase.OTHER}


def test_a_head_that_does_not_come_is_answered_once_and_logged(rig: Make) -> None:
    parts = rig(**LIMITS)
    conn = aged(parts, Phase.HEAD)
    conn.buffer = b"GET / HTTP/1.1\r\nHo"
    parts.housekeeping.tick(1011.0)
    client = parts.clients[-1]
    client.settimeout(5)
    answer = client.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(b"head did not arrive in time\n")
    assert client.recv(1000) == b""
    (record,) = records(parts.row)
    assert '"GET / HTTP/1.1" 408 ' in record
    assert parts.row.cells[Cell.TIMEOUTS] == 1
    parts.housekeeping.tick(1012.0)
    assert len(records(parts.row)) == 0


def test_an_idle_connection_is_closed_without_a_word(rig: Make) -> None:
    parts = rig(**LIMITS)
    aged(parts, Phase.IDLE)
    parts.housekeeping.tick(1080.0)
    assert parts.clients[-1].recv(10) == b""
    assert (parts.row.cells[Cell.CLOSED_IDLE], parts.row.cells[Cell.TIMEOUTS]) == (1, 0)
    assert records(parts.row) == []


def test_an_answer_that_nobody_takes_is_closed_and_logged(rig: Make) -> None:
    class Body:
        closed = 0

        def close(self) -> None:
            self.closed += 1

    parts = rig(**LIMITS, min_body_rate=0)
    conn = aged(parts, Phase.WRITING)
    answer = Answer(200)
    answer.head, answer.payload, answer.owner = b"head", b"x" * 1000, (body := Body())
    exchange = conn.exchange = parts.exchange(conn, "GET", "/slow")
    exchange.began_s = 990.0
    exchange.output = Output(answer)
    exchange.output.skip(14)
    exchange.output.client_time.begin(1000.0)
    exchange.output.has_moved(conn.transport)  # from here on
    parts.housekeeping.tick(1050.0)
    assert conn.phase == Phase.WRITING
    parts.housekeeping.tick(1061.0)
    assert (conn.phase, body.closed) == (Phase.CLOSED, 0)  # it is the application's: not while this thread leads
    parts.do_chores()
    assert body.closed == 1
    (record,) = records(parts.row)
    assert record.endswith('"GET /slow HTTP/1.1" 200 10')
    assert parts.row.cells[Cell.TIMEOUTS] == 1


# -- ticks ------------------------------------------------------------------------------------------------------------


def test_a_tick_says_when_the_next_is_due_and_writes_the_heartbeat(rig: Make) -> None:
    parts = rig()
    now = time.monotonic()
    parts.housekeeping.tick(now)
    assert now < parts.reactor.due_s <= now + 1.0
    assert 0 < parts.reactor.wait_s <= 1.0
    assert parts.row.cells[Cell.HEARTBEAT_NS] == int(now * 1e9)
    assert parts.reactor.due_s <= parts.worker.clock.due_s  # the date goes on though nothing happens


def test_connections_are_swept_once_a_second_at_most(rig: Make) -> None:
    parts = rig(**LIMITS)
    conn = aged(parts, Phase.IDLE)
    parts.housekeeping.tick(1074.9)
    parts.housekeeping.tick(1075.5)
    assert conn.phase == Phase.IDLE
    parts.housekeeping.tick(1076.0)
    assert conn.phase == Phase.CLOSED


# -- the master (what DRAIN and STOP do: test_draining.py) -------------------------------------------------------------


def test_what_the_master_says_is_done_after_this_very_poll(rig: Make) -> None:
    for message in (Message.DRAIN, Message.STOP):
        parts = rig()
        parts.start()
        parts.say(message)
        parts.turn(5)
        assert (parts.lifecycle.draining, parts.lifecycle.over) == (True, False)
        assert parts.reactor.due_s == parts.reactor.wait_s == 0.0
        parts.housekeeping.tick(time.monotonic())  # with nothing to do
        assert parts.lifecycle.over


def test_a_worker_whose_master_died_ends(rig: Make) -> None:
    parts = rig()
    parts.start()
    parts.connection(Phase.RUNNING)
    parts.master.close()
    parts.turn(5)
    assert parts.lifecycle.over
    assert "master has died" in parts.complaints[0]
