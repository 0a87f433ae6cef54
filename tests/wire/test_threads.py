"""When no thread is to be had, all requests are answered nevertheless, and the log says what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.server import Server

from .client import Client, get


def test_without_threads_everything_is_answered(start: Callable[..., Server]) -> None:
    server = start("starved", "--workers", "1", "--threads", "8", "--slow-request", "0")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(12)]
        assert clients[0].ask("/limit").text == "can't start new thread"
        for _ in range(3):
            for client in clients:
                client.send(get("/waits"))
            began = time.monotonic()
            with Client(server) as other:
                assert [other.ask("/hello").text for _ in range(20)] == ["hello"] * 20
            assert time.monotonic() - began < 5
            assert [client.read().text for client in clients] == ["waited"] * 12
        for client in clients:
            client.send(get("/pieces"))
        assert [client.read().body for client in clients] == [b"x" * 10_000] * 12
        for client in clients:
            client.send(get("/asked", "Expect: 100-continue", "Content-Length: 2", method="POST"))
        for client in clients:
            assert client.read().status == 100
            client.send(b"ab")
        assert [client.read().text for client in clients] == ["ab"] * 12
        for client in clients:
            client.send(get("/streams", "Content-Length: 20000", method="POST") + b"x" * 10_000)
        for client in clients:
            client.send(b"x" * 10_000)
        assert [client.read().text for client in clients] == ["20000"] * 12

        told = [line for line in server.errors if "cannot start a thread" in line]
        assert len(told) == 1, "once a minute"
        assert "(can't start new thread)" in told[0]
        assert "ulimit -u" in told[0]

        assert clients[0].ask("/free").status == 204
        for client in clients:
            client.send(get("/waits"))
        assert [client.read().text for client in clients] == ["waited"] * 12
        for client in clients[:4]:
            client.send(get("/together"))  # each answers when all four run at once
        assert sorted(client.read().text for client in clients[:4]) == list("0123")
    assert not [line for line in server.errors if "[error]" in line and line not in told]
