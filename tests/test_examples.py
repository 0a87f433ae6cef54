"""Each example is started as its docstring says, and asked what its docstring asks."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT, Server

EXAMPLES = ROOT / "examples"
Serve = Callable[..., Server]


def curl(*arguments: str) -> str:
    command = ["curl", "-sS", "--max-time", "20", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: status {done.returncode}: {done.stderr}"
    return done.stdout


def status(*arguments: str) -> int:
    return int(curl("-o", os.devnull, "-w", "%{http_code}", *arguments))


def test_every_example_is_tested() -> None:
    """Here, or beside the feature that it shows."""
    source = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    untested = [path.name for path in EXAMPLES.iterdir() if f'"{path.name}"' not in source]
    assert not untested


@pytest.mark.needs("curl")
def test_hello_is_the_example_of_web_py(serve: Serve, tmp_path: Path) -> None:
    text = (EXAMPLES / "hello.py").read_text()
    script = tmp_path / "hello.py"
    script.write_text(text.replace("('localhost', 8080)", "('localhost', 0)"))
    assert script.read_text() != text
    server = serve(script, program=[sys.executable], bind=None, env={"WEBPY_WORKERS": "1"})
    greeting = f"{server.url}/greeting"

    assert "WWW-Authenticate: Any" in curl("-i", greeting)
    assert status(greeting) == 401
    assert status("-u", "me:secret", greeting) == 404
    assert curl("-u", "me:secret", "-X", "PUT", "-d", "hi", greeting) == "Accepted"
    assert curl("-u", "me:secret", greeting) == "hi"
    assert status("-X", "DELETE", greeting) == 405
    assert server.stop() == 0


@pytest.mark.needs("curl")
def test_notes_from_every_worker(serve: Serve) -> None:
    server = serve(EXAMPLES / "notes.py", "--workers", "4")
    today = f"{server.url}/today"

    assert status(today) == 404
    assert status("-X", "PUT", "-d", "buy milk", today) == 201
    assert status("-X", "PUT", "-d", "buy bread", today) == 204
    # Connections opened one after the other go to different workers.
    assert curl(*[today] * 4) == "buy bread" * 4
    assert [server.get("/today").body for _ in range(16)] == [b"buy bread"] * 16
    assert server.get("/today?x=1").body == b"buy bread"
    assert "Content-Length: 9" in curl("-I", today)
    assert status("-X", "DELETE", today) == 204
    assert [server.get("/today").status for _ in range(16)] == [404] * 16
    assert status("-X", "DELETE", today) == 404
    assert server.request("POST", "/today").headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert server.stop() == 0


def test_notes_are_there_after_a_restart(serve: Serve) -> None:
    first = serve(EXAMPLES / "notes.py", "--workers", "2")
    binary = bytes(range(256))
    assert first.request("PUT", "/kept/%C3%BC", binary).status == 201
    assert first.stop() == 0
    second = serve(EXAMPLES / "notes.py", "--workers", "2")
    answer = second.get("/kept/%C3%BC")
    assert (answer.status, answer.body) == (200, binary)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert second.stop() == 0


@pytest.mark.needs("curl")
def test_streaming(serve: Serve, tmp_path: Path) -> None:
    server = serve(EXAMPLES / "streaming.py", "--workers", "2", "--max-body", "64M")

    assert curl(f"{server.url}/count/5") == "1\n2\n3\n4\n5\n"
    head = curl("-I", f"{server.url}/count/5")
    assert "Content-Length" not in head
    many = server.get("/count/200000")
    assert many.headers["Transfer-Encoding"] == "chunked"
    assert many.body.split() == [str(number).encode() for number in range(1, 200001)]

    source = (EXAMPLES / "streaming.py").read_bytes()
    answer = server.get("/source")
    assert (answer.body, answer.headers["Content-Length"]) == (source, str(len(source)))

    upload = tmp_path / "upload"
    upload.write_bytes(os.urandom(5_000_000))
    digest = hashlib.sha256(upload.read_bytes()).hexdigest() + "\n"
    assert curl("-T", str(upload), f"{server.url}/digest") == digest
    assert curl("-H", "Transfer-Encoding: chunked", "-T", str(upload), f"{server.url}/digest") == digest
    assert server.stop() == 0


@pytest.mark.needs("curl")
def test_errors(serve: Serve) -> None:
    server = serve(EXAMPLES / "errors.py", "--workers", "1")

    missing = server.get("/nowhere")
    assert (missing.status, missing.headers["Content-Type"]) == (404, "application/json")
    assert json.loads(missing.body) == {"status": 404, "message": "Not Found"}
    assert "HTTP/1.1 418 I am a teapot" in curl("-i", f"{server.url}/teapot")
    teapot = server.get("/teapot")
    assert teapot.headers["Retry-After"] == "300"
    assert json.loads(teapot.body) == {"status": 418, "message": "short and stout"}
    broken = server.get("/broken")
    assert (broken.status, broken.body) == (500, b"Our mistake (500), sorry.\n")
    server.wait_for("ZeroDivisionError: division by zero")
    assert b"ZeroDivisionError" not in broken.body
    assert server.stop() == 0


def test_waiting(serve: Serve) -> None:
    server = serve(EXAMPLES / "waiting.py", "--workers", "1")

    assert server.get("/quick").body == b"quick\n"
    for path, said in (("/wait/50", b"waited"), ("/compute/50", b"computed")):
        began = time.monotonic()
        assert server.get(path).body.startswith(said)
        assert time.monotonic() - began >= 0.05
    assert server.get("/wait/x").status == 404
    assert server.stop() == 0


def test_settings_file(serve: Serve, tmp_path: Path) -> None:
    """All its keys are known, and the log goes where it says, as JSON."""
    server = serve(EXAMPLES / "waiting.py", "--config", str(EXAMPLES / "webpy.toml"), "--workers", "1")
    assert server.get("/quick").status == 200
    assert server.stop() == 0
    (line,) = (tmp_path / "access.log").read_text().splitlines()
    record = json.loads(line)
    assert record["status"] == 200
    assert list(record)[-1] == "time_us"


@pytest.mark.needs("curl")
def test_limits_by_address_and_by_key(serve: Serve) -> None:
    server = serve(EXAMPLES / "ratelimit.py", "--workers", "2")
    url = f"{server.url}/search"
    told = curl("-i", url)
    assert 'RateLimit-Policy: "default";q=30;w=60' in told and 'RateLimit: "default";r=9;t=2' in told
    assert status("-H", "X-Key: secret", url) == 200 and status("-H", "X-Key: made-up", url) == 403
    assert 429 in [status(url) for _ in range(40)]
    assert status("-H", "X-Key: other", url) == 200
