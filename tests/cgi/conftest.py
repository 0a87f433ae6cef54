"""A directory of scripts that any user may run, and one server of it for all tests of a module."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server

APP = Path(__file__).parent / "app.py"

Add = Callable[..., Path]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Return a folder outside of pytest's, which only its user may enter: root's scripts are run by nobody."""
    path = Path(tempfile.mkdtemp(prefix="webpy-cgi-"))
    path.chmod(0o755)
    (path / "cgi-bin").mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def add(folder: Path) -> Add:
    """Return `add(name, text, mode=0o755) -> path`, which writes a script: of sh, or of its first line."""

    def write(name: str, text: str, mode: int = 0o755) -> Path:
        path = folder / "cgi-bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}")
        path.chmod(mode)
        return path

    return write


@pytest.fixture(scope="module")
def server(folder: Path, add: Add, request: pytest.FixtureRequest) -> Iterator[Server]:
    for name, text in getattr(request.module, "SCRIPTS", {}).items():
        add(name, text)
    env = {"CGI_BIN": str(folder / "cgi-bin"), "SECRET": "of the server's"}
    options = ("--workers", "2", "--max-body", "8M", "--max-headers", "256K", "--log-level", "debug")
    started = Server(APP, *options, cwd=folder, env=env)
    started.wait_until_listening()
    yield started
    started.kill()
