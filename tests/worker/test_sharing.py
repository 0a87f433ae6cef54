"""The sharing of connections: which are counted, and who is not waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.worker.rig import Rig
from webpy.supervisor import CLOSED, Cell
from webpy.worker.connections import sharing as module
from webpy.worker.connections.sharing import Sharing

Make = Callable[..., Rig]


def take(parts: Rig, sharing: Sharing, count: int, *, short: bool) -> None:
    for _ in range(count):
        conn, client = parts.connection()
        if short:
            parts.table.forget(conn)
            client.close()
        sharing.took(conn)


def test_connections_that_end_at_once_are_told_from_those_that_last(rig: Make) -> None:
    parts = rig()
    sharing = Sharing(parts.worker)
    assert not sharing.short
    take(parts, sharing, 64, short=True)
    assert sharing.short
    take(parts, sharing, 160, short=False)
    assert not sharing.short


def test_many_under_way_at_a_time_are_short_too(rig: Make) -> None:
    parts = rig()
    sharing = Sharing(parts.worker)
    under_way = []
    for _ in range(256):
        conn, _client = parts.connection()
        under_way.append(conn)
        sharing.took(conn)
        if len(under_way) > 60:
            parts.table.forget(under_way.pop(0))
    assert sharing.short


def test_once_they_stay_they_are_counted_soon(rig: Make) -> None:
    parts = rig()
    sharing = Sharing(parts.worker)
    take(parts, sharing, 128, short=True)
    assert sharing.short
    take(parts, sharing, 32, short=False)
    assert not sharing.short


def test_one_that_takes_few_does_not_rest_while_the_others_fill(rig: Make) -> None:
    parts = rig()
    sharing = Sharing(parts.worker)
    sharing._cpus = 2
    parts.table.show_load(True)
    take(parts, sharing, 64, short=True)
    parts.scoreboard.load[0] = parts.scoreboard.load[2] = 32
    assert sharing.leaves_to_enough(), "so many may be under way at an instant"
    parts.scoreboard.load[0] = parts.scoreboard.load[2] = 33
    assert not sharing.leaves_to_enough()


def test_where_few_come_they_are_counted(rig: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = rig()
    sharing = Sharing(parts.worker)
    take(parts, sharing, 64, short=True)
    assert sharing.short
    monkeypatch.setattr(module, "_WINDOW_S", 0.0)
    assert not sharing.short
    take(parts, sharing, 64, short=True)
    assert not sharing.short


def test_short_connections_are_left_to_nobody_for_their_number(rig: Make) -> None:
    parts = rig()
    sharing = Sharing(parts.worker)
    for _ in range(10):
        parts.connection()
    parts.scoreboard.load[0] = 0
    assert sharing.leaves_to_fewer()
    take(parts, sharing, 64, short=True)
    assert not sharing.leaves_to_fewer()


def test_as_many_listen_as_there_are_cpus(rig: Make) -> None:
    parts = rig()
    sharing = Sharing(parts.worker)
    sharing._cpus = 2
    parts.table.show_load(True)
    take(parts, sharing, 64, short=True)
    parts.scoreboard.load[0] = 0
    assert not sharing.leaves_to_enough()
    parts.scoreboard.load[2] = 0
    assert sharing.leaves_to_enough()
    parts.scoreboard.load[2] = CLOSED  # rests, or does not accept
    assert not sharing.leaves_to_enough()


@pytest.mark.parametrize("short", [False, True])
def test_a_worker_that_neither_takes_nor_beats_is_not_waited_for(
    rig: Make, monkeypatch: pytest.MonkeyPatch, short: bool
) -> None:
    parts = rig()
    sharing = Sharing(parts.worker)
    sharing._cpus = 1
    parts.table.show_load(True)
    for _ in range(10):
        parts.connection()
    take(parts, sharing, 64, short=short)
    leaves = sharing.leaves_to_enough if short else sharing.leaves_to_fewer
    parts.scoreboard.load[0] = 0
    began_s = time.monotonic()
    while leaves():
        assert time.monotonic() < began_s + 5
        sharing._look_s = time.monotonic()
    cells = parts.scoreboard.rows[0].cells
    for cell in (Cell.HEARTBEAT_NS, Cell.ACCEPTED):
        cells[cell] += 1  # a sign of life
        sharing._look_s = time.monotonic()
        assert leaves()
        monkeypatch.setattr(module, "_STANDSTILL_S", 0.0)
        assert not leaves()
        monkeypatch.undo()


def test_whether_others_listen(rig: Make) -> None:
    parts = rig()
    sharing = Sharing(parts.worker)
    parts.table.show_load(True)
    assert not sharing.others_listen()
    parts.scoreboard.load[0] = 0
    assert sharing.others_listen()
    parts.scoreboard.load[0] = CLOSED
    assert not sharing.others_listen()


def test_a_worker_that_died_lately_is_seen(rig: Make) -> None:
    parts = rig()
    sharing = Sharing(parts.worker)
    now_ns = time.monotonic_ns()
    for death_ns, lately in ((0, False), (now_ns, True), (now_ns - 60_000_000_000, False), (2 * now_ns, False)):
        parts.scoreboard.rows[0].cells[Cell.DEATH_NS] = death_ns
        assert sharing.any_died() is lately
