"""Examples that keep things in a store, on two workers: "counter.py", with Redis as well, which goes away; "notes.py",
whose workers are killed."""

from __future__ import annotations

import http.client
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

import webpy.store
from tests.server import ROOT, Server
from tests.services import free_port, redis_server

Serve = Callable[..., Server]
COUNTER = ROOT / "examples" / "counter.py"


def count_to_the_limit(server: Server) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: server.request("POST", "/"), range(15)))
    assert sorted(int(answer.body) for answer in answers if answer.status == 200) == list(range(1, 11))
    refused = [answer for answer in answers if answer.status != 200]
    assert [answer.status for answer in refused] == [429] * 5 and refused[0].headers["Retry-After"] == "60"
    assert server.get("/").body == b"10\n"


def test_counter(serve: Serve) -> None:
    """No step is lost between workers, and they share the limit."""
    server = serve(COUNTER, "--workers", "2")
    assert server.get("/").body == b"0\n"
    count_to_the_limit(server)
    assert server.stop() == 0


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_counter_in_redis(serve: Serve, tmp_path: Path) -> None:
    with redis_server(tmp_path, port=free_port()) as url:
        server = serve(COUNTER, "--workers", "2", env={"WEBPY_STORE": url})
        count_to_the_limit(server)
    for method in ("GET", "POST"):
        answer = server.request(method, "/")
        assert answer.status == 503 and b"refused" not in answer.body
    assert not (tmp_path / "webpy-store.sqlite3").exists()
    assert server.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["sqlite", "file"])
def test_killed_workers_lose_no_note_they_confirmed(serve: Serve, tmp_path: Path, scheme: str) -> None:
    """The workers of examples/notes.py are killed, one after the other, while clients write."""
    server = serve(ROOT / "examples" / "notes.py", "--workers", "2", env={"WEBPY_STORE": f"{scheme}:///kept"})
    confirmed: list[str] = []
    enough = threading.Event()

    def write(client: int) -> None:
        for i in itertools.count():
            if enough.is_set():
                return
            with suppress(OSError, http.client.HTTPException):  # the worker was killed: no answer, no promise
                path = f"/{client}/{i}"
                if server.request("PUT", path, f"note {path}").status == 201:
                    confirmed.append(path)

    with ThreadPoolExecutor(4) as clients:
        writing = [clients.submit(write, client) for client in range(4)]
        for kills in range(1, 6):
            before = len(confirmed)
            while len(confirmed) < before + 40:
                assert not any(each.done() for each in writing)
                time.sleep(0.005)
            workers = [pid for pid in server.processes() if pid != server.pid]
            os.kill(workers[kills % len(workers)], signal.SIGKILL)
        enough.set()
        for each in writing:
            each.result(20)
    assert len(confirmed) >= 200
    lost = [path for path in confirmed if server.get(path).body != f"note {path}".encode()]
    assert not lost
    assert server.stop() == 0
    with webpy.store.open(f"{scheme}:///{tmp_path}/kept") as kept:
        assert all(kept[path] == f"note {path}".encode() for path in confirmed)
