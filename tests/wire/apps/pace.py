"""Handlers of every pace; each route with a number has a pace of its own, unknown until it is first asked."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import webpy as web

LARGE = bytes(range(256)) * (12 << 10)  # 3 MB: more than a socket takes
PARALLEL = 64


class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, "hello"


class Wait(web.HTTPHandler):
    def do_get(self):
        time.sleep(int(self.groups[0]) / 1000)
        return 200, "waited"


class Compute(web.HTTPHandler):
    def do_get(self):
        end_s = time.thread_time() + int(self.groups[0]) / 1000
        while time.thread_time() < end_s:
            pass
        return 200, "computed"


def held(name):
    """Touches `began-NAME` in the current folder, and returns when `go-NAME` is there."""
    Path(f"began-{name}").touch()
    while not Path(f"go-{name}").exists():
        time.sleep(0.002)


class Held(web.HTTPHandler):
    def do_get(self):
        held(self.groups[0])
        return 200, self.groups[0]

    do_post = do_get


class Late(web.HTTPHandler):
    """As Held, with answers of many kinds."""

    def do_get(self):
        held(self.groups[1])
        match self.groups[0]:
            case "bytes":
                return 200, LARGE
            case "file":
                path = Path("large")
                path.write_bytes(LARGE)
                return 200, open(path, "rb")
            case "generator":
                return 200, (LARGE[at : at + 5000] for at in range(0, len(LARGE), 5000))
            case "headers":
                self.response.headers.set("X-Late", "yes")
                return 200, "late"
            case "error":
                raise web.HTTPError(418)
            case "exception":
                raise RuntimeError("a late bug")
            case "nothing":
                return None


together = threading.Barrier(PARALLEL)


class Together(web.HTTPHandler):
    def do_get(self):
        return 200, str(together.wait(20))


routes = {
    "/hello": Hello,
    r"/wait/(\d+)": Wait,
    r"/compute/(\d+)": Compute,
    "/together": Together,
    **{f"/held{n}/(.*)": Held for n in range(20)},
    **{
        f"/late/({kind})/(.*)": Late
        for kind in ("bytes", "file", "generator", "headers", "error", "exception", "nothing")
    },
    **{rf"/nap{n}/(\d+)": Wait for n in range(40)},
}
