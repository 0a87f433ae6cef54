"""One control connection with all sorts of clients, on a real loop in this process."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.supervisor.loops import LoopThread, soon
from webpy.supervisor.control.conversation import LINE_BYTES, Answer, Conversation, Peer


class Server(LoopThread):
    """A conversation on a loop; "later" is answered by `answers`, "big" by so many bytes."""

    def __init__(self) -> None:
        super().__init__()
        ours, self.client = socket.socketpair()
        ours.setblocking(False)
        self.client.settimeout(10)
        self.reader = self.client.makefile("rb")
        self.answers: list[Answer] = []
        self.asked: list[dict[str, Any]] = []
        self.ended = threading.Event()
        self.call(lambda: self.converse(ours))

    def converse(self, sock: socket.socket) -> None:
        self.conversation = Conversation(sock, Peer("test"), self.loop, self.run, lambda _: self.ended.set())

    def run(self, request: dict[str, Any], answer: Answer, who: str) -> None:
        self.asked.append(request)
        match request.get("command"):
            case "later":
                self.answers.append(answer)
            case "big":
                answer({"ok": True, "text": "x" * request["bytes"]})
            case "fail":
                raise RuntimeError("broken")
            case _:
                answer({"ok": True, "text": who})
                answer({"ok": True, "text": "said twice"})

    def say(self, *requests: object) -> None:
        self.client.sendall(b"".join(json.dumps(request).encode() + b"\n" for request in requests))

    def hear(self) -> dict[str, Any]:
        heard: dict[str, Any] = json.loads(self.reader.readline())
        return heard

    def close(self) -> None:
        if not self.ended.is_set():
            self.call(self.conversation.close)
        super().close()
        self.reader.close()
        self.client.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_requests_are_answered_in_order_and_once(server: Server) -> None:
    server.say({"command": "a"}, {"command": "b", "id": 7}, {"command": "c", "id": "x"})
    assert [server.hear() for _ in range(3)] == [
        {"ok": True, "text": "test"},
        {"ok": True, "text": "test", "id": 7},
        {"ok": True, "text": "test", "id": "x"},
    ]
    assert [request["command"] for request in server.asked] == ["a", "b", "c"]


def test_byte_by_byte(server: Server) -> None:
    for byte in b'\n{"command": "a"}\n':
        server.client.sendall(bytes([byte]))
    assert not server.hear()["ok"], "an empty line is not a request"
    assert server.hear() == {"ok": True, "text": "test"}


@pytest.mark.parametrize(
    "line",
    [
        *(b"status", b"[1]", b'"status"', b"NaN", b"\xff\xfe\x00"),
        *(b"{" * 60_000, b"[" * 60_000, b'{"id": ' + b"9" * 5000 + b"}"),
    ],
)
def test_garbage_is_named_and_the_connection_lives(server: Server, line: bytes) -> None:
    server.client.sendall(line + b"\n")
    reply = server.hear()
    assert not reply["ok"] and "a JSON object on a line is wanted" in reply["text"]
    server.say({"command": "a"})
    assert server.hear()["ok"]
    assert not server.failures


def test_a_line_without_end(server: Server) -> None:
    threading.Thread(target=lambda: _pour(server.client)).start()
    reply = server.hear()
    assert reply == {"ok": False, "text": f"a request of more than {LINE_BYTES} bytes"}
    assert server.ended.wait(10)


def _pour(client: socket.socket) -> None:
    try:
        for _ in range(1000):
            client.sendall(b"x" * 1000)
    except OSError:
        return


def test_the_next_request_waits_for_the_answer(server: Server) -> None:
    server.say({"command": "later", "id": 1}, {"command": "a", "id": 2})
    soon(lambda: server.answers)
    time.sleep(0.02)
    assert len(server.asked) == 1
    server.call(lambda: server.answers[0]({"ok": True, "text": "done"}))
    assert [server.hear()["id"], server.hear()["id"]] == [1, 2]


def test_who_pours_in_requests_while_one_runs_is_not_read(server: Server) -> None:
    server.say({"command": "later"})
    server.client.setblocking(False)
    line, sent = json.dumps({"command": "a"}).encode() + b"\n", 0
    while True:
        try:
            sent += server.client.send(line * 100)
        except BlockingIOError:
            break
    time.sleep(0.05)
    assert len(server.conversation._received) <= LINE_BYTES + (1 << 16)
    assert sent < 1 << 22


def test_who_does_not_read_gets_no_second_answer(server: Server) -> None:
    server.say({"command": "big", "bytes": 4_000_000}, {"command": "big", "bytes": 3})
    soon(lambda: server.asked)
    time.sleep(0.02)
    assert len(server.asked) == 1
    assert len(server.hear()["text"]) == 4_000_000
    assert server.hear()["text"] == "xxx"


def test_a_half_closed_client_gets_all_its_answers(server: Server) -> None:
    server.say({"command": "later", "id": 1}, {"command": "a", "id": 2})
    server.client.shutdown(socket.SHUT_WR)
    soon(lambda: server.answers)
    assert not server.ended.is_set()
    server.call(lambda: server.answers[0]({"ok": True, "text": ""}))
    assert [server.hear()["id"], server.hear()["id"]] == [1, 2]
    assert server.reader.read(1) == b""
    assert server.ended.wait(10)


def test_a_client_that_dies_is_forgotten_at_once_and_its_answer_goes_nowhere(server: Server) -> None:
    server.say({"command": "later"})
    soon(lambda: server.answers)
    server.reader.close()
    server.client.close()
    assert server.ended.wait(10)
    server.call(lambda: server.answers[0]({"ok": True, "text": ""}))
    assert not server.failures


def test_a_client_that_dies_with_a_big_answer_on_its_way(server: Server) -> None:
    server.say({"command": "big", "bytes": 4_000_000})
    server.client.recv(1)
    server.reader.close()
    server.client.close()
    assert server.ended.wait(10)
    assert not server.failures


def test_a_command_that_fails_is_answered_and_logged(server: Server) -> None:
    server.say({"command": "fail"}, {"command": "a"})
    assert server.hear() == {"ok": False, "text": "the master failed: RuntimeError: broken"}
    assert server.hear()["ok"]
    assert server.failures == ["failed"]


def test_one_request_a_turn(server: Server) -> None:
    """Another descriptor of the loop has its turn between the requests of a client that sends many at once."""
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(len(server.asked))
        if len(server.asked) < 50:
            server.loop.after(0, tick)

    server.call(tick)
    server.say(*[{"command": "a"}] * 50)
    soon(lambda: len(server.asked) == 50)
    assert len(set(ticks)) > 20
