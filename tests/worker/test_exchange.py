"""What an exchange leaves behind: nothing that waits for the garbage collector, however it ended."""

from __future__ import annotations

import gc
import select
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.worker.rig import Rig, led, until
from webpy import HTTPError, HTTPHandler
from webpy.framework.later import Later

Make = Callable[..., Rig]

WAIT_S = 10.0
LARGE = bytes(8 << 20)

made: weakref.WeakSet[HTTPHandler] = weakref.WeakSet()
waiting: list[Any] = []
held = threading.Event()


class Tracked(HTTPHandler):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        made.add(self)
        if not self.stream:
            self.request.body  # noqa: B018 - so that it is kept with the request


class Plain(Tracked):
    def do_get(self) -> Any:
        return 200, "plain"

    def do_post(self) -> Any:
        return 200, self.request.body


class Wide(Tracked):
    def do_get(self) -> Any:
        return 200, LARGE


class Pieces(Tracked):
    def do_get(self) -> Any:
        return 200, (b"x" * 50_000 + b"%r" % self.request.path for _ in range(100))


class Slow(Tracked):
    def do_get(self) -> Any:
        time.sleep(0.05)
        return 200, "slow"


class Fails(Tracked):
    def do_get(self) -> Any:
        raise HTTPError(404) if "404" in self.request.path else KeyError("failed")


class Waits(Tracked):
    def do_get(self) -> Any:
        return Later(waiting.append)


class Reads(Tracked):
    stream = True

    def do_post(self) -> Any:
        return 200, self.request.rfile.read(3)


class Checks(Tracked):
    def check_continue(self) -> bool:
        if "held" in self.request.path:
            assert held.wait(WAIT_S)
        return "no" not in self.request.path

    def do_post(self) -> Any:
        return 200, self.request.body


class Other(HTTPHandler):
    def do_get(self) -> Any:
        return 200, "other"


ROUTES = {
    "/other": Other,
    "/plain": Plain,
    "/wide": Wide,
    "/pieces": Pieces,
    "/slow": Slow,
    "/fails.*": Fails,
    "/waits": Waits,
    "/reads": Reads,
    "/checks.*": Checks,
}


@pytest.fixture(autouse=True)
def _without_garbage_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    waiting.clear()
    held.clear()


def get(path: str, version: str = "1.1", *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", "Host: a", *fields, "", ""]).encode()


def post(path: str, body: bytes, *fields: str, length: int = 0) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {length or len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode() + body


def settled(parts: Rig) -> None:
    """Wait until the worker is at rest, and let its loop run another handler, so that it drops what it held last."""
    until(lambda: not parts.running())
    client = parts.client()
    for _ in range(2):
        client.sendall(get("/other"))
        assert client.recv(999).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "ask",
    [
        get("/plain"),
        get("/plain", "1.0"),
        get("/fails"),
        get("/fails/404"),
        get("/pieces"),
        get("/wide"),
        get("/slow"),
        post("/plain", b"body"),
        post("/reads", b"body"),
        post("/reads", b"bod", length=6),
        post("/checks/no", b"", "Expect: 100-continue", length=4),
    ],
    ids=lambda ask: ask.split(b" HTTP")[0].decode(),
)
def test_an_answer_that_was_taken(rig: Make, ask: bytes) -> None:
    parts = rig(ROUTES)
    with led(parts):
        client = parts.client()
        for _ in range(3):
            client.sendall(ask)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            if b"chunked" in head:
                while not head.endswith(b"\r\n0\r\n\r\n"):
                    head = head[-7:] + client.recv(65536)
            else:
                left = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
                while left:
                    left -= len(client.recv(min(left, 65536)))
            if b"close" in head or b"HTTP/1.0" in ask:
                client.close()
                client = parts.client()
        settled(parts)
        until(lambda: not made)


@pytest.mark.parametrize(
    "ask",
    [
        get("/wide"),
        get("/pieces"),
        get("/slow"),
        get("/waits"),
        post("/plain", b"b", length=1000),
        post("/plain", b"b" * 400_000, length=1_000_000),
        post("/reads", b"b", length=1000),
        post("/checks/yes", b"", "Expect: 100-continue", length=4),
    ],
    ids=lambda ask: ask.split(b" HTTP")[0].decode(),
)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_client_that_goes_away(rig: Make, ask: bytes, reset: bool) -> None:
    parts = rig(ROUTES)
    with led(parts):
        client = parts.client()
        client.sendall(ask)
        if b"GET" in ask or b"/reads" in ask or b"/checks" in ask:
            until(lambda: made)
        else:
            until(lambda: parts.running())
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        while waiting:
            waiting.pop().respond((200, LARGE))
        until(lambda: not any(conn.exchange for conn in parts.table.by_fd.values()))
        settled(parts)
        until(lambda: not made)


@pytest.mark.parametrize("path", ["/checks/held/yes", "/checks/held/no"])
@pytest.mark.parametrize("dropped", [False, True], ids=["by the client", "by the worker"])
def test_a_client_that_is_gone_before_the_handler_has_said_whether_it_shall_send(
    rig: Make, path: str, dropped: bool
) -> None:
    parts = rig(ROUTES)
    with led(parts):
        client = parts.client()
        client.sendall(post(path, b"", "Expect: 100-continue", length=4))
        until(lambda: made)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        (conn,) = parts.table.by_fd.values()
        until(lambda: select.select([conn.transport.sock], [], [], 0)[0])  # the reset is there
        if dropped:
            parts.reactor.call(parts.table.forget, conn)
            until(lambda: not parts.table.by_fd)
        held.set()
        until(lambda: not parts.running() and not parts.table.by_fd)
        settled(parts)
        until(lambda: not made)
