"""Applications that name the certificate themselves, and what the command line says without the library."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server
from webpy.acme.keys import self_signed

BINDS = ["--bind", "http://127.0.0.1:0", "--bind", "https://127.0.0.1:0"]
PROGRAM = """
import webpy as web
class Handler(web.HTTPHandler):
    def do_get(self):
        return 200, "hello"
httpd = web.HTTPServer(["http://127.0.0.1:0", "https://127.0.0.1:0"], {"/": Handler}, acme=["example.org"])
"""
WITHOUT = "import sys; sys.modules['josepy'] = None; from webpy.cli import main; main()"


def test_a_keyword_comes_too_late_for_webpy_serve(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "own.pem").write_bytes(self_signed(["example.org"]))
    server = serve("app.py:httpd", *BINDS, "--certfile", "own.pem", bind=None, loads=False)
    server.wait_for(r"HTTPServer\(acme=\): the master orders certificates, and does not load the application")
    assert server.wait() == 3


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_missing_library_is_a_message(command: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM.replace('acme=["example.org"]', "").replace("httpd =", "routes ="))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, command, "app.py", *BINDS, "--acme", "example.org"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--acme: josepy is not installed: pip install 'webpy[acme]'" in done.stderr
    assert "Traceback" not in done.stderr
