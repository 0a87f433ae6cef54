"""Answers that come later and connections that changed their protocol, while workers are reloaded, upgraded, killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server import Server

from .client import Client, get, until

Start = Callable[..., Server]


def started(start: Start, *options: str) -> Server:
    server = start("later", "--workers", "1", *options)
    server.wait_for(r"worker 0 gen 1 \[\d+\] is ready")
    return server


def pid_of(client: Client) -> int:
    reply = client.ask("/pid")
    assert reply.status == 200
    return int(reply.text)


def switched(server: Server) -> Client:
    client = Client(server)
    client.send(get("/switch", "Connection: Upgrade", "Upgrade: echo") + b"behind")
    assert client.read().status == 101
    assert client._exactly(6) == b"behind"  # which may have come with the answer's head
    return client


def echoes(client: Client, data: bytes) -> bool:
    client.send(data)
    return client._exactly(len(data)) == data


def test_a_worker_that_is_killed_names_what_had_no_answer_yet(start: Start, tmp_path: Path) -> None:
    server = started(start)
    with Client(server) as client, Client(server) as held, switched(server) as echo:
        victim = pid_of(client)
        held.send(get("/held"))
        until((tmp_path / "began").exists, "it waits for its answer")
        assert pid_of(client) == victim  # the leader has come round
        server.wait_for('"GET /pid HTTP/1.1" 200', server.log, count=2)  # what is killed before has both lines
        os.kill(victim, signal.SIGKILL)
        server.wait_for('"GET /held HTTP/1.1" killed ', server.log)
        for each in (held, echo):
            with pytest.raises((AssertionError, ConnectionResetError, EOFError)):
                each.take(1)
        server.wait_for(r"worker 0 gen 1 .* is ready", count=2)
        with Client(server) as again:
            assert pid_of(again) != victim
    assert server.stop() == 0
    assert [line for line in server.log if " killed " in line and "/held" not in line] == []
    assert sum('"GET /switch HTTP/1.1" 101 0' in line for line in server.log) == 1


def test_a_later_answer_is_waited_for_by_a_worker_that_is_replaced(start: Start, tmp_path: Path) -> None:
    server = started(start)
    with Client(server) as held, Client(server) as client:
        before = pid_of(client)
        held.send(get("/held"))
        until((tmp_path / "began").exists, "it waits for its answer")
        server.send(signal.SIGHUP)
        until(lambda: pid_of(client) != before, "the new worker serves")
        (tmp_path / "go").touch()
        reply = held.read()
        assert (reply.text, reply.get("Connection")) == (str(before), None)
        assert pid_of(held) != before  # it has moved
    assert server.stop() == 0


def test_a_changed_connection_stays_until_the_drain_timeout(start: Start) -> None:
    server = started(start, "--drain-timeout", "3")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(5)]
        before = pid_of(clients[0])
        for client in clients:
            pid_of(client)
        echo = stack.enter_context(switched(server))
        server.send(signal.SIGHUP)
        until(lambda: pid_of(clients[0]) != before, "the new worker serves")
        assert echoes(echo, b"still here")
        with pytest.raises((AssertionError, ConnectionResetError, EOFError)):
            echo.take(1)  # the end
        for client in clients:
            assert pid_of(client) != before
    assert server.stop() == 0
    assert not [line for line in server.log if " killed " in line]


def test_an_upgrade_of_the_master_touches_neither(start: Start, tmp_path: Path) -> None:
    server = started(start)
    with Client(server) as held, Client(server) as client, switched(server) as echo:
        before = pid_of(client)
        held.send(get("/held"))
        until((tmp_path / "began").exists, "it waits for its answer")
        server.send(signal.SIGUSR2)
        server.wait_for("upgrade done")
        assert echoes(echo, b"still here")
        assert pid_of(client) == before
        (tmp_path / "go").touch()
        assert held.read().text == str(before)
