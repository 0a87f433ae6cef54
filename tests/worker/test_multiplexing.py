"""One connection that carries several exchanges at once: a small protocol whose requests and answers have numbers.

A request is a line, `NUMBER PATH`; its answer comes in frames, `NUMBER LENGTH` and the bytes, the last one without any.
So answers overtake each other, are larger than the socket takes, and break off one by one.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.heads import head_of
from tests.worker.rig import Rig, led, records
from webpy import HTTPHandler
from webpy.framework.answer import compose
from webpy.framework.later import Later
from webpy.framework.request import Request
from webpy.worker.connections.connection import AbstractExchange, Connection, ConnectionProtocol, Phase
from webpy.worker.connections.transport import WOULD_BLOCK, Transport
from webpy.worker.exchanges.exchange import Exchange
from webpy.worker.exchanges.output import Output
from webpy.worker.worker import Worker

Make = Callable[..., Rig]

WAIT_S = 10.0
FULL_BYTES = 1 << 16


class Stream(Transport):
    """What one exchange is sent by: puts frames into the queue of the connection."""

    __slots__ = ("number", "protocol")

    def __init__(self, protocol: Many, number: int, sock: socket.socket) -> None:
        super().__init__(sock)
        self.protocol = protocol
        self.number = number
        self.send = self.put

    def put(self, data: bytes | memoryview[int]) -> int:
        if sum(map(len, self.protocol.frames)) > FULL_BYTES:
            raise BlockingIOError
        piece = bytes(data[:10_000])
        self.protocol.frames.append(b"%d %d\n%b" % (self.number, len(piece), piece))
        return len(piece)

    def queued_bytes(self) -> int:
        return 0


class Many(ConnectionProtocol):
    """The protocol; it shares the work that is no protocol's with HTTP/1."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.frames: deque[bytes] = deque()
        self.blocked: list[AbstractExchange] = []
        self.conn: Connection

    def on_start(self, conn: Connection, received: bytes) -> None:
        self.conn = conn

    def on_event(self, conn: Connection, event: int) -> Exchange | None:
        if event & select.EPOLLIN:
            data = conn.recv(65536)
            if not data:
                self.worker.table.forget(conn)
                return None
            for line in data.decode().splitlines():
                number, path = line.split()
                head = head_of("GET", path)
                plan = self.worker.planner.plan(head, plain=False)
                exchange = Exchange(self.worker, conn, plan, Request(conn, head))
                exchange.transport = Stream(self, int(number), conn.transport.sock)
                self.worker.dispatcher.dispatch(exchange)
        self._flush()
        return None

    def _flush(self) -> None:
        if self.conn.phase == Phase.CLOSED:
            return
        try:
            while self.frames:
                frame = self.frames.popleft()
                sent = 0
                try:
                    sent = self.conn.send(frame)
                finally:
                    if sent < len(frame):
                        self.frames.appendleft(frame[sent:])
        except WOULD_BLOCK:
            self.worker.table.watch(self.conn, select.EPOLLIN | select.EPOLLOUT)
            return
        self.worker.table.watch(self.conn, select.EPOLLIN)
        for exchange in list(self.blocked):
            exchange.advance()
        if self.frames:
            self.worker.reactor.call(self._flush)

    def on_dispatch(self, exchange: AbstractExchange) -> None:
        """Nothing is to be done."""

    def serialize(self, exchange: AbstractExchange, response: Any, result: Any, closing: bool) -> Output:
        answer = compose(exchange.plan.head.method, None if response is None else response.headers, result)
        answer.head = b"%d\n" % answer.status
        return Output(answer)

    def on_blocked(self, exchange: AbstractExchange) -> None:
        self.blocked.append(exchange)
        self._flush()

    def on_unblocked(self, exchange: AbstractExchange) -> None:
        self.blocked.remove(exchange)

    def on_finished(self, exchange: AbstractExchange, close: bool, leading: bool) -> None:
        self._end(exchange, b"")

    def on_broken(self, exchange: AbstractExchange, leading: bool) -> None:
        self._end(exchange, b"broken")

    def _end(self, exchange: AbstractExchange, how: bytes) -> None:
        assert isinstance(exchange.transport, Stream)
        self.frames.append(b"%d 0\n%b" % (exchange.transport.number, how))
        self.worker.reactor.call(self._flush)


waiting: list[Any] = []


class Hello(HTTPHandler):
    def do_get(self) -> Any:
        return 200, f"hello {self.request.path}"


class Slow(HTTPHandler):
    def do_get(self) -> Any:
        time.sleep(0.2)
        return 200, "slow"


class Large(HTTPHandler):
    def do_get(self) -> Any:
        return 200, b"x" * 1_000_000


class Pieces(HTTPHandler):
    def do_get(self) -> Any:
        return 200, self.pieces()

    def pieces(self) -> Iterator[bytes]:
        for number in range(5):
            yield b"%d" % number
            if number == 2 and "broken" in self.request.path:
                raise KeyError("a piece")


class Waits(HTTPHandler):
    def do_get(self) -> Any:
        return Later(waiting.append)


ROUTES = {"/hello.*": Hello, "/slow": Slow, "/large": Large, "/pieces.*": Pieces, "/waits": Waits}


@pytest.fixture
def client(rig: Make) -> Iterator[tuple[Rig, socket.socket]]:
    parts = rig(ROUTES)
    with led(parts):
        conn, theirs = parts.connection(Phase.RUNNING)
        parts.reactor.call(parts.table.hand, conn, Many(parts.worker))
        yield parts, theirs


def answers(theirs: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """So many whole answers, in the order of their ends."""
    file = theirs.makefile("rb")
    got: dict[int, bytes] = {}
    ended: list[tuple[int, bytes]] = []
    while len(ended) < count:
        number, length = map(int, file.readline().split())
        if length:
            got[number] = got.get(number, b"") + file.read(length)
        else:
            ended.append((number, got.pop(number)))
    return ended


def test_answers_overtake_each_other(client: Any) -> None:
    parts, theirs = client
    theirs.sendall(b"1 /slow\n2 /hello/2\n3 /waits\n4 /hello/4\n5 /missing\n")
    first = answers(theirs, 4)
    assert first[-1] == (1, b"200\nslow")
    quick = [(2, b"200\nhello /hello/2"), (4, b"200\nhello /hello/4"), (5, b"404\n404 - Not Found\n")]
    assert sorted(first[:-1]) == quick
    waiting.pop().respond((200, "at last"))
    assert answers(theirs, 1) == [(3, b"200\nat last")]
    assert len(records(parts.row)) == 5


def test_many_large_answers_at_once(client: Any) -> None:
    parts, theirs = client
    theirs.sendall(b"".join(b"%d /large\n" % number for number in range(1, 9)) + b"9 /pieces\n")
    found = dict(answers(theirs, 9))
    assert {number: len(body) for number, body in found.items() if number < 9} == dict.fromkeys(range(1, 9), 1_000_004)
    assert found[9] == b"200\n01234"
    deadline = time.monotonic() + WAIT_S
    while parts.running():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_one_that_breaks_off_harms_no_other(client: Any) -> None:
    parts, theirs = client
    theirs.sendall(b"1 /pieces/broken\n")
    file = theirs.makefile("rb")
    while True:
        _, length = map(int, file.readline().split())
        if not length:
            break
        file.read(length)
    assert file.read(6) == b"broken"
    theirs.sendall(b"2 /hello\n")
    assert answers(theirs, 1) == [(2, b"200\nhello /hello")]
    assert len(parts.table.by_fd) == 1
