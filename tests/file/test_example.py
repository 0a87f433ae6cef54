"""examples/files.py, with the commands of its docstring."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT, Server


@pytest.mark.needs("curl")
def test_the_file_server(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(ROOT / "examples" / "files.py", "--workers", "2", "--max-body", "64M")

    def curl(*arguments: str) -> str:
        command = ["curl", "-sS", "--max-time", "20", *arguments[:-1], server.url + arguments[-1]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(*arguments: str) -> str:
        return curl("-o", "/dev/null", "-w", "%{http_code}", *arguments)

    head = curl("-I", "/hello.txt")
    assert "ETag: " in head and "Accept-Ranges: bytes" in head and "Cache-Control: no-cache" in head
    assert curl("-r", "0-4", "/hello.txt") == "Hello"
    (tmp_path / "hello.txt").write_text("Hello,")
    curl("-C", "-", "-O", "/hello.txt")
    assert (tmp_path / "hello.txt").read_text() == "Hello, files!\n"
    listed = json.loads(curl("-H", "Accept: application/json", "/?sort=time&order=desc"))
    assert [entry["name"] for entry in listed["entries"]] == ["hello.txt"]
    (tmp_path / "public" / "hello.txt.gz").write_bytes(gzip.compress(b"packed\n"))
    assert curl("--compressed", "/hello.txt") == "packed\n"

    (tmp_path / "notes.txt").write_text("buy milk")
    assert status("-T", "notes.txt", "/inbox/") == "201"
    assert status("-T", "notes.txt", "/inbox/") == "204"
    assert status("-T", "notes.txt", "-H", "If-None-Match: *", "/inbox/") == "412"
    assert curl("/inbox/notes.txt") == (tmp_path / "inbox" / "notes.txt").read_text() == "buy milk"
    assert 'href="notes.txt"' in curl("/inbox/")
    assert status("-X", "DELETE", "/inbox/notes.txt") == "204"
    assert status("-X", "DELETE", "/hello.txt") == "405"
    assert server.stop() == 0
