"""`webpy files`: a directory from the command line, and the messages for a bad one."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.server import ROOT, Server

FILES = (sys.executable, "-m", "webpy.cli", "files")
Serve = Callable[..., Server]


def run(*arguments: str, cwd: Path) -> tuple[int, str]:
    done = subprocess.run(
        [*FILES, *arguments], cwd=cwd, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=20
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_the_current_folder_with_listings_a_reload_and_an_end(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / ".hidden").write_text("x")
    server = serve(".", "--workers", "2", program=FILES)
    assert server.get("/a.txt").body == b"a"
    assert b'href="a.txt"' in server.get("/").body
    assert b"hidden" not in server.get("/").body
    (tmp_path / "index.html").write_text("index")
    assert server.get("/").body == b"index"
    assert server.request("PUT", "/b.txt", b"b").status == 405
    server.send(signal.SIGHUP)
    server.wait_for(r"worker \d gen 2 .* is ready", count=2)
    assert server.get("/a.txt").body == b"a"
    assert server.stop() == 0
    assert "GET /a.txt HTTP/1.1" in "".join(server.log)


def test_a_folder_beside_chdir(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "site" / "public").mkdir(parents=True)
    (tmp_path / "site" / "public" / "a.txt").write_text("a")
    (tmp_path / "webpy.toml").write_text("workers = 1\n")
    server = serve("public", "--chdir", str(tmp_path / "site"), program=FILES)
    assert server.get("/a.txt").body == b"a"
    assert server.stop() == 0


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run("none", cwd=tmp_path) == (3, f"webpy: files: no such directory: '{tmp_path}/none'\n")
    assert run("file", cwd=tmp_path) == (3, "webpy: files: got 'file', wanted a directory\n")
    status, words = run("--workers", "many", cwd=tmp_path)
    assert (status, "workers" in words) == (2, True)


def test_files_that_never_change(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "index-aB3dE6gH.js").write_text("1")
    (tmp_path / "index.html").write_text("page")
    server = serve(".", "--immutable", r"-\w{8}\.js$", program=FILES)
    assert server.get("/index-aB3dE6gH.js").headers["Cache-Control"] == "max-age=31536000, immutable"
    assert server.get("/index.html").headers["Cache-Control"] is None
    status, words = run("--immutable", "(", cwd=tmp_path)
    assert status == 2 and words.startswith("webpy: --immutable: got '(', wanted a regex: ")
