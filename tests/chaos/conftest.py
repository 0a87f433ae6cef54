"""What all chaos tests share: certificates, and a server that serves app.py and logs to a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from tests.server import Server

from .rig import FORMAT, write_app


class Files(NamedTuple):
    """The options of a TLS server, and the file of the authority that its clients trust."""

    options: tuple[str, ...]
    ca: str


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return Files(("--certfile", str(folder / "server.pem")), str(folder / "ca.pem"))


@pytest.fixture
def chaos(
    serve: Callable[..., Server], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Server]:
    """Return `chaos(*options, workers=2, log="access.log", folder=tmp_path) -> Server`, which starts a server and waits
    until it is ready. It serves the folder's app.py, which is written if missing. `server.control` is its control
    socket."""

    def start(
        *options: str, workers: int = 2, log: str | Path = "access.log", folder: Path = tmp_path, **keywords: object
    ) -> Server:
        app = folder / "app.py"
        if not app.exists():
            write_app(folder)
        logs = ("--access-log", str(tmp_path / log), "--access-format", FORMAT)
        control = tmp_path_factory.mktemp("c") / "control"  # a short path: the system takes no more than 107 bytes
        server = serve(app, "--workers", str(workers), "--control", str(control), *logs, *options, **keywords)
        server.control = control  # type: ignore[attr-defined]
        server.wait_for(r"worker \d+ gen 1 \[\d+\] is ready", count=workers)
        return server

    return start
