"""Clients that stall, idle or vanish cost connections, not threads: the others are answered as if alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.server import Server

from .client import Client, get, until
from .conftest import Log

THREADS = 4
# The goal is 0.1 s on a machine of one's own; a CI machine has other things to do.
WORST_S = 0.5
LARGE_BYTES = 3 << 20  # of apps/framework.py's large bodies


@pytest.fixture(scope="module")
def server(share: Callable[..., Server]) -> Server:
    return share("framework", "--workers", "1", "--threads", str(THREADS))


def ask_and_time(server: Server, times: int) -> float:
    """Healthy requests of all sorts, on a connection that is kept and on new ones; the longest wait for one, in s."""
    worst = 0.0
    with Client(server) as kept:
        for number in range(times):
            for path, method, body in (
                ("/body/str", "GET", b""),
                ("/echo", "POST", b"x" * 500),
                ("/sleep/0.001", "GET", b""),
            ):
                began = time.monotonic()
                if number % 4:
                    reply = kept.ask(path, method=method, body=body)
                else:
                    with Client(server) as new:
                        reply = new.ask(path, method=method, body=body)
                worst = max(worst, time.monotonic() - began)
                assert reply.status == 200
    return worst


def worker_of(server: Server) -> int:
    """The pid of its one worker."""
    return json.loads(server.get("/aside").body)["pid"]


def stall(server: Server, stack: ExitStack, count: int) -> dict[str, list[Client]]:
    """`count` clients of each sort, that stop in the middle; a quarter of that of those that take up megabytes."""
    stalled: dict[str, list[Client]] = {}
    for sort, part in (
        ("head", get("/body/str")[:20]),
        ("fixed body", get("/echo", "Content-Length: 10", method="POST") + b"12345"),
        ("chunked body", get("/echo", "Transfer-Encoding: chunked", method="POST") + b"a\r\n12345"),
        ("continue", get("/hesitant/yes", "Content-Length: 10", "Expect: 100-continue", method="POST")),
        ("large", get("/body/large")),
        ("large-file", get("/body/large-file")),
        ("large-generator", get("/body/large-generator")),
    ):
        number = count // 4 if sort.startswith("large") else count
        stalled[sort] = [stack.enter_context(Client(server, receive_buffer_bytes=4096)) for _ in range(number)]
        for client in stalled[sort]:
            client.send(part)
    return stalled


def test_stalled_clients_hold_nobody_up(server: Server) -> None:
    with ExitStack() as stack:
        stalled = stall(server, stack, 80)
        count = sum(map(len, stalled.values()))
        ask_and_time(server, 1)  # until here the server may still be copying megabytes for them
        worst_s = ask_and_time(server, 60)
        assert worst_s <= WORST_S, f"a healthy request beside {count} stalled clients took {worst_s:.3f} s"
        threads = len(os.listdir(f"/proc/{worker_of(server)}/task"))
        assert threads <= THREADS + 3, "besides those of the handlers: main, leader, watcher"
        # none of them has been given up
        for sort, clients in stalled.items():
            for client in clients[:: len(clients) - 1]:
                match sort:
                    case "head":
                        client.send(get("/body/str")[20:])
                        assert client.read().status == 200
                    case "fixed body" | "chunked body":
                        client.send(b"67890\r\n0\r\n\r\n" if sort == "chunked body" else b"67890")
                        assert client.read().body == b"1234567890"
                    case "continue":
                        assert client.read().status == 100
                        client.send(b"1234567890")
                        assert client.read().text == "asked early: 1234567890"
                    case _:
                        assert len(client.read().body) == LARGE_BYTES


def test_streaming_handlers_that_wait_for_their_clients_do_not_hold_up_quick_ones(server: Server) -> None:
    """Each of these does hold a thread; what runs on the leader needs none."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(3 * THREADS)]
        for client in clients:
            client.send(get("/streamed/body", "Content-Length: 10", method="POST") + b"12345")
        with Client(server) as quick:
            for _ in range(50):
                began = time.monotonic()
                assert quick.ask("/body/str").status == 200
                assert time.monotonic() - began <= WORST_S
        for client in clients:
            client.send(b"67890")
        for client in clients:
            assert client.read().body == b"1234567890"


def test_idle_connections_cost_nothing(server: Server) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(Client(server)) for _ in range(300)]
        for client in idle:
            assert client.ask("/body/none").status == 200
        pid = worker_of(server)
        before_s = cpu_s(pid)
        time.sleep(1.0)  # what is measured is that nothing happens
        assert cpu_s(pid) - before_s <= 0.1
        assert ask_and_time(server, 20) <= WORST_S
        for client in idle:
            assert client.ask("/body/none").status == 200


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in s."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("kind", ["large", "large-file", "large-generator"])
def test_a_client_that_vanishes_in_the_middle_of_an_answer(server: Server, kind: str) -> None:
    server.get("/aside?clear")
    log = Log(server, f"/body/{kind}[?]vanishing ")
    for _ in range(3):
        client = Client(server, receive_buffer_bytes=4096)
        client.send(get(f"/body/{kind}?vanishing"))
        client.take(10_000)
        client.reset()
    for line in log.lines(3):
        assert 0 < int(line.partition('" 200 ')[2].split()[0]) < LARGE_BYTES
    if kind != "large":
        until(lambda: len(json.loads(server.get("/aside").body)["closed"]) == 3, "closed")
    assert ask_and_time(server, 3) <= WORST_S
    assert not any("Traceback" in line for line in server.errors)


def test_a_client_that_vanishes_while_its_handler_runs(server: Server) -> None:
    for leave in (Client.close, Client.reset):
        log = Log(server, "/sleep/0.05 ")
        clients = [Client(server) for _ in range(2 * THREADS)]
        for client in clients:
            client.send(get("/sleep/0.05"))
            leave(client)
        log.lines(len(clients))  # each was run to its end, and said so
        until(lambda: connections(server) <= 1, "the connections have gone")
    assert ask_and_time(server, 3) <= WORST_S
    assert not any("Traceback" in line for line in server.errors)


def test_a_client_that_vanishes_while_it_is_asked_to_send_on(server: Server) -> None:
    for path in ("/echo", "/hesitant/yes", "/streamed/body"):
        client = Client(server)
        client.send(get(path, "Content-Length: 10", "Expect: 100-continue", method="POST"))
        client.reset()
    until(lambda: connections(server) <= 1, "the connections have gone")
    assert ask_and_time(server, 3) <= WORST_S


def connections(server: Server) -> int:
    """Sockets of the one worker that belong to clients, that of this question included."""
    port = f":{server.address[1]:04X}"
    pid = worker_of(server)
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            continue
    with open(f"/proc/{pid}/net/tcp") as file:
        rows = [line.split() for line in file][1:]
    # local address, remote address, state (0A is LISTEN), ..., inode
    return sum(row[1].endswith(port) and row[3] != "0A" and f"socket:[{row[9]}]" in inodes for row in rows)


def test_long_answers_to_many_at_once_arrive_whole(server: Server) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server, receive_buffer_bytes=4096)) for _ in range(30)]
        kinds = ("large", "large-file", "large-generator")
        for number, client in enumerate(clients):
            client.send(get(f"/body/{kinds[number % 3]}"))
        clients.pop().sock.close()  # one leaves, and the next connection has its descriptor
        with Client(server) as healthy:
            assert healthy.ask("/body/str").status == 200
        bodies = {client.read().body for client in clients}
        (body,) = bodies
        assert len(body) == LARGE_BYTES
        for client in clients:  # each goes on
            assert client.ask("/body/str").status == 200
