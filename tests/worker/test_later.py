"""Answers that come after their handler has returned, from threads of the application's own.

The handler leaves its exchange in a queue; the test answers it, over plain and TLS connections, with a loop that leads.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.worker.rig import Rig, led, records, until
from webpy import HTTPError, HTTPHandler
from webpy.framework.later import Answerable, Later
from webpy.supervisor import Adoption, Cell, Message

Make = Callable[..., Rig]

WAIT_S = 10.0
asked: queue.SimpleQueue[Answerable] = queue.SimpleQueue()


class Waits(HTTPHandler):
    """Answers when somebody else does; says what it was asked in a field."""

    def do_get(self) -> Any:
        self.response.headers["X-Asked"] = self.request.path
        return Later(asked.put)

    def do_post(self) -> Any:
        return Later(asked.put)


class Reads(HTTPHandler):
    stream = True

    def do_post(self) -> Any:
        self.request.rfile.read(3)
        return Later(asked.put)


class AtOnce(HTTPHandler):
    def do_get(self) -> Any:
        return Later(lambda exchange: exchange.respond((200, "at once")))


class Raises(HTTPHandler):
    def do_get(self) -> Any:
        def begin(exchange: Answerable) -> None:
            if "after" in self.request.path:
                exchange.respond((200, "answered"))
            raise HTTPError(409) if "meant" in self.request.path else KeyError("begin")

        return Later(begin)


class Hello(HTTPHandler):
    def do_get(self) -> Any:
        return 200, "hello"


ROUTES = {"/wait.*": Waits, "/reads": Reads, "/once": AtOnce, "/raises.*": Raises, "/hello": Hello}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert asked.empty()


class Client:
    """A client of a rig, plain or under TLS."""

    def __init__(self, parts: Rig, context: ssl.SSLContext | None) -> None:
        sock = parts.client()
        self.sock = sock if context is None else context.wrap_socket(sock, server_hostname="localhost")
        parts.clients.append(self.sock)
        self.got = b""

    def ask(self, target: str, version: str = "1.1", fields: str = "") -> None:
        self.sock.sendall(f"GET {target} HTTP/{version}\r\nHost: a\r\n{fields}\r\n".encode())

    def answer(self, end: bytes) -> bytes:
        """What came, up to these bytes; what follows is kept."""
        while end not in self.got:
            data = self.sock.recv(65536)
            assert data, self.got
            self.got += data
        head, _, self.got = self.got.partition(end)
        return head + end

    def is_closed(self) -> bool:
        return self.sock.recv(1) == b""


@pytest.fixture(params=["plain", "tls"])
def client_of(request: pytest.FixtureRequest, rig: Make, contexts: Any) -> Iterator[Callable[..., Any]]:
    """Makes a rig whose loop leads, and a client of it."""
    with contextlib.ExitStack() as stack:

        def make(**given: Any) -> tuple[Rig, Client]:
            server, client = contexts if request.param == "tls" else (None, None)
            parts = rig(ROUTES, tls=server, **given)
            stack.enter_context(led(parts))
            return parts, Client(parts, client)

        yield make


def taken() -> Answerable:
    return asked.get(timeout=WAIT_S)


@pytest.mark.parametrize("threads", [1, 4])
def test_an_answer_from_another_thread_on_a_connection_that_is_kept(client_of: Any, threads: int) -> None:
    parts, client = client_of(threads=threads)
    for number in range(5):
        client.ask(f"/wait/{number}")
        exchange = taken()
        until(lambda: parts.running() == [f"127.0.0.1 GET /wait/{number} HTTP/1.1"])  # noqa: B023
        assert len(parts.pool.places) == threads  # no place is held
        exchange.respond((200, f"<{number}>"))
        head = client.answer(f"<{number}>".encode())
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"X-Asked: /wait/%d\r\n" % number in head
        client.ask("/hello")  # by the loop, in between
        client.answer(b"hello")
    until(lambda: not parts.running())
    assert [line.partition('"')[2] for line in records(parts.row) if "wait" in line] == [
        f'GET /wait/{number} HTTP/1.1" 200 3' for number in range(5)
    ]


def test_others_are_served_while_many_wait(client_of: Any) -> None:
    parts, client = client_of(threads=1)
    context = client.sock.context if isinstance(client.sock, ssl.SSLSocket) else None
    waiting = [Client(parts, context) for _ in range(40)]
    for one in waiting:
        one.ask("/wait")
    exchanges = [taken() for _ in waiting]
    client.ask("/hello")
    client.answer(b"hello")
    for exchange in exchanges:
        exchange.respond((200, "now"))
    for one in waiting:
        one.answer(b"now")


@pytest.mark.parametrize("fields", ["", "Connection: keep-alive\r\n"])
def test_http_1_0(client_of: Any, fields: str) -> None:
    _, client = client_of()
    client.ask("/wait", "1.0", fields)
    taken().respond((200, "old"))
    assert (b"Connection: keep-alive" in client.answer(b"old")) is bool(fields)
    if fields:
        client.ask("/hello", "1.0")
        client.answer(b"hello")
    assert client.is_closed()


def test_pipelined_requests_are_answered_in_order(client_of: Any) -> None:
    _, client = client_of()
    paths = (b"wait/1", b"hello", b"wait/2")
    client.sock.sendall(b"".join(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in paths))
    exchange = taken()
    assert asked.empty()  # the third has not begun
    exchange.respond((200, "first"))
    assert b"first" in client.answer(b"hello")
    taken().respond((200, "third"))
    client.answer(b"third")


@pytest.mark.parametrize("size", [100, 4 << 20])
@pytest.mark.parametrize("kind", ["bytes", "pieces"])
def test_large_answers_and_those_in_pieces(client_of: Any, kind: str, size: int) -> None:
    parts, client = client_of()
    client.ask("/wait")
    exchange = taken()
    body = bytes(size) + b"end"
    threads = []

    def pieces() -> Iterator[bytes]:
        for place in range(0, len(body), 100_000):
            threads.append(threading.current_thread())
            yield body[place : place + 100_000]

    exchange.respond((200, body if kind == "bytes" else pieces()))
    client.answer(b"end")
    client.ask("/hello")
    client.answer(b"hello")
    assert threading.current_thread() not in threads  # a thread of the pool ran the iterator, in a place
    until(lambda: not parts.running() and len(parts.pool.places) == 4)


@pytest.mark.parametrize("how", ["respond", "fail"])
def test_a_client_that_has_gone_meanwhile(client_of: Any, how: str) -> None:
    parts, client = client_of()
    client.ask("/wait")
    exchange = taken()
    client.sock.close()
    parts.clients[0].close()
    time.sleep(0.05)  # the loop sees it, or not
    if how == "respond":
        exchange.respond((200, bytes(10 << 20)))
    else:
        exchange.fail(HTTPError(410))
    until(lambda: not parts.table.by_fd and not parts.running())
    assert len([line for line in records(parts.row) if "/wait" in line]) == 1
    assert not parts.complaints


def test_failing_is_as_if_the_handler_had_raised(client_of: Any) -> None:
    parts, client = client_of()
    for error, status in ((HTTPError(409), 409), (KeyError("x"), 500)):
        client.ask("/wait")
        taken().fail(error)
        client.answer(f"{status} - ".encode())
        client.answer(b"\n")
    until(lambda: len(parts.complaints) == 1)
    assert "GET /wait (Waits) raised" in parts.complaints[0]


@pytest.mark.parametrize(("path", "status"), [("/raises", 500), ("/raises/meant", 409), ("/raises/after", 200)])
def test_what_begins_the_answer_may_raise(client_of: Any, path: str, status: int) -> None:
    parts, client = client_of()
    for _ in range(3):
        client.ask(path)
        assert client.answer(b"\r\n").startswith(f"HTTP/1.1 {status} ".encode())
        client.answer(b"answered" if status == 200 else b"%d - " % status)
        client.got = b""
    until(lambda: not parts.running())


def test_an_answer_at_once(client_of: Any) -> None:
    _, client = client_of()
    for _ in range(50):
        client.ask("/once")
        client.answer(b"at once")


def test_only_one_answer_counts(client_of: Any) -> None:
    _, client = client_of()
    client.ask("/wait")
    exchange = taken()
    raised = []

    def respond() -> None:
        try:
            exchange.respond((200, "once"))
        except RuntimeError as error:
            raised.append(str(error))

    threads = [threading.Thread(target=respond) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert raised == ["GET /wait (Waits) has been answered already"] * 7
    client.answer(b"once")
    client.ask("/hello")
    assert client.answer(b"hello").count(b"HTTP/1.1") == 1
    with pytest.raises(RuntimeError, match="answered already"):
        exchange.fail(KeyError())


@pytest.mark.parametrize("result", [5, Later(asked.put)], ids=["nonsense", "later still"])
def test_what_cannot_be_sent_is_a_500(client_of: Any, result: Any) -> None:
    _, client = client_of()
    client.ask("/wait")
    taken().respond(result)
    assert client.answer(b"500 - Internal Server Error\n").startswith(b"HTTP/1.1 500 ")


@pytest.mark.parametrize("path", ["/wait", "/reads"])
@pytest.mark.parametrize("arrives", ["before", "meanwhile", "never"])
def test_a_body_that_is_there_or_still_arrives(client_of: Any, path: str, arrives: str) -> None:
    parts, client = client_of()
    if arrives != "before" and (path == "/wait" or isinstance(client.sock, ssl.SSLSocket)):
        return  # the handler runs once the body is there
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n".encode()
    client.sock.sendall(head + (b"abcdef" if arrives == "before" else b"abc"))
    exchange = taken()
    if arrives == "meanwhile":
        client.sock.sendall(b"def")
        until(lambda: all(conn.exchange.intake.complete for conn in parts.table.by_fd.values()))
    exchange.respond((200, "thanks"))
    answer = client.answer(b"thanks")
    assert (b"Connection: close" in answer) is (arrives == "never")
    if arrives != "never":
        client.ask("/hello")
        client.answer(b"hello")
    until(lambda: not parts.running())


# -- at the end of the worker -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [Message.DRAIN, Message.STOP])
def test_a_worker_that_drains_waits_for_the_answer(client_of: Any, message: Message) -> None:
    parts, client = client_of()
    client.ask("/wait")
    exchange = taken()
    parts.say(message)
    until(lambda: parts.lifecycle.draining)
    time.sleep(0.1)
    assert not parts.lifecycle.over
    exchange.respond((200, "late"))
    assert b"Connection: close\r\n" in client.answer(b"late")
    assert client.is_closed()
    until(lambda: parts.lifecycle.over)


def test_a_plain_connection_moves_when_its_answer_has_left(rig: Make, adoption: Adoption) -> None:
    parts = rig(ROUTES, adoption=adoption)
    with led(parts):
        client = Client(parts, None)
        client.ask("/wait")
        exchange = taken()
        parts.say(Message.DRAIN)
        until(lambda: parts.lifecycle.draining)
        exchange.respond((200, "late"))
        assert b"Connection: close" not in client.answer(b"late")
        assert select.select([adoption], [], [], WAIT_S)[0]
        found = adoption.take()
        assert found is not None
        socket.socket(fileno=found[0]).close()
        until(lambda: parts.lifecycle.over)
    assert parts.row.cells[Cell.HANDED_OVER] == 1
