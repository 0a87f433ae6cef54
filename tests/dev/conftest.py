"""`develop`: a `webpy dev` of the test's own, on a free port of the loopback address."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server

Develop = Callable[..., Server]

COMMAND = [sys.executable, "-m", "webpy.cli", "dev"]
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "User-Agent": "a browser"}


@pytest.fixture
def develop(serve: Callable[..., Server], tmp_path: Path) -> Develop:
    """Gives `develop(source, *options, ...) -> Server`: writes app.py, and serves and watches it."""

    def start(source: str, *options: str, **keywords: object) -> Server:
        (tmp_path / "app.py").write_text(source)
        server = serve("app.py", *options, program=COMMAND, **keywords)
        server.wait_for("watching ")  # a change before that would not be seen
        return server

    return start
