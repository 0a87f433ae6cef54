"""The loop's boundary: what fails in an event costs its connection, and the loop goes on."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.worker.rig import Rig, led, records
from webpy import HTTPHandler
from webpy.worker.connections.connection import Connection, Phase
from webpy.worker.exchanges.exchange import Exchange
from webpy.worker.exchanges.intake import Intake
from webpy.worker.http1.reading import Reading
from webpy.worker.loop import Loop

Make = Callable[..., Rig]


class Hello(HTTPHandler):
    def do_get(self) -> Any:
        return 200, "hello"


def asked(client: socket.socket) -> bytes:
    client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    return client.recv(1000)


def is_well(client: socket.socket) -> None:
    assert asked(client).endswith(b"\r\n\r\nhello")


def is_reset(client: socket.socket) -> None:
    with suppress(ConnectionResetError):
        assert client.recv(100) == b""


def in_the_loop(parts: Rig, function: Callable[[], object]) -> None:
    """Have the leader call it, and wait until it has."""
    done = threading.Event()

    def call() -> None:
        try:
            function()
        finally:
            done.set()

    parts.reactor.call(call)
    assert done.wait(10)


def fail(*_arguments: object) -> Any:
    raise KeyError("a fault")


def found(parts: Rig, text: str, count: int = 1) -> None:
    deadline = time.monotonic() + 10
    while len([each for each in parts.complaints if text in each]) < count:
        assert time.monotonic() < deadline, parts.complaints
        time.sleep(0.005)
    assert len([each for each in parts.complaints if text in each]) == count


@pytest.mark.parametrize("phase", ["first", "begin", "more_head", "more_body"])
def test_an_event_that_fails_costs_its_connection(rig: Make, phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(Reading, phase)
    monkeypatch.setattr(
        Reading, phase, lambda self, conn, *rest: fail() if victim(conn) else real(self, conn, *rest)
    )
    parts = rig({"/hello": Hello})
    ports: list[int] = []

    def victim(conn: Connection) -> bool:
        return conn.origin.client_address[1] in ports

    with led(parts):
        other, client = parts.client(), parts.client()
        is_well(other)
        ports.append(client.getsockname()[1])
        client.sendall(b"POST /hello HTTP/1.1\r\nContent-Length: 5\r\n")
        if phase == "more_body":
            client.sendall(b"Host: a\r\n\r\n")
            until_there(parts, client)
            client.sendall(b"x")
        elif phase == "more_head":
            until_there(parts, client)
            client.sendall(b"H")
        is_reset(client)
        is_well(other)
        found(parts, "an event of a connection of 127.0.0.1 failed; it is reset")
        assert len(parts.table.by_fd) == 1


def intake_of(conn: Connection) -> Intake | None:
    return None if conn.exchange is None else conn.exchange.intake


def until_there(parts: Rig, client: socket.socket) -> None:
    """Wait until the worker has something of this client's, and waits for more."""
    port = client.getsockname()[1]
    deadline = time.monotonic() + 10
    while not any(
        conn.origin.client_address[1] == port and conn.phase in (Phase.HEAD, Phase.BODY)
        for conn in list(parts.table.by_fd.values())
    ):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    in_the_loop(parts, lambda: None)


def test_the_body_of_a_connection_that_is_reset_leaves_nothing(rig: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webpy.worker.exchanges.intake._LARGE_BYTES", 0)  # it goes to a file
    parts = rig({"/hello": Hello})
    with led(parts):
        client = parts.client()
        client.sendall(b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + b"x" * 400_000)
        until_there(parts, client)
        (conn,) = parts.table.by_fd.values()
        deadline = time.monotonic() + 10
        while (intake := intake_of(conn)) is None or intake._file is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        stored = intake._file
        monkeypatch.setattr(Intake, "placed", fail)
        client.sendall(b"x")
        is_reset(client)
        in_the_loop(parts, lambda: None)
        assert stored.closed
        assert not parts.table.by_fd
        assert parts.running() == []


def test_an_answer_that_fails_as_its_thread_has_lost_the_lead(rig: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else ends the connection of a leader that was deposed in its handler."""
    has_begun, is_over = threading.Event(), threading.Event()

    class Blocks(HTTPHandler):
        def do_get(self) -> Any:
            has_begun.set()
            is_over.wait(10)
            return 200, "never"

    parts = rig({"/hello": Hello, "/blocks": Blocks})
    monkeypatch.setattr(Exchange, "deliver", fail)
    with led(parts):
        client, other = parts.client(), parts.client()
        client.sendall(b"GET /blocks HTTP/1.1\r\nHost: a\r\n\r\n")
        assert has_begun.wait(10)
        is_well(other)  # by another leader
        is_over.set()
        is_reset(client)
        found(parts, "an event of a connection of 127.0.0.1 failed; it is reset")
        in_the_loop(parts, lambda: None)
        assert len(parts.table.by_fd) == 1
        is_well(other)


def test_a_source_that_fails_rests_and_is_told_once(rig: Make) -> None:
    parts = rig({"/hello": Hello})
    ours, theirs = os.pipe()
    calls = []

    def bad(_event: int) -> None:
        calls.append(1)
        fail()

    def listen() -> None:
        parts.reactor.fd_callbacks[ours] = bad
        parts.reactor.epoll.register(ours, select.EPOLLIN)

    with led(parts):
        other = parts.client()
        in_the_loop(parts, listen)
        os.write(theirs, b"x")  # never read: the poller would tell of it all the time
        found(parts, "an event of the loop failed")
        for _ in range(50):
            is_well(other)
        assert len(calls) <= 3
        in_the_loop(parts, lambda: parts.reactor.fd_callbacks.pop(ours))
    os.close(ours)
    os.close(theirs)


def test_housekeeping_that_fails_is_told_and_done_again(rig: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = rig({"/hello": Hello})
    real = parts.housekeeping.tick
    with led(parts):
        other = parts.client()
        is_well(other)
        ticked = threading.Event()
        monkeypatch.setattr(parts.housekeeping, "tick", fail)
        found(parts, "an event of the loop failed")
        is_well(other)
        monkeypatch.setattr(parts.housekeeping, "tick", lambda now_s: (real(now_s), ticked.set()))
        assert ticked.wait(10)
        is_well(other)


def test_a_call_that_fails_costs_its_connection_and_no_other_call(rig: Make) -> None:
    parts = rig({"/hello": Hello})
    with led(parts):
        other, client = parts.client(), parts.client()
        is_well(other)
        is_well(client)
        port = client.getsockname()[1]
        (conn,) = (each for each in parts.table.by_fd.values() if each.origin.client_address[1] == port)
        done = threading.Event()
        parts.reactor.call(fail, conn)
        parts.reactor.call(done.set)
        assert done.wait(10)
        is_reset(client)
        is_well(other)
        found(parts, "a call of fail failed")


def test_what_cannot_be_watched_is_closed_and_accepting_goes_on(rig: Make) -> None:
    parts = rig({"/hello": Hello})
    real = parts.reactor.epoll
    full = [False]

    class Full:
        """A poller that watches no more connections (epoll_ctl(2), ENOSPC), for a while."""

        def register(self, fd: int, events: int) -> None:
            if full[0]:
                raise OSError(28, "No space left on device")
            real.register(fd, events)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    parts.reactor.epoll = Full()  # type: ignore[assignment]
    with led(parts):
        is_well(parts.client())
        full[0] = True
        is_reset(parts.client())
        found(parts, "No space left on device")
        full[0] = False
        is_well(parts.client())
    parts.reactor.epoll = real


def test_a_broken_poller_ends_the_loop_with_an_error(rig: Make) -> None:
    parts = rig({"/hello": Hello})
    loop = Loop(parts.worker, parts.housekeeping)
    parts.start()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            loop.run()
        except RuntimeError as error:
            failed.append(error)

    main = threading.Thread(target=run)
    main.start()
    is_well(parts.client())
    parts.reactor.call(parts.reactor.epoll.close)
    main.join(10)
    assert not main.is_alive()
    assert str(failed[0]) == "the loop cannot go on"
    found(parts, "the loop cannot poll any more")
    assert records(parts.row)


def test_a_watcher_that_fails_watches_on(rig: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    class Blocks(HTTPHandler):
        def do_get(self) -> Any:
            go.wait(10)
            return 200, "blocked"

    parts = rig({"/hello": Hello, "/blocks": Blocks})
    with led(parts) as loop:
        other, client = parts.client(), parts.client()
        is_well(other)
        real, failures = parts.pool.lend, [fail]
        monkeypatch.setattr(
            loop._lead._parts.pool.__class__, "lend", lambda _, role: (failures.pop() if failures else real)(role)
        )
        client.sendall(b"GET /blocks HTTP/1.1\r\nHost: a\r\n\r\n")
        found(parts, "the watcher failed")
        is_well(other)  # once it has looked again
        go.set()
        assert client.recv(1000).endswith(b"blocked")
