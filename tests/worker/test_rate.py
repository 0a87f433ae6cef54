"""The least rate of bodies and answers: only the client's time counts, and an average over all of it.

Time is given, not waited for.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.heads import head_bytes
from tests.worker.rig import Rig, records
from webpy import HTTPHandler
from webpy.framework.origin import Origin
from webpy.supervisor import Cell
from webpy.worker.connections.connection import Connection, Phase
from webpy.worker.connections.transport import PlainTransport
from webpy.worker.exchanges.rate import ClientTime, LeastRate

Make = Callable[..., Rig]

LARGE = bytes(24 << 20)  # more than a socket takes
WAIT_S = 10.0


def test_only_the_time_between_begin_and_end_counts() -> None:
    time_ = ClientTime()
    assert time_.total(100.0) == 0.0
    time_.begin(100.0)
    time_.begin(101.0)  # it had begun
    assert time_.total(103.0) == 3.0
    time_.end(104.0)
    assert time_.total(200.0) == 4.0
    time_.begin(200.0)
    assert time_.total(201.0) == 5.0


@pytest.mark.parametrize(
    ("rate", "waited_s", "moved", "missed"),
    [
        (240, 10.0, 0, False),  # the grace
        (240, 10.5, 0, True),
        (240, 10.5, 2519, True),
        (240, 10.5, 2520, False),
        (240, 100.0, 2520, True),
        (0, 1e6, 0, False),
    ],
)
def test_the_rate_is_an_average_after_the_grace(rate: int, waited_s: float, moved: int, missed: bool) -> None:
    time_ = ClientTime()
    time_.begin(0.0)
    assert LeastRate(rate).is_missed(time_, moved, waited_s) is missed


# -- bodies -----------------------------------------------------------------------------------------------------------


class Stream(HTTPHandler):
    """Reads while it arrives; says how that went."""

    stream = True
    began = threading.Event()
    go = threading.Event()
    ended = threading.Event()
    error: BaseException | None = None

    def do_post(self) -> Any:
        Stream.began.set()
        try:
            body = self.request.rfile.read()
        except BaseException as error:
            Stream.error = error
            raise
        finally:
            Stream.ended.set()
        assert Stream.go.wait(WAIT_S)
        return 200, body


class Gather(HTTPHandler):
    def do_post(self) -> Any:
        return 200, self.request.body


ROUTES = {"/stream": Stream, "/gather": Gather}
FRAMES = {"length": ("Content-Length: 1000000", b"x"), "chunks": ("Transfer-Encoding: chunked", b"1\r\nx\r\n")}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Stream.began, Stream.go, Stream.ended = threading.Event(), threading.Event(), threading.Event()
    Stream.error = None


def begin(parts: Rig, path: str, framing: str) -> tuple[Connection, socket.socket]:
    conn, client = parts.connection(Phase.IDLE)
    assert parts.reading.begin(conn, head_bytes("POST", path, framing)) is None
    return conn, client


def send(parts: Rig, conn: Connection, client: socket.socket, data: bytes) -> None:
    intake = None if conn.exchange is None else conn.exchange.intake
    client.sendall(data)
    if intake is None or intake.stream is None:
        parts.reading.more_body(conn, 1)
        return
    parts.reading.more_stream(conn, 1)
    while intake.stream.receives and not (intake.client_time.runs and not conn.transport.unread()):
        time.sleep(0.001)  # until the handler's thread has it, and waits for more


@pytest.mark.parametrize("frame", FRAMES)
def test_a_gathered_body_that_comes_too_slowly_is_a_408(rig: Make, frame: str) -> None:
    parts = rig(ROUTES, body_timeout=1000)
    framing, piece = FRAMES[frame]
    conn, client = begin(parts, "/gather", framing)
    now = time.monotonic()
    for second in range(1, 10):
        send(parts, conn, client, piece)
        parts.housekeeping.tick(now + second)
    assert conn.phase == Phase.BODY
    parts.housekeeping.tick(now + 12)
    parts.housekeeping.tick(now + 13)
    answer = client.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b"the request's body came slower than 240 bytes a second\n")
    assert parts.row.cells[Cell.TIMEOUTS] == 1
    (record,) = records(parts.row)
    assert '"POST /gather HTTP/1.1" 408 ' in record


def test_a_body_that_keeps_the_rate_is_taken(rig: Make) -> None:
    parts = rig(ROUTES, body_timeout=1000)
    conn, client = begin(parts, "/gather", "Content-Length: 1000000")
    now = time.monotonic()
    for second in range(1, 40):
        send(parts, conn, client, b"x" * 250)
        parts.housekeeping.tick(now + second)
    assert (conn.phase, parts.row.cells[Cell.TIMEOUTS]) == (Phase.BODY, 0)


@pytest.mark.parametrize("frame", FRAMES)
def test_a_streamed_body_that_comes_too_slowly_raises_in_the_handler(rig: Make, frame: str) -> None:
    parts = rig(ROUTES, body_timeout=1000)
    framing, piece = FRAMES[frame]
    conn, client = begin(parts, "/stream", framing)
    assert Stream.began.wait(WAIT_S)
    now = time.monotonic()
    send(parts, conn, client, piece)
    parts.housekeeping.tick(now + 9)
    assert not Stream.ended.is_set()
    for second in range(12, 20):
        parts.housekeeping.tick(now + second)
    assert Stream.ended.wait(WAIT_S)
    assert isinstance(Stream.error, ConnectionError)
    assert getattr(Stream.error, "status", 0) == 408
    assert parts.row.cells[Cell.TIMEOUTS] == 1
    while conn.phase == Phase.STREAMING:
        parts.turn(0.1)
    assert client.recv(1000).startswith(b"HTTP/1.1 408 ")
    assert not parts.complaints


def test_a_handler_whose_body_is_whole_is_never_a_timeout(rig: Make) -> None:
    parts = rig(ROUTES)
    conn, client = begin(parts, "/stream", "Content-Length: 2")
    assert Stream.began.wait(WAIT_S)
    send(parts, conn, client, b"xy")
    assert Stream.ended.wait(WAIT_S)
    now = time.monotonic()
    for second in range(50):
        parts.housekeeping.tick(now + 2 * second)
    assert (conn.phase, parts.row.cells[Cell.TIMEOUTS]) == (Phase.STREAMING, 0)
    Stream.go.set()
    while conn.phase == Phase.STREAMING:
        parts.turn(0.1)
    assert client.recv(1000).endswith(b"\r\n\r\nxy")


def test_a_stream_that_stops_is_one_timeout(rig: Make) -> None:
    parts = rig(ROUTES, min_body_rate=0)
    conn, client = begin(parts, "/stream", "Content-Length: 2")
    assert Stream.began.wait(WAIT_S)
    send(parts, conn, client, b"x")
    now = time.monotonic()
    for second in range(31, 50):
        parts.housekeeping.tick(now + second)
    assert parts.row.cells[Cell.TIMEOUTS] == 1
    client.sendall(b"y")  # too late: it does not make the body whole
    assert conn.fd not in parts.poll(0.1)
    assert Stream.ended.wait(WAIT_S)
    assert isinstance(Stream.error, ConnectionError)


# -- answers ----------------------------------------------------------------------------------------------------------


def over_tcp(parts: Rig) -> tuple[Connection, socket.socket]:
    """A connection whose kernel tells what the client has taken."""
    client = parts.client()
    ours, address = parts.listener.accept()
    ours.setblocking(False)
    conn = Connection(PlainTransport(ours), Origin(address, "http"), (b"127.0.0.1", b"%-40b" % b"127.0.0.1"), 0.0)
    conn.protocol = parts.http1
    conn.phase = Phase.IDLE
    parts.table.add(conn)
    return conn, client


def answering(parts: Rig, body: Any) -> tuple[Connection, socket.socket]:
    """A connection whose answer the client has not taken."""
    conn, client = over_tcp(parts)
    exchange = parts.exchange(conn, "GET", "/large")
    exchange.began_s = time.monotonic()
    handler = HTTPHandler(exchange.request, exchange.plan.groups)
    exchange.prepare(handler, (200, body))
    exchange.deliver(None)
    return conn, client


def take(parts: Rig, conn: Connection, client: socket.socket, count: int) -> None:
    """Have the client take so much, and the worker send on."""
    while count > 0:
        count -= len(client.recv(min(count, 65536)))
        if conn.fd in parts.poll(0.01):
            parts.http1.on_event(conn, 4)


def test_an_answer_that_is_taken_too_slowly_is_cut_off(rig: Make) -> None:
    parts = rig({}, write_timeout=1000, min_body_rate=1 << 20)
    conn, client = answering(parts, LARGE)
    assert conn.phase == Phase.WRITING
    now = time.monotonic()
    for second in range(1, 9):
        take(parts, conn, client, 10_000)
        parts.housekeeping.tick(now + second)
    assert conn.phase == Phase.WRITING
    parts.housekeeping.tick(now + 12)
    assert (conn.phase, parts.row.cells[Cell.TIMEOUTS]) == (Phase.CLOSED, 1)
    with pytest.raises(ConnectionResetError):
        while client.recv(1 << 20):
            pass
    (record,) = records(parts.row)
    assert '"GET /large HTTP/1.1" 200 ' in record


def test_an_answer_that_is_taken_fast_enough_is_not(rig: Make) -> None:
    parts = rig({}, write_timeout=1000, min_body_rate=100_000)
    conn, client = answering(parts, LARGE)
    now = time.monotonic()
    for second in range(1, 25):
        take(parts, conn, client, 200_000)
        parts.housekeeping.tick(now + second)
    assert (conn.phase, parts.row.cells[Cell.TIMEOUTS]) == (Phase.WRITING, 0)


def test_a_body_that_is_slow_itself_is_no_fault_of_the_client(rig: Make) -> None:
    pulled = threading.Semaphore(0)
    go = threading.Semaphore(0)

    def pieces() -> Any:
        for _ in range(2):
            pulled.release()
            assert go.acquire(timeout=WAIT_S)
            yield b"x"

    parts = rig({}, min_body_rate=1 << 20)
    _, client = answering(parts, pieces())
    now = time.monotonic()
    for _ in range(2):
        assert pulled.acquire(timeout=WAIT_S)
        for second in range(0, 100, 2):
            parts.housekeeping.tick(now + second)
        go.release()
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        data += client.recv(1000)
    assert parts.row.cells[Cell.TIMEOUTS] == 0
