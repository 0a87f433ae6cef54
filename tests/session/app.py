"""What the tests of sessions serve; the store is WEBPY_SESSION's."""

from __future__ import annotations

import os
import signal
from typing import Any

import webpy
from webpy.session import SessionMixIn, leases

leases._LEASE_S, leases._RENEW_S = 1.0, 0.3  # nobody wants to wait for 5 s


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
    """Adds 1, and waits with it until somebody has opened and closed the FIFO `hold` for writing."""

    def do_post(self) -> Any:
        self.session["n"] = self.session.get("n", 0) + 1
        with open("hold", "rb") as fifo:
            fifo.read()
        return 200, f"{self.session['n']}"


class Early(SessionMixIn):
    """As Hold, and saves before it waits."""

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
    """Counts, and fails with the status of the path; 0 is another exception."""

    def do_post(self) -> Any:
        self.session["n"] = self.session.get("n", 0) + 1
        status = int(self.groups[0])
        if status == 403:
            raise SHARED
        if status:
            raise webpy.HTTPError(status)
        raise RuntimeError("of the handler")


class Keep(SessionMixIn):
    """Keeps a text as long as the path says."""

    session_max_bytes = 1000

    def do_post(self) -> Any:
        self.session["text"] = "x" * int(self.groups[0])
        return 204, None


class Untouched(SessionMixIn):
    def do_get(self) -> Any:
        return 200, "untouched"


class Stream(SessionMixIn):
    """A body that reads the session: touched in time, or not."""

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
