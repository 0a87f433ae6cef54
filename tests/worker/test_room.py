"""The room for connections: how many, who makes way, and how many of one client."""

from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.worker.rig import Rig
from webpy.settings import resolve
from webpy.supervisor import Cell
from webpy.worker.connections.connection import Connection, Phase
from webpy.worker.connections.room import Room, room_for
from webpy.worker.log.complaints import Complaints

Make = Callable[..., Rig]


@pytest.fixture
def open_files() -> Iterator[Callable[[int], None]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def room_of(parts: Rig) -> Room:
    return Room(parts.worker, Complaints(parts.log))


def since(parts: Rig, seconds: float, phase: Phase = Phase.IDLE) -> tuple[Connection, socket.socket]:
    """A connection in this phase since then."""
    conn, client = parts.connection(phase)
    conn.since_s = seconds
    return conn, client


@pytest.mark.parametrize(
    ("given", "files", "most"),
    [("auto", 128, 78), ("auto", 1024, 750), ("auto", 30, 8), (50, 1024, 50), (5000, 1024, 1000), (1, 1024, 1)],
)
def test_how_many_there_may_be(open_files: Callable[[int], None], given: int | str, files: int, most: int) -> None:
    settings = resolve({"max_connections": given}, {}, None).settings
    open_files(files)
    try:
        assert room_for(settings) == most
    finally:
        open_files(1024)


def test_the_longest_idle_goes(rig: Make) -> None:
    parts = rig(max_connections=3)
    room = room_of(parts)
    middle, oldest, newest = (since(parts, seconds)[0] for seconds in (2.0, 1.0, 3.0))
    assert room.full()
    assert room.has_any()
    assert oldest.phase == Phase.CLOSED
    assert list(parts.table.by_fd.values()) == [middle, newest]
    assert room.has_any()
    assert len(parts.table.by_fd) == 2  # there was room
    assert parts.row.cells[Cell.CLOSED_FOR_NEW] == 1


@pytest.mark.parametrize("phase", Phase)
def test_who_has_sent_something_stays(rig: Make, phase: Phase) -> None:
    if phase == Phase.CLOSED:
        return
    parts = rig(max_connections=1)
    conn, _ = since(parts, 1.0, phase)
    goes = phase in (Phase.IDLE, Phase.NEW, Phase.HANDSHAKE, Phase.LINGER)
    assert room_of(parts).make() is goes
    assert (conn.phase == Phase.CLOSED) is goes


def test_one_whose_request_has_come_meanwhile_stays(rig: Make) -> None:
    parts = rig(max_connections=2)
    asking, client = since(parts, 1.0)
    silent, _ = since(parts, 2.0)
    client.sendall(b"GET")
    assert room_of(parts).make()
    assert (asking.phase, silent.phase) == (Phase.IDLE, Phase.CLOSED)


def test_several_go_at_a_time_where_there_are_many(rig: Make) -> None:
    parts = rig(max_connections=200)
    for number in range(200):
        since(parts, float(number))
    assert room_of(parts).make()
    assert len(parts.table.by_fd) == 200 - 1 - 200 // 64
    assert min(conn.since_s for conn in parts.table.by_fd.values()) == 4.0


def test_the_table_is_not_read_again_and_again_for_nothing(rig: Make) -> None:
    parts = rig(max_connections=1)
    room = room_of(parts)
    conn, _ = since(parts, 1.0, Phase.RUNNING)
    assert not room.has_any()
    conn.phase = Phase.IDLE
    assert not room.has_any()  # too soon to look again
    told: list[str] = []
    room.tell_when_any(lambda: told.append("told"))
    parts.table.forget(conn)
    assert told == ["told"]
    assert room.has_any()
    other, _ = since(parts, 1.0)
    parts.table.forget(other)
    assert told == ["told"]  # once
    assert [line.split(" (")[0] for line in parts.complaints] == ["all 1 connections"]


def test_connections_of_a_client_are_counted(rig: Make) -> None:
    parts = rig(max_connections_per_client=2)
    room = room_of(parts)
    taken = []
    for _ in range(2):
        assert not room.refuses("192.0.2.1")
        conn, _client = parts.connection()
        room.entered(conn)
        taken.append(conn)
    assert room.refuses("192.0.2.1")
    assert not room.refuses("192.0.2.2")
    assert not room.refuses("unix")
    assert parts.row.cells[Cell.REFUSED] == 1
    for conn in taken:
        parts.table.forget(conn)
        assert not room.refuses("192.0.2.1")
    assert room._clients == {}  # nothing is kept of who has gone


def test_each_kind_of_complaint_comes_once_a_minute(rig: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = rig()
    now_s = [1000.0]
    monkeypatch.setattr("webpy.worker.log.complaints.time.monotonic", lambda: now_s[0])
    complaints = Complaints(parts.log)
    for _ in range(3):
        complaints.say("a", "first")
        complaints.say("b", "second")
    now_s[0] += 61
    complaints.say("a", "first")
    assert parts.complaints == ["first", "second", "first (2 more since the last such line)"]


# -- what cannot be had -----------------------------------------------------------------------------------------------


class Refusing:
    """An epoll that takes no connections."""

    def __init__(self, epoll: Any, number: int) -> None:
        self._epoll = epoll
        self._error = OSError(number, "no")

    def register(self, fd: int, events: int) -> None:
        raise self._error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._epoll, name)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOMEM])
def test_a_connection_that_cannot_be_watched_is_closed(rig: Make, number: int) -> None:
    parts = rig()
    parts.acceptor.start()
    parts.reactor.epoll, epoll = Refusing(parts.reactor.epoll, number), parts.reactor.epoll  # type: ignore[assignment]
    client = parts.client()
    parts.turn(5)
    parts.reactor.epoll = epoll
    assert client.recv(1) == b""
    assert (parts.table.by_fd, parts.row.cells[Cell.CONNECTIONS], parts.acceptor.resting) == ({}, 0, True)
    assert parts.complaints == ["cannot accept: no; trying again in 0.1 s"]


def test_a_listener_that_was_shut_down_is_left(rig: Make) -> None:
    parts = rig()
    parts.acceptor.start()
    parts.listener.shutdown(socket.SHUT_RD)
    parts.turn(5)
    assert parts.listener.fileno() not in parts.reactor.fd_callbacks
    assert parts.poll() == {}  # else the loop would spin
    assert parts.complaints == []
