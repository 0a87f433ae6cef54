"""Accepting: each worker its part of the connections, and what happens when one cannot be had."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.rig import Rig
from webpy.framework.origin import Origin
from webpy.supervisor import CLOSED, Adoption, Cell
from webpy.worker.connections import accepting as module
from webpy.worker.connections.accepting import Acceptor
from webpy.worker.connections.connection import Phase
from webpy.worker.connections.handover import Arrival, pack
from webpy.worker.connections.listener import Listener

Make = Callable[..., Rig]


def settled(parts: Rig, count: int) -> None:
    """Turns until the worker has so many connections."""
    while len(parts.table.by_fd) < count:
        assert parts.poll(5), f"{len(parts.table.by_fd)} connections, wanted {count}"
        parts.turn()


def test_a_connection_is_taken_with_its_address(rig: Make) -> None:
    parts = rig()
    assert parts.scoreboard.load[parts.row.index] == CLOSED
    parts.acceptor.start()
    assert parts.scoreboard.load[parts.row.index] == 0
    client = parts.client()
    settled(parts, 1)
    (conn,) = parts.table.by_fd.values()
    assert conn.origin.client_address == client.getsockname()
    assert conn.peer == (b"127.0.0.1", b"127.0.0.1".ljust(40))
    assert (conn.phase, conn.transport.sock.gettimeout()) == (Phase.NEW, 0.0)
    assert conn.transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_clients_of_a_unix_socket_have_a_name_too(rig: Make, tmp_path: Any) -> None:
    parts = rig()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        listener.setblocking(False)
        acceptor = Acceptor(parts.worker, [Listener(listener)])
        acceptor.start()
        client.connect(str(tmp_path / "s"))
        settled(parts, 1)
        (conn,) = parts.table.by_fd.values()
        assert (conn.origin.client_address, conn.peer[0]) == (("unix", 0), b"unix")


def test_the_same_host_is_the_same_object_for_the_loop_to_compare(rig: Make) -> None:
    parts = rig()
    parts.acceptor.start()
    for _ in range(3):
        parts.client()
    settled(parts, 3)
    assert len({id(conn.peer) for conn in parts.table.by_fd.values()}) == 1


def test_the_hosts_that_are_remembered_are_bounded(rig: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_PEERS", 10)
    parts = rig()
    for number in range(100):
        assert parts.acceptor._peer(f"192.0.2.{number}")[0] == f"192.0.2.{number}".encode()
        assert len(parts.acceptor._peers) <= 10
    assert len(parts.acceptor._peer("fe80::1234:5678:9abc:def0%averyveryverylonginterface")[1]) == 40


def test_a_batch_leaves_the_others_their_turn(rig: Make) -> None:
    parts = rig()
    parts.acceptor.start()
    for _ in range(20):
        parts.client()
    parts.turn(5)
    assert 0 < len(parts.table.by_fd) <= 16
    settled(parts, 20)


# -- fairness ---------------------------------------------------------------------------------------------------------


def test_one_with_more_than_its_part_leaves_the_accept_to_others_for_a_moment(
    rig: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module._PATIENCE_S < 0.01
    monkeypatch.setattr(module, "_PATIENCE_S", 20.0)  # that no moment of this machine is as long as
    parts = rig()
    parts.acceptor.start()
    parts.reactor.wait_s, parts.reactor.due_s = 100.0, time.monotonic() + 100.0
    for _ in range(3):
        parts.connection()
    parts.scoreboard.load[0] = 0  # another worker, with none
    parts.client()
    parts.turn(5)
    now = time.monotonic()
    assert len(parts.table.by_fd) == 3
    assert parts.acceptor.resting
    assert parts.reactor.wait_s <= 20.0  # the loop comes back soon, though nothing else wakes it
    assert parts.reactor.due_s <= now + 20.0
    assert parts.poll(0.02) == {}
    parts.acceptor.look(now)  # too early
    assert parts.acceptor.resting
    parts.acceptor.look(now + 20.0)
    assert not parts.acceptor.resting
    settled(parts, 4)  # nobody else took it: now it does, whatever the others have


def test_after_its_patience_it_takes_one_and_then_looks_at_the_others_again(rig: Make) -> None:
    parts = rig()
    parts.acceptor.start()
    for _ in range(3):
        parts.connection()
    parts.scoreboard.load[0] = 0
    parts.client()
    parts.client()
    parts.turn(5)
    parts.acceptor.look(time.monotonic() + 1)
    parts.turn(5)
    assert len(parts.table.by_fd) == 4
    assert parts.acceptor.resting


def test_what_comes_after_the_others_took_what_it_left_is_theirs_too(
    rig: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = rig()
    monkeypatch.setattr(module, "_WAITED_S", 0.0)
    parts.acceptor.start()
    for _ in range(3):
        parts.connection()
    parts.scoreboard.load[0] = 0
    parts.worker.context.scoreboard.rows[0].cells[Cell.HEARTBEAT_NS] = 1
    parts.acceptor.look(time.monotonic())  # a rest has ended, and nothing waits
    assert not parts.acceptor.resting
    parts.client()
    assert parts.poll(5)
    parts.turn()
    assert parts.acceptor.resting
    assert len(parts.table.by_fd) == 3


def test_after_a_death_one_is_taken_at_a_time_and_last(rig: Make) -> None:
    """So that a request that ends the process takes little along; a turn is whatever one poll gives."""
    parts = rig()
    parts.row.cells[Cell.DEATH_NS] = time.monotonic_ns()
    parts.acceptor.start()
    for _ in range(3):
        parts.client()
    fd = parts.worker.context.listeners[0].fileno()
    take = parts.reactor.fd_callbacks[fd]
    parts.reactor.ready.append((-1, 0))  # something else is ready
    take(select.EPOLLIN)
    assert (len(parts.table.by_fd), parts.reactor.ready.popleft()) == (0, (-1, 0))
    assert parts.reactor.ready.popleft() == (fd, select.EPOLLIN)
    take(select.EPOLLIN)
    assert len(parts.table.by_fd) == 1
    parts.row.cells[Cell.DEATH_NS] = 0
    parts.acceptor.refresh()
    take(select.EPOLLIN)
    assert len(parts.table.by_fd) == 3


@pytest.mark.parametrize(("mine", "others", "accepts"), [(0, 0, True), (1, 0, True), (2, 0, False), (100, 90, True)])
def test_its_part_is_about_that_of_the_one_with_the_fewest(rig: Make, mine: int, others: int, accepts: bool) -> None:
    parts = rig()
    parts.table.by_fd.update((-number, None) for number in range(1, mine + 1))  # type: ignore[misc]
    parts.scoreboard.load[parts.row.index] = mine
    parts.scoreboard.load[0] = others
    try:
        assert parts.acceptor._sharing.leaves_to_fewer() is not accepts
    finally:
        parts.table.by_fd.clear()


def test_workers_that_do_not_accept_do_not_count(rig: Make) -> None:
    parts = rig()
    parts.acceptor.start()
    for _ in range(5):
        parts.connection()
    assert not parts.acceptor._sharing.leaves_to_fewer()


# -- when none can be had ---------------------------------------------------------------------------------------------


class Refusing:
    """A listener whose accept fails so."""

    def __init__(self, *errors: OSError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def accept(self) -> Any:
        self.calls += 1
        raise self.errors.pop(0) if self.errors else BlockingIOError()


def test_without_descriptors_it_complains_and_tries_again_later(rig: Make) -> None:
    parts = rig()
    parts.acceptor.start()
    parts.reactor.wait_s = 1.0
    listener: Any = Refusing(OSError(errno.EMFILE, "Too many open files"))
    assert not parts.acceptor._take(listener)
    assert parts.acceptor.resting
    assert parts.reactor.wait_s <= 0.2
    assert "cannot accept: Too many open files" in parts.complaints[0]
    parts.client()
    assert parts.poll(0.02) == {}  # else the loop would spin
    parts.acceptor.look(time.monotonic() + 1)
    settled(parts, 1)


def test_one_that_has_gone_already_does_not_hide_those_behind_it(rig: Make) -> None:
    parts = rig()
    listener: Any = Refusing(ConnectionAbortedError(errno.ECONNABORTED, ""), OSError(errno.EHOSTUNREACH, ""))
    assert parts.acceptor._take(listener)
    assert parts.acceptor._take(listener)
    assert not parts.acceptor._take(listener)
    assert not parts.complaints


# -- the end ----------------------------------------------------------------------------------------------------------


def test_stopping_leaves_what_is_queued_to_the_others(rig: Make) -> None:
    parts = rig()
    parts.acceptor.start()
    for _ in range(20):
        parts.client()
    listener = parts.worker.context.listeners[0]
    assert select.select([listener], [], [], 5)[0]
    parts.acceptor.stop()
    parts.acceptor.stop()
    assert parts.table.by_fd == {}
    assert listener.fileno() == -1
    assert parts.poll() == {}
    parts.acceptor.look(time.monotonic() + 1)  # a rest that ends later listens to nothing


def test_at_the_end_of_all_it_takes_what_is_queued_however_few_the_others_have(rig: Make) -> None:
    parts = rig()
    parts.acceptor.start()
    parts.scoreboard.load[0] = 0
    for _ in range(20):
        parts.client()
    assert select.select([parts.listener], [], [], 5)[0]
    parts.acceptor.take_all()
    assert len(parts.table.by_fd) == 20
    parts.client()
    settled(parts, 21)
    parts.acceptor.stop_accepting()
    assert parts.listener.fileno() == -1
    assert parts.poll().keys() <= parts.table.by_fd.keys()


def test_what_is_taken_at_the_end_is_bounded(rig: Make) -> None:
    parts = rig(backlog=3)
    endless: Any = Refusing(*[ConnectionAbortedError(errno.ECONNABORTED, "") for _ in range(100)])
    parts.acceptor.start()
    fd, listener = next(iter(parts.acceptor._listeners.items()))
    endless.close = listener.close
    parts.acceptor._listeners[fd] = endless
    parts.acceptor.take_all()
    assert endless.calls == 4


# -- adopting ---------------------------------------------------------------------------------------------------------


def given(adoption: Adoption, phase: Phase = Phase.IDLE, buffer: bytes = b"", elapsed_s: float = 3.0) -> socket.socket:
    """A connection that another worker has given; its client's end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(10)
    arrival = Arrival(phase, elapsed_s, Origin(("2001:db8::7", 4711), "http"), buffer)
    assert adoption.give(ours.fileno(), pack(arrival))
    ours.close()
    return theirs


@pytest.mark.parametrize(
    ("phase", "buffer"),
    [(Phase.IDLE, b""), (Phase.NEW, b""), (Phase.HEAD, b"GET / HT"), (Phase.PIPELINED, b"GET / HTTP/1.1\r\n\r\n")],
)
def test_a_connection_of_another_worker_goes_on_where_it_was(
    rig: Make, adoption: Adoption, phase: Phase, buffer: bytes
) -> None:
    parts = rig(adoption=adoption)
    parts.acceptor.start()
    with given(adoption, phase, buffer) as client:
        settled(parts, 1)
        (conn,) = parts.table.by_fd.values()
        assert (conn.phase, conn.buffer, conn.origin.client_address) == (phase, buffer, ("2001:db8::7", 4711))
        assert conn.peer == (b"2001:db8::7", b"2001:db8::7".ljust(40))
        assert 2.9 < time.monotonic() - conn.since_s < 9.0
        assert (conn.transport.sock.gettimeout(), conn.transport.sock.get_inheritable()) == (0.0, False)
        assert list(parts.reactor.ready) == ([(conn.fd, 0)] if phase == Phase.PIPELINED else [])
        client.sendall(b"x")
        assert conn.fd in parts.poll(5)
        assert parts.row.cells[Cell.ACCEPTED] == 0  # it was counted where it was accepted
        assert parts.row.cells[Cell.CONNECTIONS] == parts.scoreboard.load[parts.row.index] == 1


def test_connections_of_others_are_taken_as_fairly_as_new_ones(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption)
    parts.acceptor.start()
    for _ in range(3):
        parts.connection()
    parts.scoreboard.load[0] = 0
    with given(adoption):
        parts.turn(5)
        assert (len(parts.table.by_fd), parts.acceptor.resting) == (3, True)
        assert parts.poll(0.02) == {}
        parts.acceptor.look(time.monotonic() + 1)
        settled(parts, 4)


def test_a_message_of_another_version_costs_the_connection_and_says_so(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption)
    parts.acceptor.start()
    ours, theirs = socket.socketpair()
    with theirs:
        assert adoption.give(ours.fileno(), b"\xee and so on")
        ours.close()
        parts.turn(5)
        assert theirs.recv(1) == b""
    assert parts.complaints == ["cannot adopt a connection: a message of version ee came with it, wanted 02"]


def test_without_descriptors_what_was_given_waits(
    rig: Make, adoption: Adoption, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = rig(adoption=adoption)
    parts.acceptor.start()
    with given(adoption), monkeypatch.context() as patch:

        def refused(_fd: int) -> int:
            raise OSError(errno.EMFILE, "Too many open files")

        patch.setattr("os.dup", refused)
        parts.turn(5)
        assert (parts.table.by_fd, parts.acceptor.resting) == ({}, True)
        assert parts.complaints == ["cannot adopt: Too many open files; trying again in 0.1 s"]
        patch.undo()
        parts.acceptor.look(time.monotonic() + 1)
        settled(parts, 1)


def test_one_that_has_stopped_takes_nothing_until_nobody_else_will(rig: Make, adoption: Adoption) -> None:
    parts = rig(adoption=adoption)
    parts.acceptor.start()
    parts.acceptor.stop()
    with given(adoption), given(adoption):
        assert parts.poll() == {}
        parts.acceptor.take_all()
        assert len(parts.table.by_fd) == 2
        with given(adoption):
            settled(parts, 3)
