"""A real server with its admin address: what the tests that start one share."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.server import Answer, Server

__all__ = ["SITE", "TOKEN", "Live", "waiting"]

SITE = Path(__file__).parent / "apps" / "site.py"
TOKEN = "s3cret"
LIMIT_S = 20.0


class Live:
    """`server`, and its admin address to ask."""

    def __init__(self, server: Server) -> None:
        self.server = server
        line = server.wait_for("admin on ")
        found = re.search(r"admin on http://([\d.]+):(\d+)", line)
        assert found, line
        self.address = found[1], int(found[2])
        self.url = "http://{}:{}/".format(*self.address)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> Answer:
        with contextlib.closing(http.client.HTTPConnection(*self.address, timeout=LIMIT_S)) as client:
            client.request(method, path, headers=headers or {})
            got = client.getresponse()
            return Answer(got.status, got.reason, got.headers, got.read())

    def post(self, path: str, token: str = TOKEN) -> Answer:
        return self.ask("POST", path, {"Authorization": f"Bearer {token}"})

    def status(self) -> dict[str, Any]:
        answer = self.ask("GET", "/status.json")
        assert answer.status == 200, answer
        found: dict[str, Any] = json.loads(answer.body)
        return found

    def until(self, right: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The first status that is `right`."""
        give_up = time.monotonic() + LIMIT_S
        while True:
            status = self.status()
            if right(status):
                return status
            assert time.monotonic() < give_up, f"never right: {json.dumps(status)}"
            time.sleep(0.1)


@contextlib.contextmanager
def waiting(server: Server, path: str) -> Iterator[None]:
    """A request that runs until the file GO is there; its answer is wanted at the end."""
    with contextlib.closing(server.client(LIMIT_S)) as client:
        client.request("GET", path)
        try:
            yield
        finally:
            (server.cwd / "GO").touch()
        assert client.getresponse().read() == b"waited"
