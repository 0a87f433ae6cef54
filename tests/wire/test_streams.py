"""Clients that stall in a streamed upload, or in an answer that comes in pieces, do not take the threads of others; and
all this under TLS too."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server import Server

from .certificates import Pairs
from .client import Client, get

AT_ONCE_S = 5.0  # on a machine that is busy; the limits that would end a stalled client are 10 s and more
LENGTH = 400_000
PIECES_BYTES = 120 * 50_000  # as apps/places.py has it


class Site:
    """apps/places.py served, plain or under TLS, and its clients."""

    def __init__(self, start: Callable[..., Server], pairs: Pairs | None) -> None:
        self._start = start
        self._pairs = pairs
        self.server: Server

    def serve(self, threads: int) -> Server:
        options = () if self._pairs is None else self._pairs.options("site")
        self.server = self._start("places", "--workers", "1", "--threads", str(threads), *options)
        return self.server

    def client(self, **keywords: int) -> Client:
        client = Client(self.server, tls=None if self._pairs is None else self._pairs.context(), **keywords)
        if self._pairs is not None:
            assert client.ask("/native/quick").text == "native"  # TLS 1.3 has sent its tickets then
        return client


@pytest.fixture(params=["plain", pytest.param("tls", marks=pytest.mark.slow)])
def site(request: pytest.FixtureRequest, start: Callable[..., Server], tmp_path: Path) -> Site:
    if request.param == "plain":
        return Site(start, None)
    pairs = Pairs(tmp_path)
    pairs.issue("site", "localhost")
    return Site(start, pairs)


def waits_are_answered(site: Site) -> None:
    """Ask for a route that waits, so that it runs on a thread."""
    with site.client() as client:
        for _ in range(12):
            began = time.monotonic()
            assert client.ask("/slow").text == "waited"
            assert time.monotonic() - began < AT_ONCE_S


@pytest.mark.parametrize(("threads", "stalled"), [(32, 40), (4, 10), (2, 4), (1, 3)])
def test_stalled_uploads_leave_threads_to_others(site: Site, threads: int, stalled: int) -> None:
    site.serve(threads)
    with ExitStack() as stack:
        clients = [stack.enter_context(site.client()) for _ in range(stalled)]
        for number, client in enumerate(clients):
            if number % 2:
                client.send(get("/stream/quick", f"Content-Length: {LENGTH}", method="POST") + b"x")
            else:
                client.send(get("/stream/quick", "Transfer-Encoding: chunked", method="POST") + b"%x\r\nx" % LENGTH)
        waits_are_answered(site)
        with site.client() as other:  # also an upload that does not stall
            assert other.ask("/stream/quick", method="POST", body=b"y" * 1000).text == "1000"
        for client in clients:
            client.nothing_yet()
        for number in reversed(range(stalled)):  # more than is kept for a handler that has not begun
            clients[number].send(b"x" * (LENGTH - 1) + (b"" if number % 2 else b"\r\n0\r\n\r\n"))
        for client in clients:
            assert client.read().text == str(LENGTH)
            assert client.ask("/native/quick").text == "native"


def test_an_upload_that_waits_for_its_turn_may_break_off(site: Site) -> None:
    server = site.serve(2)
    with ExitStack() as stack:
        clients = [stack.enter_context(site.client()) for _ in range(5)]
        running, cut, bad, gone, last = clients
        for client in clients:
            client.send(get("/stream/quick", "Transfer-Encoding: chunked", method="POST") + b"2\r\nx")
        waits_are_answered(site)
        cut.end_sending()
        if server.scheme == "http":  # under TLS an end without close_notify breaks the connection off
            assert cut.read().status == 400
        bad.send(b"yz!")
        assert bad.read().status == 400
        gone.reset()
        running.send(b"y\r\n0\r\n\r\n")
        assert running.read().text == "2"
        last.send(b"y\r\n0\r\n\r\n")
        assert last.read().text == "2"
    assert not any("[error]" in line or "Traceback" in line for line in server.errors)


def test_uploads_that_wait_for_their_turn_are_finished_at_a_stop(site: Site) -> None:
    server = site.serve(2)
    with ExitStack() as stack:
        clients = [stack.enter_context(site.client()) for _ in range(4)]
        for client in clients:
            client.send(get("/stream/quick", f"Content-Length: {LENGTH}", method="POST") + b"x")
        waits_are_answered(site)
        server.send(signal.SIGTERM)
        server.wait_for("stopping")
        for client in clients:  # one after the other, the first of them alone is read
            client.send(b"x" * (LENGTH - 1))
        for client in clients:
            assert client.read().text == str(LENGTH)
    assert server.wait() == 0


@pytest.mark.parametrize("threads", [1, 4])
def test_clients_that_take_no_more_of_pieces_leave_threads_to_others(site: Site, threads: int) -> None:
    site.serve(threads)
    paths = ["/body/large", "/wsgi/pieces/large", "/stdlib/pieces/large", "/objects/pieces/large"]
    with ExitStack() as stack:
        clients = []
        for path in paths * 3:
            clients.append(stack.enter_context(site.client(receive_buffer_bytes=4096, timeout=30)))
            clients[-1].send(get(path))
        waits_are_answered(site)
        for client in clients:
            assert len(client.read().body) == PIECES_BYTES


@pytest.mark.parametrize("path", ["/stream/quick", "/wrapped", "/lazy"])
def test_a_client_that_resets_its_upload_is_no_error(site: Site, path: str) -> None:
    server = site.serve(8)
    for number in range(5):
        client = site.client()
        client.send(get(f"{path}?{number}", "Content-Length: 1000000", method="POST") + b"x" * number * 1000)
        time.sleep(0.01)  # so that the handler runs, mostly
        client.reset()
        server.wait_for(f"{path}.{number} ", server.log)
    assert server.stop() == 0
    assert not any("[error]" in line or "Traceback" in line for line in server.errors), server.errors
