"""Bodies that a program wants closed once they have been sent: in place, on the pool, and where the answer is long."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.rig import Rig, led
from webpy import HTTPHandler
from webpy.framework.response import ClosingBody
from webpy.worker.threads.pace import QUICK, WAITING

Make = Callable[..., Rig]


class Owner:
    """Counts how often it is closed; what there is of the answer has then left."""

    def __init__(self, fails: bool) -> None:
        self.fails = fails
        self.closed = 0

    def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise KeyError("a close that fails")


owners: list[Owner] = []


class Closes(HTTPHandler):
    def do_get(self) -> Any:
        size, kind = self.groups
        owner = Owner(kind == "fails")
        owners.append(owner)
        body = ClosingBody(b"x" * int(size), owner)
        if kind == "read":
            body.read(1)
        return 200, body


def ask(client: socket.socket, path: str, size: int, method: str = "GET") -> None:
    client.sendall(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    got = b""
    while b"\r\n\r\n" not in got or (method == "GET" and len(got.partition(b"\r\n\r\n")[2]) < size):
        got += client.recv(65536)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {size}\r\n".encode() in head + b"\r\n"
    assert body == (b"x" * size if method == "GET" else b"")


def all_closed_once(count: int) -> None:
    deadline = time.monotonic() + 10
    while sum(owner.closed for owner in owners) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert [owner.closed for owner in owners] == [1] * count


@pytest.mark.parametrize("kind", [QUICK, WAITING])
@pytest.mark.parametrize("size", [0, 5, 65536, 65537, 3_000_000])
def test_it_is_closed_once_and_the_connection_goes_on(rig: Make, size: int, kind: int) -> None:
    owners.clear()
    parts = rig({"/([0-9]+)/(.*)": Closes})
    with led(parts):
        client = parts.client()
        for _ in range(4):
            ask(client, f"/{size}/", size)
            for work in parts.planner._pace._works.values():
                work.kind = kind
        ask(client, f"/{size}/", size, "HEAD")
        all_closed_once(5)
    assert not parts.complaints


@pytest.mark.parametrize("kind", [QUICK, WAITING])
def test_a_close_that_fails_is_told_and_costs_nothing(rig: Make, kind: int) -> None:
    owners.clear()
    parts = rig({"/([0-9]+)/(.*)": Closes})
    with led(parts):
        client = parts.client()
        for _ in range(3):
            ask(client, "/5/fails", 5)
            for work in parts.planner._pace._works.values():
                work.kind = kind
        all_closed_once(3)
        deadline = time.monotonic() + 10
        while len([each for each in parts.complaints if "closing the body of GET /5/fails (Closes)" in each]) < 3:
            assert time.monotonic() < deadline, parts.complaints
            time.sleep(0.005)


def test_of_one_that_has_been_read_the_rest_is_sent(rig: Make) -> None:
    owners.clear()
    parts = rig({"/([0-9]+)/(.*)": Closes})
    with led(parts):
        client = parts.client()
        client.sendall(b"GET /5/read HTTP/1.1\r\nHost: a\r\n\r\n")
        got = b""
        while not got.endswith(b"\r\n\r\nxxxx"):
            got += client.recv(1000)
        assert b"Content-Length: 4\r\n" in got
        all_closed_once(1)
