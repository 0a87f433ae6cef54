"""The examples of webpy.auth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.auth.clients import basic, curl, sha, status
from tests.server import ROOT, Server

EXAMPLES = ROOT / "examples"
Serve = Callable[..., Server]


@pytest.mark.needs("curl")
def test_login_basic(serve: Serve, tmp_path: Path) -> None:
    users = tmp_path / "users.htpasswd"
    users.write_text(f"ann:{sha('sesame')}\n")
    server = serve(EXAMPLES / "login_basic.py", "--workers", "2")
    assert 'WWW-Authenticate: Basic realm="hello", charset="UTF-8"' in curl("-i", server.url)
    assert curl("-u", "ann:sesame", server.url) == "hello, ann\n"
    assert status("-u", "ann:sesame", f"{server.url}/ops") == 403
    assert curl("-u", "me:secret", f"{server.url}/ops") == "hello, me\n"
    assert status("-u", "me:secret", server.url) == 401
    assert curl(f"{server.url}/health") == "well\n"
    # the file changes, for both workers
    with users.open("a") as file:
        file.write(f"bob:{sha('open')}\n")
    assert [server.get("/", headers=basic("bob", "open")).status for _ in range(8)] == [200] * 8
    users.write_text("broken\n")
    broken = server.get("/", headers=basic("bob", "open"))
    assert broken.status == 500 and b"htpasswd" not in broken.body
    server.wait_for("users.htpasswd: line 1: wanted 2 fields")
    assert server.stop() == 0


@pytest.mark.needs("curl")
def test_login_digest(serve: Serve, tmp_path: Path) -> None:
    server = serve(EXAMPLES / "login_digest.py", "--workers", "2", env={"WEBPY_AUTH": "sqlite:///counts"})
    assert curl("-i", server.url).count("WWW-Authenticate: Digest ") == 2
    assert curl("--digest", "-u", "ann:sesame", server.url) == "hello, ann\n"
    assert status("--digest", "-u", "ann:wrong", server.url) == 401
    assert (tmp_path / "counts").exists()
    assert not [line for line in server.errors if "WEBPY_AUTH" in line]
    assert server.stop() == 0


@pytest.mark.needs("curl")
def test_tokens(serve: Serve) -> None:
    server = serve(EXAMPLES / "tokens.py", "--workers", "2")
    note, tokens = f"{server.url}/note", f"{server.url}/tokens"
    person = ("-u", "ann:sesame")

    made = [curl(*person, "-d", scope, tokens).strip() for scope in ("", "write")]
    assert status("-u", "ann:wrong", "-X", "POST", tokens) == 401
    assert status("-u", "bob:", "-X", "POST", tokens) == 401
    assert status(*person, "-d", "everything", tokens) == 400
    reads, writes = (("-H", f"Authorization: Bearer {token}") for token in made)
    assert status(note) == 401
    assert curl(*reads, *[note] * 4) == "nothing yet\n" * 4
    assert status(*reads, "-X", "PUT", "-d", "hi", note) == 403
    assert status(*writes, "-X", "PUT", "-d", "hi", note) == 204
    assert curl(*reads, note) == "hi"
    assert status(*writes, "-X", "POST", tokens) == 403
    assert status(*writes, "-X", "DELETE", tokens) == 204
    assert [status(*writes, note), status(*writes, "-X", "DELETE", tokens), status(*reads, note)] == [401, 401, 200]
    assert status(*person, "-X", "DELETE", tokens) == 404
    assert server.stop() == 0
