"""Small files that are read in place, by the leader or by a thread of the pool: what meets them on the way."""

from __future__ import annotations

import io
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.worker.rig import Rig, led, records, until
from webpy import HTTPHandler
from webpy.worker.exchanges.plan import Planner
from webpy.worker.threads.pace import WAITING

Make = Callable[..., Rig]

WAIT_S = 10.0
SMALL = bytes(range(256)) * 40


class Files(HTTPHandler):
    """`/KIND/STATUS`: the small file, opened in many ways."""

    path: Path
    kept: list[Any]

    def do_get(self) -> Any:
        kind, status = self.groups
        number: Any = HTTPStatus(int(status)) if kind.startswith("enum") else int(status)
        match kind:
            case "none":
                return 200, b"none"
            case "memory":
                return number, io.BytesIO(SMALL)
            case "raw" | "enum-raw":
                return number, self.path.open("rb", buffering=0)
            case "plus":
                return number, io.BufferedReader(io.FileIO(self.path, "r+"))
            case "enum":
                return number, self.path.open("rb")
            case "enum-memory":
                return number, io.BytesIO(SMALL)
            case "seeked":
                file = self.path.open("rb")
                file.read(100)
                return number, file
            case "closed":
                file = self.path.open("rb")
                file.close()
                return number, file
            case "kept":
                if not self.kept:
                    self.kept.append(self.path.open("rb"))
                return number, self.kept[0]
            case "shrinks":
                file = self.path.open("rb")
                self.kept.append(file)
                return number, file
            case "replaced":
                file = self.path.open("rb")
                other = self.path.with_suffix(".new")
                other.write_bytes(b"another")
                other.replace(self.path)
                return number, file
            case _:
                return number, self.path.open("rb")


ROUTES = {"/([a-z-]+)/([0-9]+)": Files}


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "small"
    path.write_bytes(SMALL)
    monkeypatch.setattr(Files, "path", path, raising=False)
    monkeypatch.setattr(Files, "kept", [], raising=False)
    return path


class Client:
    def __init__(self, parts: Rig, context: ssl.SSLContext | None) -> None:
        self.sock: socket.socket = parts.client()
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
            parts.clients.append(self.sock)

    def ask(self, path: str, *fields: str, method: str = "GET", version: str = "1.1") -> tuple[str, bytes]:
        self.sock.sendall("\r\n".join([f"{method} {path} HTTP/{version}", "Host: a", *fields, "", ""]).encode())
        got = b""
        while b"\r\n\r\n" not in got:
            data = self.sock.recv(65536)
            assert data, got
            got += data
        head, _, body = got.partition(b"\r\n\r\n")
        text = head.decode() + "\r\n"
        length = 0 if method == "HEAD" else int(text.partition("Content-Length: ")[2].split()[0])
        while len(body) < length:
            data = self.sock.recv(65536)
            assert data, got
            body += data
        assert len(body) == length
        return text, body


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Any:
    return contexts if request.param == "tls" else (None, None)


@pytest.fixture(params=["leader", "pool"])
def served(
    request: pytest.FixtureRequest, rig: Make, tls: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Rig, Client]]:
    """A rig whose loop leads, and a client; its handlers run on the leader, or on threads of the pool."""
    original = Planner.plan

    def plan(self: Planner, head: Any, plain: bool) -> Any:
        made = original(self, head, plain)
        if request.param == "pool":
            made.work.kind = WAITING
        return made

    monkeypatch.setattr(Planner, "plan", plan)
    parts = rig(ROUTES, tls=tls[0])
    with led(parts):
        yield parts, Client(parts, tls[1])


GOOD = ("file", "raw", "plus", "memory", "enum", "enum-raw", "enum-memory", "seeked", "replaced")


@pytest.mark.parametrize("kind", GOOD)
def test_the_answer_is_the_file(served: tuple[Rig, Client], kind: str, path: Path) -> None:
    parts, client = served
    body = SMALL[100:] if kind == "seeked" else SMALL
    asked = 0
    for fields, version in (((), "1.1"), (("Connection: close",), "1.1"), ((), "1.0")):
        for status in (200, 404, 200):
            client.ask("/none/200")  # what is known of a status then is used for the next
            path.write_bytes(SMALL)
            head, got = client.ask(f"/{kind}/{status}")
            assert head.startswith(f"HTTP/1.1 {status} ")
            assert got == body
            asked += 1
        path.write_bytes(SMALL)
        head, got = client.ask(f"/{kind}/200", method="HEAD")
        assert (f"Content-Length: {len(body)}\r\n" in head, got) == (True, b"")
        path.write_bytes(SMALL)
        last = Client(parts, client.sock.context if isinstance(client.sock, ssl.SSLSocket) else None)
        last, client = client, last
        head, got = last.ask(f"/{kind}/200", *fields, version=version)
        assert got == body
        asked += 1
        if fields or version == "1.0":
            assert last.sock.recv(1) == b""
    assert not parts.complaints
    until(lambda: not parts.running())
    sizes = [line.rpartition(" ")[2] for line in records(parts.row) if f"GET /{kind}/" in line]
    assert sizes == [str(len(body))] * asked


def test_a_closed_file_is_a_500_that_says_so(served: tuple[Rig, Client]) -> None:
    parts, client = served
    head, _ = client.ask("/closed/200")
    assert head.startswith("HTTP/1.1 500 ")
    (complaint,) = parts.complaints
    assert (
        complaint
        == "the answer of GET /closed/200 (Files) cannot be sent: I/O operation on closed file"[: len(complaint)]
    )
    assert client.ask("/none/200")[1] == b"none"


def test_a_file_that_is_returned_twice_is_closed_after_the_first_answer(served: tuple[Rig, Client]) -> None:
    parts, client = served
    assert client.ask("/kept/200")[1] == SMALL
    until(lambda: Files.kept[0].closed)
    head, _ = client.ask("/kept/200")
    assert head.startswith("HTTP/1.1 500 ")
    assert len(parts.complaints) == 1


def test_a_file_that_shrinks_between_its_length_and_its_bytes(
    served: tuple[Rig, Client], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client gets what the file is now, is told, or sees the answer break off: nobody takes it for whole."""
    parts, client = served
    original = os.fstat

    def fstat(fd: int) -> os.stat_result:
        found = original(fd)
        if Files.kept and not Files.kept[0].closed and fd == Files.kept[0].fileno():
            os.truncate(path, 1000)
        return found

    monkeypatch.setattr(os, "fstat", fstat)
    try:
        head, body = client.ask("/shrinks/200")
    except (OSError, AssertionError):  # reset; under TLS an end without close_notify
        until(lambda: parts.complaints)
        assert "a file became shorter while it was" in parts.complaints[0]
    else:
        assert body == SMALL[:1000] or head.startswith("HTTP/1.1 500 ")
    until(lambda: Files.kept[0].closed)
    monkeypatch.setattr(os, "fstat", original)
    path.write_bytes(SMALL)
    other = Client(parts, client.sock.context if isinstance(client.sock, ssl.SSLSocket) else None)
    assert other.ask("/file/200")[1] == SMALL


def test_others_are_served_while_a_file_is_read(served: tuple[Rig, Client], monkeypatch: pytest.MonkeyPatch) -> None:
    parts, client = served
    other = Client(parts, client.sock.context if isinstance(client.sock, ssl.SSLSocket) else None)
    assert other.ask("/none/200")[1] == b"none"
    original, begun, go_on = os.pread, threading.Event(), threading.Event()

    def pread(fd: int, count: int, offset: int) -> bytes:
        if count == len(SMALL):
            begun.set()
            assert go_on.wait(WAIT_S)
        return original(fd, count, offset)

    monkeypatch.setattr(os, "pread", pread)
    for _ in range(3):
        begun.clear()
        go_on.clear()
        found: list[Any] = []
        asking = threading.Thread(target=lambda: found.append(client.ask("/file/200")))  # noqa: B023
        asking.start()
        assert begun.wait(WAIT_S)
        for _ in range(20):
            assert other.ask("/none/200")[1] == b"none"
        go_on.set()
        asking.join(WAIT_S)
        assert found[0][1] == SMALL
    until(lambda: not parts.running())
    assert [line.rpartition(" ")[2] for line in records(parts.row) if "/file/" in line] == [str(len(SMALL))] * 3
    assert not parts.complaints
