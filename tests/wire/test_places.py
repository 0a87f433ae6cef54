"""With `--threads N` at most N runs of application code at once, whatever hosts it, and N where there is work."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.server import Server
from webpy.supervisor.control.client import ControlClient

from .client import Client, get

CLIENTS = 8
BODY = b"b" * 1000
PATHS = [
    (method, path.format(pace), body)
    for pace in ("quick", "wait", "compute")
    for method, path, body in (
        ("GET", "/native/{}", b""),
        ("POST", "/native/{}", BODY),
        ("GET", "/body/{}", b""),
        ("POST", "/stream/{}", BODY),
        ("POST", "/asked/{}", BODY),
        ("GET", "/fails/{}", b""),
        ("GET", "/stdlib/whole/{}", b""),
        ("GET", "/stdlib/pieces/{}", b""),
        ("GET", "/wsgi/list/{}", b""),
        ("GET", "/wsgi/pieces/{}", b""),
        ("GET", "/objects/page/{}", b""),
        ("GET", "/objects/pieces/{}", b""),
        ("GET", "/cgi-bin/hello", b""),
    )
]


def report(server: Server) -> dict[str, list[object]]:
    found: dict[str, list[object]] = json.loads(server.get("/report").body)
    return found


def walk(server: Server, first: int) -> None:
    """Ask for everything, from the `first` on, in two ways each: whole, and expecting 100."""
    with Client(server, timeout=30) as client:
        for number in range(len(PATHS)):
            method, path, body = PATHS[(first * 5 + number * 7) % len(PATHS)]
            if body and number % 2:
                client.send(get(path, "Expect: 100-continue", f"Content-Length: {len(body)}", method=method))
                assert client.read().status == 100
                client.send(body)
            else:
                client.send(get(path, method=method, body=body))
            assert client.read().status == (418 if path.startswith("/fails") else 200), path


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_no_more_run_at_once_than_there_are_threads(start: Callable[..., Server], threads: int) -> None:
    server = start("places", "--workers", "1", "--threads", str(threads))
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(walk, server, number) for number in range(CLIENTS)]:
            done.result()
    found = report(server)
    assert len(found["most"]) <= threads, found["most"]
    assert found["multithread"] == [threads > 1]
    # none of the places has been lost, and all can be had
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server, timeout=20)) for _ in range(threads)]
        for _ in range(2):
            for client in clients:
                client.send(get(f"/together/{threads}"))
            assert sorted(int(client.read().text) for client in clients) == list(range(threads))


def test_no_place_is_kept_for_quick_handlers_that_do_not_come(start: Callable[..., Server]) -> None:
    server = start("places", "--workers", "1", "--threads", "2")
    with Client(server, timeout=20) as one, Client(server, timeout=20) as other:
        began = time.monotonic()
        for _ in range(10):  # each pair answers when both have begun
            for client in (one, other):
                client.send(get("/together/2"))
            assert sorted(int(client.read().text) for client in (one, other)) == [0, 1]
        assert time.monotonic() - began < 5, "a place that is kept for quick handlers is given up after a second"


def status(server: Server) -> dict[str, Any]:
    with ControlClient(server.cwd / "control") as control:
        told: dict[str, Any] = control.ask("status")["status"]
        return told


def test_with_one_thread_the_loop_goes_on_while_a_handler_runs(start: Callable[..., Server]) -> None:
    server = start("places", "--workers", "1", "--threads", "1", "--header-timeout", "0.5", "--control", "control")
    with ExitStack() as stack:
        held, silent, bad, *others = [stack.enter_context(Client(server, timeout=20)) for _ in range(7)]
        held.send(get("/held"))
        silent.send(b"GET / HTT")
        bad.send(b"no request\r\n\r\n")
        assert bad.read().status == 400
        for client in others:
            client.send(get("/native/quick"))
        assert silent.read().status == 408
        for client in others:
            client.nothing_yet()
        (worker,) = status(server)["workers"]
        assert (worker["threads"], worker["busy_threads"], worker["queued"]) == (1, 1, len(others))
        (server.cwd / "go").touch()
        assert [client.read().text for client in (held, *others)] == ["held", *["native"] * len(others)]
