"""Quick routes stay quick beside waiting and computing ones; a handler that blocks for the first time holds nobody up.

Times are bounded generously: what is told apart is an answer at once from one that waited for its turn behind others.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.server import Server

from .client import Client, get, until

LARGE = bytes(range(256)) * (12 << 10)  # as apps/pace.py has it
WORST_S = 0.5


@pytest.fixture(scope="module")
def server(share: Callable[..., Server]) -> Server:
    return share("pace", "--workers", "1", "--threads", "16")


def begun(server: Server, name: str) -> None:
    """Wait until the handler of /heldN/NAME or /late/KIND/NAME runs."""
    until((server.cwd / f"began-{name}").exists, f"{name} has begun")


def go(server: Server, name: str) -> None:
    """Let it answer."""
    (server.cwd / f"go-{name}").touch()


@contextmanager
def load(server: Server, path: str, clients: int) -> Iterator[list[int]]:
    """So many clients that ask for `path` without a pause; gives the number of their answers, in a list of one."""
    over = threading.Event()
    answers = [0]

    def ask() -> None:
        with Client(server) as client:
            while not over.is_set():
                assert client.ask(path).status == 200
                answers[0] += 1

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(ask) for _ in range(clients)]
        try:
            until(lambda: answers[0] >= 2 * clients, "the load runs", 20)
            yield answers
        finally:
            over.set()
        for future in running:
            future.result()


def hello_times(server: Server, seconds: float) -> list[float]:
    times = []
    with Client(server) as client:
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            assert client.ask("/hello").text == "hello"
            times.append(time.monotonic() - began)
    return times


# -- beside slow routes -------------------------------------------------------------------------------------------


def test_hello_beside_a_route_that_waits_on_all_threads(server: Server) -> None:
    with load(server, "/wait/50", 32) as answers:
        before = answers[0]
        times = hello_times(server, 1.0)
        waited = answers[0] - before
    assert statistics.median(times) <= 0.02, "it would be 0.05 s or more if it had to wait for a thread"
    assert max(times) <= WORST_S
    assert waited >= 100, "16 threads make 320 in a second"


def test_hello_beside_a_route_that_computes(server: Server) -> None:
    with load(server, "/compute/12", 16) as answers:
        before = answers[0]
        times = hello_times(server, 1.0)
        computed = answers[0] - before
    assert statistics.median(times) <= 0.03, "behind 16 computing handlers it would be 0.2 s"
    assert max(times) <= WORST_S
    assert computed >= 10, "and they get on too"


def test_waits_run_in_parallel_on_as_many_threads_as_there_are(start: Callable[..., Server]) -> None:
    server = start("pace", "--workers", "1", "--threads", "64")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server, timeout=20)) for _ in range(64)]
        for _ in range(2):
            for client in clients:
                client.send(get("/together"))
            # each answers when all 64 have come
            assert sorted(int(client.read().text) for client in clients) == list(range(64))


# -- the handler that blocks for the first time ever --------------------------------------------------------------


def answered_at_once(client: Client) -> None:
    began = time.monotonic()
    assert client.ask("/hello").text == "hello"
    assert time.monotonic() - began <= WORST_S


def test_the_first_wait_of_a_handler_holds_nobody_up(server: Server) -> None:
    with ExitStack() as stack:
        other, *clients = [stack.enter_context(Client(server)) for _ in range(11)]
        answered_at_once(other)
        for number, client in enumerate(clients):  # ten handlers, all of them for the first time
            client.send(get(f"/held{number}/{number}"))
            begun(server, str(number))
            answered_at_once(other)
            with Client(server) as new:
                answered_at_once(new)
        for number in reversed(range(10)):
            clients[number].nothing_yet()
            go(server, str(number))
            assert clients[number].read().text == str(number)
        for client in clients:
            answered_at_once(client)


def test_what_is_pipelined_behind_a_first_wait_comes_after_it(server: Server) -> None:
    with Client(server) as client, Client(server) as other:
        client.send(get("/held10/a") + get("/hello") * 2)
        begun(server, "a")
        client.send(get("/held11/b") + get("/hello"))
        answered_at_once(other)
        client.nothing_yet()
        go(server, "a")
        assert [client.read().text for _ in range(3)] == ["a", "hello", "hello"]
        begun(server, "b")
        client.nothing_yet()
        go(server, "b")
        assert [client.read().text for _ in range(2)] == ["b", "hello"]


def test_a_first_wait_with_a_body(server: Server) -> None:
    with Client(server) as client, Client(server) as other:
        client.send(get("/held12/c", method="POST", body=b"x" * 10) + get("/hello"))
        begun(server, "c")
        answered_at_once(other)
        go(server, "c")
        assert [client.read().text for _ in range(2)] == ["c", "hello"]


@pytest.mark.parametrize("kind", ["bytes", "file", "generator", "headers", "error", "exception", "nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_kind_of_answer_after_a_first_wait(server: Server, kind: str, method: str) -> None:
    name = f"{kind}-{method}"
    with Client(server) as client, Client(server) as other:
        client.send(get(f"/late/{kind}/{name}", method=method))
        begun(server, name)
        answered_at_once(other)
        go(server, name)
        reply = client.read(method)
        assert reply.status == {"error": 418, "exception": 500, "nothing": 500}.get(kind, 200)
        if kind in ("bytes", "file", "generator") and method == "GET":
            assert reply.body == LARGE
        assert reply.get("X-Late") == ("yes" if kind == "headers" else None)
        answered_at_once(client)


def test_a_client_that_goes_during_a_first_wait(server: Server) -> None:
    for number, leave in ((13, Client.close), (14, Client.reset)):
        client = Client(server)
        client.send(get(f"/held{number}/{number}"))
        begun(server, str(number))
        leave(client)
        with Client(server) as other:
            answered_at_once(other)
            go(server, str(number))
            server.wait_for(f"/held{number}/", server.log)
            answered_at_once(other)


def test_many_first_waits_at_once_lose_no_answer(server: Server) -> None:
    """The lead goes from thread to thread, while threads that had it come back from their handlers."""
    clients = 8

    def walk(first: int) -> list[str]:
        with Client(server) as client:
            numbers = [(first * 5 + step) % 40 for step in range(40)]
            return [client.ask(f"/nap{number}/{3 + number % 5}").text for number in numbers for _ in range(2)]

    with ThreadPoolExecutor(clients) as pool:
        for texts in pool.map(walk, range(clients)):
            assert texts == ["waited"] * 80
