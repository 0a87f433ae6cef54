"""Servers that all tests of a module share: starting one costs more than a whole table of requests."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server

APPS = Path(__file__).parent / "apps"


@pytest.fixture(scope="module")
def share(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Gives `share(app, *options) -> Server`: apps/APP.py served until the module ends."""
    servers: list[Server] = []
    cwd = tmp_path_factory.mktemp("wire")

    def start(app: str, *options: str, **keywords: object) -> Server:
        server = Server(APPS / f"{app}.py", *options, cwd=cwd, **keywords)  # type: ignore[arg-type]
        servers.append(server)
        server.wait_until_listening()
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def start(serve: Callable[..., Server]) -> Callable[..., Server]:
    """Gives `start(app, *options) -> Server`: apps/APP.py served for this test alone."""
    return lambda app, *options, **keywords: serve(APPS / f"{app}.py", *options, **keywords)


class Log:
    """The lines of a server's access log that match `pattern` and came since this was made.

    A thread may log after its client has the answer, so `pattern` must match no request that was made before, unless
    its line has been waited for.
    """

    _fences = itertools.count()

    def __init__(self, server: Server, pattern: str) -> None:
        self._server = server
        self._pattern = pattern
        self._fence()
        self._before = len(self._matching())

    def lines(self, count: int) -> list[str]:
        """Wait for this many lines, which must be all there are."""
        self._server.wait_for(self._pattern, self._server.log, count=self._before + count)
        new = self.all()
        assert len(new) == count, f"{len(new)} lines instead of {count}: {new}"
        return new

    def all(self) -> list[str]:
        """All lines there are; for a test that cannot know how many, but that the leader has written them."""
        self._fence()
        return self._matching()[self._before :]

    def _fence(self) -> None:
        """Wait until what the leader of the one worker has logged by now is there."""
        fence = f"/aside/fence/{next(self._fences)}"
        self._server.get(fence)
        self._server.wait_for(f"{fence} ", self._server.log)

    def _matching(self) -> list[str]:
        return [line for line in self._server.log if re.search(self._pattern, line)]
