"""One server for all tests of `webpy.file`, which make their files in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import Server

APP = Path(__file__).parent / "apps" / "site.py"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers with apps/site.py, in a folder that holds `site`, `inbox` and `elsewhere`."""
    cwd = tmp_path_factory.mktemp("file")
    for folder in ("site", "inbox", "elsewhere"):
        (cwd / folder).mkdir()
    server = Server(APP, "--workers", "2", "--max-body", "64M", cwd=cwd)
    server.wait_until_listening()
    yield server
    server.kill()


@pytest.fixture(scope="package")
def site(server: Server) -> Path:
    return server.cwd / "site"


@pytest.fixture(scope="package")
def inbox(server: Server) -> Path:
    return server.cwd / "inbox"
