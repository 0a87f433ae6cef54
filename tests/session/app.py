"""The application of the tests of sessions; WEBPY_SESSION names its store."""

from __future__ import annotations

import os
import signal
from typing import Any

import webpy
from webpy.session import SessionMixIn, leases

leases._LEASE_S, leases._RENEW_S = 1.0, 0.3  # 5 s would be long for a test


class Count(SessionMixIn):
    def do_get(self) -> Any:
        return 200, f"{self.session.get('n', 0)}"

    def do_post(self) -> Any:
        self.session["n"] = self.session.get("n", 0) + 1
        self.response.headers.set("X-Worker", str(os.getpid()))
        return 200, f"{self.session['n']}"


class Impatient(Count):
    session_wait_s = 0.05


class Peek(Count):
    session_read_only = True


class Hold(SessionMixIn):
    """Adds 1, then waits until the test has opened and closed the FIFO `hold` for writing."""

    def do_post(self) -> Any:
        self.session["n"] = self.session.get("n", 0) + 1
        with open("hold", "rb") as fifo:
            fifo.read()
        return 200, f"{self.session['n']}"


class Early(SessionMixIn):
    """Does what Hold does, but saves before it waits."""

    def do_post(self) -> Any:
        self.session["n"] = self.session.get("n", 0) + 1
        self.save_session()
        with open("hold", "rb") as fifo:
            fifo.read()
        return 200, f"{self.session['n']}"


class Die(SessionMixIn):
    def do_post(self) -> Any:
        self.session["n"] = 1000
        os.kill(os.getpid(), signal.SIGKILL)


class Login(SessionMixIn):
    def do_post(self) -> Any:
        self.session.regenerate()
        self.session["user"] = self.request.body.decode()
        return 204, None

    def do_get(self) -> Any:
        return 200, self.session.get("user", "nobody")

    def do_delete(self) -> Any:
        self.session.invalidate()
        return 204, None


SHARED = webpy.HTTPError(403, "no\n")


class Fail(SessionMixIn):
    """Counts, then raises HTTPError with the status in the path, or another exception for 0."""

    def do_post(self) -> Any:
        self.session["n"] = self.session.get("n", 0) + 1
        status = int(self.groups[0])
        if status == 403:
            raise SHARED
        if status:
            raise webpy.HTTPError(status)
        raise RuntimeError("of the handler")


class Keep(SessionMixIn):
    """Stores a text of the length in the path."""

    session_max_bytes = 1000

    def do_post(self) -> Any:
        self.session["text"] = "x" * int(self.groups[0])
        return 204, None


class Untouched(SessionMixIn):
    def do_get(self) -> Any:
        return 200, "untouched"


class Stream(SessionMixIn):
    """Sends a body that reads the session, which was touched before or not."""

    def do_get(self) -> Any:
        if self.groups[0] == "early":
            self.session["n"] = self.session.get("n", 0) + 1
        return 200, self._pieces()

    def _pieces(self) -> Any:
        yield b"body "
        yield str(self.session.get("n")).encode()


routes = {
    "/count": Count,
    "/impatient": Impatient,
    "/peek": Peek,
    "/hold": Hold,
    "/early": Early,
    "/die": Die,
    "/login": Login,
    r"/fail/(\d+)": Fail,
    r"/keep/(\d+)": Keep,
    "/untouched": Untouched,
    "/stream/(.*)": Stream,
}
