"""What the scoreboard shows of requests that no thread runs, or that a pool thread runs: what a kill would leave."""

from __future__ import annotations

import contextlib
import io
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.heads import head_bytes
from tests.worker.rig import Rig, records, until
from webpy import HTTPHandler
from webpy.supervisor import QUEUE_ACTIVITIES, SENDING, Activity
from webpy.worker.connections.connection import Connection, Phase
from webpy.worker.exchanges.output import Output

Make = Callable[..., Rig]

WAIT_S = 10.0
LINE = "192.0.2.1 GET /a HTTP/1.1"
LARGE_BYTES = 4 << 20


class Held(HTTPHandler):
    """Says that it runs, and answers when it is let go."""

    began = threading.Event()
    go = threading.Event()
    result: Any = (200, "held")
    own = (0, 0)

    def do_get(self) -> Any:
        Held.own = (threading.get_native_id(), threading.get_ident())
        Held.began.set()
        assert Held.go.wait(WAIT_S)
        return Held.result

    def do_post(self) -> Any:
        return 200, self.request.body


class Read(HTTPHandler):
    stream = True

    def do_post(self) -> Any:
        return 200, self.request.rfile.read()


class Checked(HTTPHandler):
    def check_continue(self) -> bool:
        Held.began.set()
        assert Held.go.wait(WAIT_S)
        return self.request.path == "/checked/yes"

    def do_post(self) -> Any:
        return 200, self.request.body


ROUTES = {"/read": Read, "/checked/.*": Checked, "/.*": Held}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Held.began, Held.go, Held.result = threading.Event(), threading.Event(), (200, "held")


def activities_of(parts: Rig) -> list[Activity]:
    """The activities of requests, and of threads, on which something stands."""
    return [activity for activity in parts.row.activities if activity.start[0]]


def said(activity: Activity) -> str:
    return " ".join(bytes(activity.text).decode().split())


def marks(parts: Rig) -> tuple[int, int]:
    """Thread and ident of the one activity there is."""
    (activity,) = activities_of(parts)
    return activity.thread[0], activity.ident[0]


def lead_until(parts: Rig, condition: Callable[[], object]) -> None:
    """Be the leader, who is called by pool threads, until it is so."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        parts.turn(0.01)


def ask(parts: Rig, path: str = "/a") -> tuple[Connection, socket.socket]:
    """A request that has been put to the pool."""
    conn, client = parts.connection(Phase.IDLE)
    found = parts.reading.begin(conn, head_bytes("GET", path))
    assert found is not None
    parts.dispatched(conn, found)
    return conn, client


def all_free(parts: Rig) -> bool:
    return not activities_of(parts) and len(parts.worker.activities._free) == QUEUE_ACTIVITIES


# -- waiting for a thread, and running --------------------------------------------------------------------------------


def test_a_request_has_a_line_while_it_waits_and_while_it_runs(rig: Make) -> None:
    parts = rig(ROUTES, threads=1)
    ask(parts)
    assert Held.began.wait(WAIT_S)
    assert marks(parts) == Held.own
    before = activities_of(parts)
    ask(parts, "/b")
    (queued,) = [activity for activity in activities_of(parts) if activity not in before]
    assert (queued.thread[0], queued.ident[0], said(queued)) == (0, 0, "192.0.2.1 GET /b HTTP/1.1")
    began_s = queued.start[0]
    assert 0.0 < began_s <= time.monotonic()
    assert parts.running() == [LINE, "192.0.2.1 GET /b HTTP/1.1"]
    Held.began.clear()
    Held.go.set()
    until(lambda: all_free(parts))
    assert len(records(parts.row)) == 2


def test_its_time_counts_from_when_a_thread_began(rig: Make) -> None:
    parts = rig(ROUTES, threads=1)
    ask(parts)
    assert Held.began.wait(WAIT_S)
    Held.began.clear()
    ask(parts, "/b")
    (queued,) = [activity for activity in activities_of(parts) if not activity.thread[0]]
    waits_since_s = queued.start[0]
    time.sleep(0.002)
    Held.go.set()
    assert Held.began.wait(WAIT_S)  # the second runs, and is held no longer: its activity may be free already
    until(lambda: queued.start[0] != waits_since_s)
    assert queued.start[0] == 0.0 or queued.start[0] > waits_since_s + 0.001
    until(lambda: all_free(parts))


def test_without_a_free_line_a_request_runs_all_the_same_and_shows_on_its_thread(rig: Make) -> None:
    parts = rig(ROUTES)
    taken = list(parts.worker.activities._free)
    parts.worker.activities._free.clear()
    _, client = ask(parts)
    assert Held.began.wait(WAIT_S)
    (activity,) = activities_of(parts)
    assert activity in parts.row.activities[:-QUEUE_ACTIVITIES]
    assert (said(activity), (activity.thread[0], activity.ident[0])) == (LINE, Held.own)
    Held.go.set()
    assert client.recv(999).endswith(b"held")
    until(lambda: not activities_of(parts))
    assert activity.thread[0]  # it is still the thread's
    parts.worker.activities._free.extend(taken)


def test_a_handler_that_raises_frees_its_line(rig: Make) -> None:
    parts = rig(ROUTES)
    Held.result = 5
    Held.go.set()
    conn, client = ask(parts)
    assert client.recv(999).startswith(b"HTTP/1.1 500 ")
    lead_until(parts, lambda: all_free(parts))
    assert conn.phase == Phase.IDLE


# -- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [60_000, LARGE_BYTES])
def test_an_answer_that_the_loop_goes_on_sending_keeps_its_line(rig: Make, size: int) -> None:
    parts = rig(ROUTES)
    Held.result = 200, b"x" * size
    conn, client = parts.connection(Phase.IDLE)
    conn.transport.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    found = parts.reading.begin(conn, head_bytes("GET", "/a"))
    assert found is not None
    Held.go.set()
    parts.dispatched(conn, found)
    lead_until(parts, lambda: conn.phase == Phase.WRITING)
    assert parts.running() == [LINE]
    assert marks(parts) == (0, SENDING)
    assert records(parts.row) == []
    receive(parts, conn, client, size)
    assert all_free(parts)
    assert len(records(parts.row)) == 1


def test_an_answer_of_the_leader_that_it_cannot_send_whole_gets_one(rig: Make) -> None:
    parts = rig(ROUTES)
    conn, client = parts.connection(Phase.IDLE)
    conn.transport.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    exchange = parts.exchange(conn)
    exchange.began_s = time.monotonic()
    exchange.output = Output.of_plain(200, b"head" + b"x" * 60_000, b"x" * 60_000)
    exchange.resume_plain(0)
    assert (parts.running(), marks(parts)) == ([LINE], (0, SENDING))
    receive(parts, conn, client, 60_000)
    assert all_free(parts)


def receive(parts: Rig, conn: Connection, client: socket.socket, count: int) -> None:
    """Be a client that takes its answer, and the leader that sends it."""
    got = 0
    client.setblocking(False)
    deadline = time.monotonic() + WAIT_S
    while conn.phase == Phase.WRITING or got < count:
        assert time.monotonic() < deadline
        select.select([client], [], [], 0.01)
        with contextlib.suppress(BlockingIOError):
            got += len(client.recv(1 << 20))
        for fd, event in parts.poll().items():
            if fd == conn.fd:
                parts.http1.on_event(conn, event)
            else:
                parts.reactor.fd_callbacks[fd](event)


@pytest.mark.parametrize("how", ["abort", "give up"])
def test_an_answer_that_never_ends_frees_its_line(rig: Make, how: str) -> None:
    parts = rig(ROUTES)
    conn, client = parts.connection(Phase.IDLE)
    conn.transport.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    exchange = parts.exchange(conn)
    exchange.began_s = time.monotonic()
    exchange.output = Output.of_plain(200, b"head" + b"x" * 60_000, b"x" * 60_000)
    exchange.resume_plain(0)
    if how == "abort":
        client.close()
        exchange.advance()
    else:
        parts.http1.on_timeout(conn, time.monotonic())
    assert (conn.phase, all_free(parts)) == (Phase.CLOSED, True)


def test_a_stream_that_moves_is_never_late(rig: Make) -> None:
    step, stepped = threading.Semaphore(0), threading.Semaphore(0)

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            stepped.release()
            assert step.acquire(timeout=WAIT_S)
            yield b"%d" % number

    parts = rig(ROUTES)
    Held.result = 200, pieces()
    Held.go.set()
    conn, client = ask(parts)
    starts = []
    for number in range(3):
        assert stepped.acquire(timeout=WAIT_S)
        (activity,) = activities_of(parts)
        assert (activity.thread[0], activity.ident[0]) == (Held.own if number == 0 else (Held.own[0], 0))
        starts.append(activity.start[0])
        step.release()
    assert starts == sorted(set(starts))
    lead_until(parts, lambda: all_free(parts))
    assert conn.phase == Phase.IDLE
    client.close()


def test_a_stream_whose_client_is_slow_waits_without_a_thread(rig: Make) -> None:
    parts = rig(ROUTES)
    Held.result = 200, iter([b"x" * 50_000] * 40)
    Held.go.set()
    conn, client = parts.connection(Phase.IDLE)
    conn.transport.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    found = parts.reading.begin(conn, head_bytes("GET", "/a"))
    assert found is not None
    parts.dispatched(conn, found)
    lead_until(parts, lambda: conn.phase == Phase.WRITING)
    assert (parts.running(), marks(parts)) == ([LINE], (0, SENDING))
    receive(parts, conn, client, 40 * 50_000)
    lead_until(parts, lambda: all_free(parts))
    assert len(records(parts.row)) == 1


# -- bodies -----------------------------------------------------------------------------------------------------------


def post(path: str, *fields: str) -> bytes:
    return head_bytes("POST", path, "Content-Length: 10", *fields)


def test_a_body_that_arrives_has_a_line(rig: Make) -> None:
    parts = rig(ROUTES)
    conn, client = parts.connection(Phase.IDLE)
    assert parts.reading.begin(conn, post("/a") + b"12345") is None
    assert parts.running() == ["192.0.2.1 POST /a HTTP/1.1"]
    assert marks(parts) == (0, SENDING)
    client.sendall(b"67890")
    assert parts.reading.more_body(conn, select.EPOLLIN) is not None
    assert all_free(parts)  # the leader runs the handler, on its own activity


@pytest.mark.parametrize("end", ["vanishes", "is too slow", "sends nonsense"])
def test_a_body_that_never_ends_frees_its_line(rig: Make, end: str) -> None:
    parts = rig(ROUTES)
    conn, client = parts.connection(Phase.IDLE)
    if end == "sends nonsense":
        parts.reading.begin(conn, head_bytes("POST", "/a", "Transfer-Encoding: chunked"))
        client.sendall(b"nonsense\r\n")
        parts.reading.more_body(conn, select.EPOLLIN)
    else:
        parts.reading.begin(conn, post("/a") + b"12345")
        if end == "vanishes":
            parts.table.forget(conn)
        else:
            parts.reading.timed_out(conn, "did not arrive in time")
    assert all_free(parts)


@pytest.mark.parametrize("path", ["/checked/yes", "/checked/no"])
def test_a_handler_that_is_asked_early_has_a_line(rig: Make, path: str) -> None:
    parts = rig(ROUTES)
    conn, client = parts.connection(Phase.IDLE)
    assert parts.reading.begin(conn, post(path, "Expect: 100-continue")) is None
    assert Held.began.wait(WAIT_S)
    (activity,) = activities_of(parts)
    assert activity.thread[0] and activity.ident[0] > SENDING
    assert said(activity) == f"192.0.2.1 POST {path} HTTP/1.1"
    Held.go.set()
    lead_until(parts, lambda: conn.phase != Phase.RUNNING)
    if path == "/checked/yes":
        assert marks(parts) == (0, SENDING)
        client.sendall(b"1234567890")
        parts.reading.more_body(conn, select.EPOLLIN)
        assert client.recv(999).startswith(b"HTTP/1.1 100 ")
    else:
        assert client.recv(999).startswith(b"HTTP/1.1 417 ")
    lead_until(parts, lambda: all_free(parts))


def test_a_handler_that_reads_a_body_while_it_arrives_is_not_late(rig: Make) -> None:
    parts = rig(ROUTES)
    conn, client = parts.connection(Phase.IDLE)
    assert parts.reading.begin(conn, post("/read", "Expect: 100-continue")) is None
    assert client.recv(999).startswith(b"HTTP/1.1 100 ")
    until(lambda: marks(parts)[0])
    (activity,) = activities_of(parts)
    began_s = activity.start[0]
    time.sleep(0.002)
    client.sendall(b"12345")
    until(lambda: activity.start[0] > began_s + 0.001)
    assert activity.ident[0] == 0
    client.sendall(b"67890")
    lead_until(parts, lambda: conn.phase == Phase.IDLE)
    assert client.recv(999).endswith(b"1234567890")
    assert all_free(parts)


def test_a_reader_whose_client_vanishes_frees_its_line(rig: Make) -> None:
    parts = rig(ROUTES)
    conn, _ = parts.connection(Phase.IDLE)
    assert parts.reading.begin(conn, post("/read") + b"12345") is None
    until(lambda: marks(parts)[0])
    parts.table.forget(conn)
    lead_until(parts, lambda: all_free(parts))


def test_a_file_that_is_sent_by_the_loop(rig: Make, tmp_path: Any) -> None:
    (tmp_path / "f").write_bytes(b"x" * LARGE_BYTES)
    parts = rig(ROUTES)
    file = io.open(tmp_path / "f", "rb")  # noqa: UP020 - the answer's to close
    Held.result = 200, file
    Held.go.set()
    conn, client = parts.connection(Phase.IDLE)
    found = parts.reading.begin(conn, head_bytes("GET", "/a"))
    assert found is not None
    parts.dispatched(conn, found)
    lead_until(parts, lambda: conn.phase == Phase.WRITING)
    assert (parts.running(), marks(parts)) == ([LINE], (0, SENDING))
    receive(parts, conn, client, LARGE_BYTES)
    assert (all_free(parts), file.closed) == (True, True)
