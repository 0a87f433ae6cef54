"""The watchdog over a real webpy server: requests are named as clients sent them, and streams left alone."""

from __future__ import annotations

import re
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server

pytestmark = pytest.mark.slow

Serve = Callable[..., Server]

_APP = """
    import os, threading, time
    import webpy as web

    lost = threading.Lock()
    lost.acquire()

    class Pid(web.HTTPHandler):
        def do_get(self):
            return 200, str(os.getpid())

    class Slow(web.HTTPHandler):
        def do_get(self):
            time.sleep(1.2)
            return 200, "at last"

    class Hang(web.HTTPHandler):
        def do_get(self):
            with lost:
                return 200, "never"

    class Stream(web.HTTPHandler):
        def do_get(self):
            def pieces():
                for _ in range(8):
                    time.sleep(0.4)
                    yield b"piece "
            return 200, pieces()

    class Large(web.HTTPHandler):
        def do_get(self):
            return 200, b"x" * 30_000_000

    routes = {"/pid": Pid, "/slow": Slow, "/hang": Hang, "/stream": Stream, "/large": Large}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    file = tmp_path / "app.py"
    file.write_text(textwrap.dedent(_APP))
    return file


def pid_of(server: Server) -> int:
    return int(server.get("/pid").body)


def ask_in_vain(server: Server, path: str) -> None:
    with pytest.raises(OSError):
        server.get(path)


def test_slow_and_hung_requests(serve: Serve, app: Path) -> None:
    server = serve(app, "--workers", "1", "--request-timeout", "2", "--slow-request", "0.6")
    pid = pid_of(server)
    assert server.get("/slow").body == b"at last"
    server.wait_for(r"\[warning\] slow on worker 0 gen 1 .*: '127\.0\.0\.1 GET /slow HTTP/1\.1' runs for 0\.\d s")
    server.wait_for(r'  File ".*app\.py", line \d+ in do_get')
    hung = threading.Thread(target=ask_in_vain, args=(server, "/hang"))
    hung.start()
    server.wait_for(rf"\[error\] worker 0 gen 1 \[{pid}\] hangs: '127\.0\.0\.1 GET /hang HTTP/1\.1' runs for 2\.\d s")
    server.wait_for(rf"\[{pid}\] hung: .* nothing else is left of it$", timeout=10)
    hung.join()
    assert pid_of(server) != pid
    server.wait_for(r"GET /hang .*killed|killed.*GET /hang", server.log)
    assert server.stop() == 0


def test_streams_downloads_and_a_busy_worker_are_no_hangs(serve: Serve, app: Path) -> None:
    server = serve(app, "--workers", "1", "--request-timeout", "1", "--slow-request", "0.9")
    pid = pid_of(server)
    streamed: list[bytes] = []
    stream = threading.Thread(target=lambda: streamed.append(server.get("/stream").body))
    stream.start()
    with server.connect() as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        left, until = 30_000_000, time.monotonic() + 2.5
        while time.monotonic() < until:
            time.sleep(0.1)
            left -= len(sock.recv(1 << 16))
        assert pid_of(server) == pid
        while piece := sock.recv(1 << 20):
            left -= len(piece)
        assert left < 0, "the head came too"
    stream.join()
    assert streamed == [b"piece " * 8]
    assert pid_of(server) == pid
    assert not [line for line in server.errors if re.search("hangs|slow on", line)]
    assert server.stop() == 0
