"""Answers that come later together with the limits of requests, and with a disk that is full."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server

from .client import Client, get, until

Start = Callable[..., Server]


def pid_of(client: Client) -> int:
    return int(client.ask("/pid").text)


def started(start: Start, *options: str) -> Server:
    server = start("later", "--workers", "1", *options)
    server.wait_for(r"worker 0 gen 1 \[\d+\] is ready")
    return server


def test_a_slow_request_that_waits_for_its_answer_is_logged_once_and_lives(start: Start, tmp_path: Path) -> None:
    server = started(start, "--slow-request", "0.2")
    with Client(server) as held, Client(server) as other:
        held.send(get("/held"))
        until((tmp_path / "began").exists, "it waits for its answer")
        server.wait_for(r"slow on worker 0 .*: '127\.0\.0\.1 GET /held HTTP/1\.1' waits for its answer for [\d.]+ s")
        assert other.ask("/pid").status == 200
        (tmp_path / "go").touch()
        assert held.read().status == 200
        assert held.ask("/pid").status == 200
    assert server.stop() == 0
    assert sum("slow on" in line and "/held" in line for line in server.errors) == 1


def test_an_answer_that_never_comes_has_its_worker_replaced(start: Start, tmp_path: Path) -> None:
    """As a handler that hangs: others are not cut short."""
    server = started(start, "--request-timeout", "0.5", "--drain-timeout", "5")
    with Client(server) as held, Client(server) as other:
        before = pid_of(other)
        held.send(get("/held"))
        until((tmp_path / "began").exists, "it waits for its answer")
        server.wait_for(r"worker 0 .* hangs: '127\.0\.0\.1 GET /held HTTP/1\.1' waits for its answer for [\d.]+ s")
        until(lambda: pid_of(other) != before, "the new worker serves")
        with pytest.raises((AssertionError, ConnectionResetError)):
            held.read()
        server.wait_for('"GET /held HTTP/1.1" killed ', server.log)
        assert pid_of(other) != before
    assert server.stop() == 0


def test_a_full_disk_of_the_access_log_while_answers_are_waited_for(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    server = started(start, "--access-log", str(log))
    before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    with Client(server) as held, Client(server) as other:
        held.send(get("/held"))
        until((tmp_path / "began").exists, "it waits for its answer")
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            for _ in range(50):
                assert other.ask("/pid").status == 200
            (tmp_path / "go").touch()
            assert held.read().status == 200
        finally:
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)
        assert held.ask("/pid").status == 200
        until(lambda: b"GET /pid" in log.read_bytes(), "it is written again")
    assert server.stop() == 0
