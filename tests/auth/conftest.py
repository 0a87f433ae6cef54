"""One server of app.py for all of tests/auth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import Server


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two workers. It must stop without errors at the end, and no request may have raised anything."""
    folder = tmp_path_factory.mktemp("auth")
    ha1 = hashlib.sha256(b"ann:plain:sesame").hexdigest()
    (folder / "users.htdigest").write_text(f"ann:plain:{ha1}\n")
    server = Server(Path(__file__).parent / "app.py", "--workers", "2", cwd=folder)
    try:
        server.wait_until_listening()
        server.wait_for(r"worker \d+ gen 1 \[\d+\] is ready", count=2)
        yield server
        assert server.stop() == 0
        assert not [line for line in server.errors if "Error" in line and "NotImplementedError" not in line]
    finally:
        server.kill()
