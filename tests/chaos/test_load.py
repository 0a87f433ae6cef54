"""Tests of the load itself, with a server that loses, closes, refuses and garbles a known number of requests."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .message import request, whole_answer
from .rig import Load, Records, Report


class BadServer:
    """A server that calls `behave(socket, number, name)` for each request, one after the other on a connection.

    It returns whether the connection can still be used; `number` counts all requests from 1.
    """

    def __init__(self, behave: Callable[[socket.socket, int, str], bool]) -> None:
        self._behave = behave
        self._number = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    piece = sock.recv(1 << 16)
                    if not piece:
                        return
                    data += piece
                head, _, data = data.partition(b"\r\n\r\n")
                with self._lock:
                    self._number += 1
                    number = self._number
                if not self._behave(sock, number, head.split()[1].decode().split("/")[2]):
                    return

    def refuse(self) -> None:
        """Stop listening; existing connections continue."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        self.refuse()
        for thread in self._threads:
            thread.join(10)


def answer(sock: socket.socket, name: str, *fields: str) -> None:
    body = f"1 77 {name}\n"
    sock.sendall("\r\n".join(["HTTP/1.1 200 OK", *fields, f"Content-Length: {len(body)}", "", body]).encode())


@pytest.fixture
def bad() -> Iterator[Callable[..., BadServer]]:
    servers: list[BadServer] = []

    def start(behave: Callable[[socket.socket, int, str], bool]) -> BadServer:
        servers.append(BadServer(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def run(server: BadServer, *, clients: int = 4, until: Callable[[dict[str, int]], bool], **options: object) -> Report:
    """Load `server` until `until(counts)` is true, and return the report."""
    groups = [{"kind": "get", "clients": clients, "address": server.address}]
    with Load(groups, think_s=(0.001, 0.02), **options) as load:  # type: ignore[arg-type]
        deadline = time.monotonic() + 10
        while not until(counts := load.counts()):
            assert time.monotonic() < deadline, counts
            time.sleep(0.01)
        return load.stop()


def test_a_good_server_loses_nothing(bad: Callable[..., BadServer]) -> None:
    seen: list[str] = []

    def behave(sock: socket.socket, number: int, name: str) -> bool:
        answer(sock, name)
        seen.append(name)
        return True

    report = run(bad(behave), until=lambda counts: counts["answered"] >= 100)
    assert (report.lost, report.wrong, report.closed_idle, report.told_to_close, report.refused) == ([],) * 5
    assert sorted(report.names) == sorted(seen)
    assert (set(report.versions), set(report.pids), set(report.kinds)) == ({"1"}, {"77"}, {"get"})
    assert sum(report.histogram.values()) == len(report.names) + 4, "the connects are measured too"


def test_lost_requests_are_those_sent_and_not_wholly_answered(bad: Callable[..., BadServer]) -> None:
    lost: list[str] = []
    answered: list[str] = []

    def behave(sock: socket.socket, number: int, name: str) -> bool:
        if number % 10 == 3:  # the end, where an answer was due
            lost.append(name)
            return False
        if number % 10 == 5:  # half an answer, as from a killed worker
            lost.append(name)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n1 77 " + name.encode())
            return False
        if number % 10 == 7:  # a reset
            lost.append(name)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        answered.append(name)  # before the client can have it, and the run be over
        answer(sock, name)
        return True

    report = run(bad(behave), until=lambda counts: counts["lost"] >= 9)
    assert sorted(note["name"] for note in report.lost) == sorted(lost)
    assert sorted(report.names) == sorted(answered)
    assert (report.wrong, report.closed_idle, report.refused) == ([], [], [])
    assert {note["was_sent"] for note in report.lost} == {True}
    assert len({note["why"] for note in report.lost}) == 2, "an end and a reset"


def test_a_connection_closed_while_idle_is_no_lost_request(bad: Callable[..., BadServer]) -> None:
    closes, marked = [], []

    def behave(sock: socket.socket, number: int, name: str) -> bool:
        if number % 10 == 4:
            answer(sock, name)
            closes.append(name)
            return False
        if number % 10 == 8:
            answer(sock, name, "Connection: close")
            marked.append(name)
            return False
        answer(sock, name)
        return True

    report = run(bad(behave), until=lambda counts: counts["closed_idle"] >= 5 <= counts["told_to_close"])
    # the last of them may have been closed by the client first, as it was told to stop
    assert len(closes) - 4 <= len(report.closed_idle) <= len(closes)
    assert len(report.told_to_close) == len(marked)
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == len(report.closed_idle) + len(report.told_to_close)


def test_refused_connections(bad: Callable[..., BadServer]) -> None:
    heard: set[str] = set()

    def behave(sock: socket.socket, number: int, name: str) -> bool:
        answer(sock, name)
        heard.add(name.split("-")[1])
        if len(heard) == 3:
            server.refuse()
        return len(heard) < 3

    server = bad(behave)
    report = run(server, clients=3, until=lambda counts: counts["refused"] >= 12)
    assert {note["why"] for note in report.refused} == {"Connection refused"}
    assert len(report.closed_idle) == 3 and (report.lost, report.wrong) == ([], [])
    with Load([{"kind": "get", "clients": 3, "address": server.address}], ends_when_refused=True) as load:
        assert len(load.wait(5.0).refused) == 3, "once for each client, which then ends"


def test_no_answer_in_time_is_lost_and_a_wrong_one_is_wrong(bad: Callable[..., BadServer]) -> None:
    def behave(sock: socket.socket, number: int, name: str) -> bool:
        if number == 10:
            sock.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        elif number == 20:
            answer(sock, "another-1-1")
        elif number != 30:
            answer(sock, name)
        return True

    report = run(bad(behave), until=lambda counts: counts["lost"] > 0, patience_s=0.5)
    assert [note["why"] for note in report.lost] == ["no whole answer in time"]
    assert [note["text"][:3] for note in report.wrong] == ["503", "200"]


def test_waits_are_measured(bad: Callable[..., BadServer]) -> None:
    slow: list[str] = []

    def behave(sock: socket.socket, number: int, name: str) -> bool:
        if number == 25:
            slow.append(name)
            time.sleep(0.3)
        answer(sock, name)
        return True

    report = run(bad(behave), until=lambda counts: counts["answered"] >= 60 and bool(slow))
    assert report.worst["name"] == slow[0]
    assert 0.3 <= report.worst["s"] == report.latency["get"]["worst_s"] < 0.6
    assert report.latency["get"]["p50_s"] < 0.1
    assert report.histogram["512"] == 1


def test_a_load_is_bounded_in_time(bad: Callable[..., BadServer]) -> None:
    server = bad(lambda sock, number, name: not answer(sock, name))
    with Load([{"kind": "get", "clients": 2, "address": server.address}], max_s=0.5, patience_s=1.0) as load:
        assert load.wait(3.0).names


def test_requests_and_answers_as_bytes() -> None:
    assert len(request("upload", "a-1-1", "")) == 9
    assert b"".join(request("upload", "a-1-1", "")) == request("post", "a-1-1", "")[0].replace(b"/post/", b"/upload/")
    for text, body in (
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", b"abc"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            b"abc",
        ),
    ):
        assert whole_answer(text) == (200, True, body)
        assert [whole_answer(text[:end]) for end in range(len(text))] == [None] * len(text)


def test_records_that_are_missing_doubled_or_torn_are_found(tmp_path: Path) -> None:
    report = Report(
        names=["a-1-1", "a-1-2"], lost=[{"name": "a-2-1"}], wrong=[], closed_idle=[], told_to_close=[], refused=[],
        kinds={}, versions={}, pids={}, latency={}, histogram={}, worst={}, worst_by_pid={}, slow=[], late_s=0.0,
    )  # fmt: skip
    log = tmp_path / "access.log"
    good = "GET /get/a-1-1 200 10\nGET /get/a-1-2 200 5\nGET /get/a-2-1 killed 5\nGET /loop killed 7\n"
    log.write_text(good)
    Records.read(log).check(report)
    for text, complaint in (
        (good.replace("GET /get/a-1-2 200 5\n", ""), "have no line"),
        (good + "GET /get/a-1-2 200 5\n", "a-1-2"),
        (good + "GET /get/a-1", "GET /get/a-1"),
        (good.replace("1 200 10\n", "1 200"), "a-1-1"),
        (good + "GET /get/a-7-7 200 5\n", "nobody made"),
    ):
        log.write_text(text)
        with pytest.raises(AssertionError, match=complaint):
            Records.read(log).check(report)
