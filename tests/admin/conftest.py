"""The admin process under a stand-in master, asked over HTTP; and a browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.admin.browser import Browser
from tests.server import ROOT, Answer

LIMIT_S = 20.0


class Admin:
    """See tests/admin/standin.py."""

    def __init__(self, **settings: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.admin.standin", json.dumps(settings)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.address: tuple[str, int] = tuple(self.heard()["address"])
        self.url = "http://{}:{}/".format(*self.address)

    def heard(self) -> dict[str, Any]:
        """The next thing the stand-in says."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr
            raise AssertionError(f"the admin process has gone: {self._process.stderr.read()}")
        said: dict[str, Any] = json.loads(line)
        return said

    def tell(self, **what: Any) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self.heard()

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        with contextlib.closing(http.client.HTTPConnection(*self.address, timeout=LIMIT_S)) as client:
            client.request(method, path, body=body, headers=headers or {})
            got = client.getresponse()
            return Answer(got.status, got.reason, got.headers, got.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers)

    def post(self, path: str, token: str | None = None, **headers: str) -> Answer:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.ask("POST", path, headers)

    def stop(self) -> str:
        """End it; what it had to complain of."""
        if self._process.poll() is None:
            with contextlib.suppress(BrokenPipeError):
                assert self._process.stdin
                self._process.stdin.write('{"stop": true}\n')
                self._process.stdin.flush()
        try:
            complaints = self._process.communicate(timeout=LIMIT_S)[1]
        except subprocess.TimeoutExpired:
            self._process.kill()
            complaints = "it did not end\n" + self._process.communicate()[1]
        return complaints


@pytest.fixture
def admin() -> Iterator[Callable[..., Admin]]:
    """Gives `admin(**settings) -> Admin`. None of them may have complained of anything."""
    there: list[Admin] = []

    def start(**settings: Any) -> Admin:
        there.append(Admin(**settings))
        return there[-1]

    yield start
    complaints = [each.stop() for each in there]
    assert not any(complaints), complaints


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    there = Browser()
    yield there
    there.close()
