"""The client with all sorts of servers: good, slow, silent, ended, and not a master at all."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from webpy.supervisor.control.client import ControlClient, ControlError


@pytest.fixture
def pair() -> Iterator[tuple[ControlClient, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    client = ControlClient(ours)
    yield client, theirs
    client.close()
    theirs.close()


def answering(theirs: socket.socket, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> threading.Thread:
    def run() -> None:
        with theirs.makefile("rb") as requests:
            for line in requests:
                request = json.loads(line)
                theirs.sendall(json.dumps({"ok": True, "id": request["id"], **answer(request)}).encode() + b"\n")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_it_asks_and_gives_the_reply(pair: tuple[ControlClient, socket.socket]) -> None:
    client, theirs = pair
    thread = answering(theirs, lambda request: {"got": request})
    assert client.ask("scale", 10, workers=3)["got"] == {"command": "scale", "id": 1, "workers": 3}
    assert client.ask("status")["got"] == {"command": "status", "id": 2}
    client.close()
    thread.join(10)


def test_a_late_reply_is_not_taken_for_the_next_ones(pair: tuple[ControlClient, socket.socket]) -> None:
    client, theirs = pair
    with pytest.raises(TimeoutError, match="no answer in time"):
        client.ask("reload", 0.01, wait=True)
    theirs.sendall(b'{"ok": false, "text": "late", "id": 1}\n{"ok": true, "text": "right", "id": 2}\n')
    assert client.ask("status", 10)["text"] == "right"


def test_in_two_steps_and_in_pieces(pair: tuple[ControlClient, socket.socket]) -> None:
    client, theirs = pair
    client.begin("status")
    assert client.poll() is None
    for piece in b'{"ok": true, "text": "', b"x" * 300_000, b'", "id": 1}':
        sender = threading.Thread(target=theirs.sendall, args=(piece,))
        sender.start()
        while sender.is_alive():
            assert client.poll() is None
        sender.join()
    theirs.sendall(b"\n")
    while (reply := client.poll()) is None:
        pass
    assert len(reply["text"]) == 300_000


def test_the_master_goes(pair: tuple[ControlClient, socket.socket]) -> None:
    client, theirs = pair
    client.begin("reload")
    theirs.close()
    with pytest.raises(ControlError):
        client.poll()
    with pytest.raises(ControlError):
        client.ask("status", 1)


def test_what_was_said_before_it_closed_is_heard(pair: tuple[ControlClient, socket.socket]) -> None:
    client, theirs = pair
    theirs.sendall(b'{"ok": false, "text": "you may not"}\n')
    theirs.close()
    assert client.ask("status", 1) == {"ok": False, "text": "you may not"}


@pytest.mark.parametrize("line", [b"HTTP/1.1 400 Bad Request\r\n", b"[]\n", b"\xff\n"])
def test_no_master(pair: tuple[ControlClient, socket.socket], line: bytes) -> None:
    client, theirs = pair
    theirs.sendall(line)
    with pytest.raises(ControlError, match="not a master's reply"):
        client.ask("status", 1)


def test_threads_take_turns(pair: tuple[ControlClient, socket.socket]) -> None:
    client, theirs = pair
    server = answering(theirs, lambda request: {"text": request["command"]})
    wrong: list[str] = []

    def ask(word: str) -> None:
        for _ in range(200):
            if client.ask(word, 10)["text"] != word:
                wrong.append(word)

    threads = [threading.Thread(target=ask, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
    client.close()
    server.join(10)


def test_nobody_there(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with pytest.raises(ControlError, match=f"{path}: No such file"):
        ControlClient(path)
    path.write_text("")
    with pytest.raises(ControlError, match="refused"):
        ControlClient(path)
    with socket.socket(socket.AF_UNIX) as sock:
        os.unlink(path)
        sock.bind(str(path))
        with pytest.raises(ControlError, match="refused"):
            ControlClient(path)
