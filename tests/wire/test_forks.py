"""Processes that a handler forks: they have the worker's descriptors no more, so what the worker closes is closed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.server import Server

APP = """
import os, signal
import webpy as web

class Forking(web.HTTPHandler):
    def do_get(self):
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)
        return 200, f"{pid}"

class Ending(web.HTTPHandler):
    def do_get(self):
        pid = int(self.groups[0])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return 204, None

routes = {"/": Forking, r"/end/(\\d+)": Ending}
"""


def test_a_connection_ends_though_a_child_of_its_handler_lives(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    server = serve("app.py", "--workers", "1")
    began = time.monotonic()
    with server.connect() as connection:
        connection.settimeout(20)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert time.monotonic() - began < 10
    pid = int(answer.rpartition(b"\r\n\r\n")[2])
    assert server.get(f"/end/{pid}").status == 204
