"""Files that the loop sends while workers are reloaded: none is cut short, and connections go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server

from .client import Client, get

APP = """
import os
import webpy, webpy.file

class Pid(webpy.HTTPHandler):
    def do_get(self):
        return 200, str(os.getpid())

routes = {"/pid": Pid, **webpy.file.new("files", "/files")}
"""
LARGE_BYTES, SMALL_BYTES = 16 << 20, 64 << 10


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_reload_while_files_are_sent(serve: Callable[..., Server], tmp_path: Path, workers: str) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "files").mkdir()
    large, small = os.urandom(LARGE_BYTES), os.urandom(SMALL_BYTES)
    (tmp_path / "files" / "large").write_bytes(large)
    (tmp_path / "files" / "small").write_bytes(small)
    server = serve("app.py", "--workers", workers)
    server.wait_for(r"gen 1 \[\d+\] is ready", count=int(workers) + 1)  # with the loader
    with Client(server, receive_buffer_bytes=4096) as slow, Client(server) as kept:
        before = kept.ask("/pid").text
        assert kept.ask("/files/small").body == small
        slow.send(get("/files/large"))
        slow.take(1000)  # it has begun, and the client takes no more for now
        server.send(signal.SIGHUP)
        server.wait_for(r"gen 2 \[\d+\] is ready", count=int(workers) + 1)
        while kept.ask("/pid").text == before:
            assert kept.ask("/files/small").body == small
        assert kept.ask("/files/small").body == small
        assert slow.read().body == large
    assert server.stop() == 0
    assert not [line for line in server.log if "killed" in line]
