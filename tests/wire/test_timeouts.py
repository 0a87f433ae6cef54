"""Time limits on the wire, with short ones: heads, bodies, idle connections, clients that read nothing, the linger.

A sweep once a second ends what is over its limit, so a limit of L is kept between L and L + 1 s, and later on a machine
that is busy. That nothing ends before its time is asserted exactly, that it ends in time generously.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.server import Server

from .client import Client, get
from .conftest import Log

pytestmark = pytest.mark.slow  # time limits are waited for

LIMIT_S = 0.5
LATEST_S = 6.0
LARGE_BYTES = 3 << 20  # of apps/framework.py's large bodies


@pytest.fixture(scope="module")
def server(share: Callable[..., Server]) -> Server:
    options = [f"--{name}" for name in ("header-timeout", "body-timeout", "keepalive", "write-timeout")]
    settings = [word for option in options for word in (option, str(LIMIT_S))]
    return share("framework", "--workers", "1", "--max-body", "32M", *settings)


@contextmanager
def ends_in_time(limit_s: float = LIMIT_S) -> Iterator[None]:
    began = time.monotonic()
    yield
    took_s = time.monotonic() - began
    assert limit_s - 0.01 <= took_s <= limit_s + LATEST_S, f"after {took_s:.2f} s, the limit being {limit_s} s"


def test_a_head_that_does_not_come_whole_is_a_408(server: Server) -> None:
    log = Log(server, " 408 ")
    parts = [b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: y"]
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in parts * 2]
        for client in clients[3:]:  # the second request of a connection is as the first
            assert client.ask("/body/str").status == 200
        with ends_in_time():
            for client, part in zip(clients, parts * 2, strict=True):
                client.send(part)
            replies = [client.read() for client in clients]
        for client, reply in zip(clients, replies, strict=True):
            assert (reply.status, reply.get("Connection")) == (408, "close")
            assert "head" in reply.text and "in time" in reply.text
            client.ended()
    lines = log.lines(len(parts) * 2)
    assert sorted(line.split('"')[1] for line in lines) == ["G", "G", *["GET / HTTP/1.1"] * 4]
    assert all(int(line.rpartition(" ")[2]) >= LIMIT_S * 1e6 for line in lines)


def test_a_head_that_comes_in_drops_is_a_408_all_the_same(server: Server) -> None:
    """The limit is of the whole head: a byte now and then does not extend it."""
    with Client(server) as client, ends_in_time():
        client.send(b"GET / HTTP/1.1\r\nX: ")
        while not client.comes_within(LIMIT_S / 10):
            client.send(b"x")
        assert client.read().status == 408


def test_a_body_that_stops_coming_is_a_408(server: Server) -> None:
    seen = len(server.errors)
    log = Log(server, " 408 ")
    heads = [
        get(path, framing, *expect, method="POST")
        for path in ("/echo", "/hesitant/yes", "/streamed/digest")
        for framing in ("Content-Length: 10", "Transfer-Encoding: chunked")
        for expect in ([], ["Expect: 100-continue"])
    ]
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in heads]
        with ends_in_time():
            for client, head in zip(clients, heads, strict=True):
                client.send(head)
                if b"Expect" in head:
                    assert client.read().status == 100
                client.send(b"1\r\nx\r\n" if b"chunked" in head else b"12345")
            replies = [client.read() for client in clients]
        for client, reply in zip(clients, replies, strict=True):
            assert (reply.status, reply.get("Connection")) == (408, "close")
            assert "body" in reply.text and "in time" in reply.text
            client.ended()
    log.lines(len(heads))
    assert not any("Traceback" in line for line in server.errors[seen:])


def test_a_body_that_comes_slowly_is_taken(server: Server) -> None:
    """The limit is between bytes of the body, not of the whole: this one takes three times the limit."""
    with Client(server) as whole, Client(server) as streamed:
        whole.send(get("/echo", "Content-Length: 8", method="POST"))
        streamed.send(get("/streamed/body", "Content-Length: 8", method="POST"))
        for _ in range(8):
            assert not whole.comes_within(LIMIT_S / 5)
            assert not streamed.comes_within(LIMIT_S / 5)
            whole.send(b"x")
            streamed.send(b"x")
        assert whole.read().body == streamed.read().body == b"x" * 8


def test_a_handler_may_take_longer_than_any_of_these(server: Server) -> None:
    """Also with a body that streams: the client has sent it all, or would if it was let, so it is not to blame."""
    with Client(server) as asleep, Client(server) as streaming:
        asleep.send(get(f"/sleep/{4 * LIMIT_S}"))
        streaming.send(get("/streamed/slowly", method="POST", body=bytes(4 << 20)))
        assert asleep.read().text == "slept"
        reply = streaming.read()
        assert (reply.status, reply.text) == (200, str(4 << 20))
        assert asleep.ask("/body/none").status == 200


def test_an_idle_connection_is_closed_in_silence(server: Server) -> None:
    log = Log(server, "/status/200 ")
    with Client(server) as fresh, Client(server) as used, ends_in_time():
        assert used.ask("/status/200").status == 200
        fresh.ended()
        used.ended()
    log.lines(1)


def test_an_idle_connection_that_is_used_in_time_is_kept(server: Server) -> None:
    with Client(server) as client:
        for _ in range(4):
            assert client.ask("/body/none").status == 200
            assert not client.comes_within(LIMIT_S / 2)


def test_a_client_that_reads_nothing_is_cut_off(server: Server) -> None:
    server.get("/aside?clear")
    kinds = ("large", "large-file", "large-generator")
    logs = [Log(server, f"/body/{kind} ") for kind in kinds]
    many = 8  # answers: more than the buffers of both sides hold
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server, receive_buffer_bytes=4096)) for _ in kinds]
        with ends_in_time():
            for client, kind in zip(clients, kinds, strict=True):
                client.send(get(f"/body/{kind}") * many)
            for client in clients:
                client.wait_for_reset()
    lines = [log.all() for log in logs]
    for of_kind in lines:
        assert 1 <= len(of_kind) < many
        assert int(of_kind[-1].partition('" 200 ')[2].split()[0]) < LARGE_BYTES, "the line says how much of it was sent"
    closed = json.loads(server.get("/aside").body)["closed"]
    assert closed.count("large") == len(lines[1])
    assert closed.count("generator") == len(lines[2])


def test_a_client_that_reads_slowly_gets_all_of_it(server: Server) -> None:
    kinds = ("large", "large-file", "large-generator")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server, receive_buffer_bytes=4096)) for _ in kinds]
        for client, kind in zip(clients, kinds, strict=True):
            client.send(get(f"/body/{kind}"))
        for _ in range(10):  # three times the limit or more; little enough each time that the server may not notice
            for client in clients:
                client.take(50_000)
            time.sleep(0.3 * LIMIT_S)
        for client in clients:
            assert len(client.read().body) == LARGE_BYTES


def test_the_linger_ends(server: Server) -> None:
    """After a refusal the server takes in what still comes, but not for ever."""
    with Client(server) as client:
        client.send(get("/echo", f"Content-Length: {1 << 40}", method="POST"))
        assert client.read().status == 413
        client.ended()
        with ends_in_time(1.0), pytest.raises((ConnectionResetError, BrokenPipeError)):
            while True:
                client.send(b"x")
                time.sleep(0.01)
