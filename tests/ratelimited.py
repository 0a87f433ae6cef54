"""The application of test_ratelimit.py: a limit of two requests an hour before each host of the matrix, and others."""

from __future__ import annotations

from typing import Any

from tests.matrix import HOSTS
from webpy.ratelimit import RateLimitMixIn


class Two(RateLimitMixIn):
    ratelimit_requests, ratelimit_window_s = 2, 3600


class Pieces(Two):
    ratelimit_name = "default"

    def do_get(self) -> Any:
        return 200, iter([b"one ", b"two"])


class Stream(Two):
    stream = True
    ratelimit_requests = 2

    def do_post(self) -> Any:
        return 200, self.request.rfile.read()


class Twenty(RateLimitMixIn):
    ratelimit_requests, ratelimit_window_s = 20, 3600

    def do_get(self) -> Any:
        return 200, "here\n"


class Closed(Twenty):
    ratelimit_fail_open = False


routes: dict[str, Any] = {"/pieces": Pieces, "/stream": Stream, "/twenty": Twenty, "/closed": Closed}
for _name, (_host, _new) in HOSTS.items():
    _limited = type(_name, (Two, _host), {"ratelimit_requests": 2, "__qualname__": f"limited-{_name}"})
    routes.update(_new(f"/{_name}", _limited))
