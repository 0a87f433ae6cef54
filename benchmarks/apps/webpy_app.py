"""The benchmark's application as webpy routes."""

from __future__ import annotations

import os
import time
from typing import Any

import webpy
from benchmarks.apps import work

__all__ = ["routes"]


class Hello(webpy.HTTPHandler):
    def do_get(self) -> Any:
        return 200, work.HELLO


class Wait(webpy.HTTPHandler):
    def do_get(self) -> Any:
        time.sleep(float(self.groups[0]) / 1e3)
        return 200, "w"


class Compute(webpy.HTTPHandler):
    def do_get(self) -> Any:
        work.burn(float(self.groups[0]))
        return 200, "c"


class Mixed(webpy.HTTPHandler):
    def do_get(self) -> Any:
        work.burn(float(self.groups[0]))
        time.sleep(float(self.groups[1]) / 1e3)
        return 200, "m"


class Bimodal(webpy.HTTPHandler):
    def do_get(self) -> Any:
        wait_s = work.bimodal_wait_s()
        if wait_s:
            time.sleep(wait_s)
        return 200, "b"


class Static(webpy.HTTPHandler):
    def do_get(self) -> Any:
        # unbuffered, as it is sent by sendfile and not read here
        return 200, open(f"{work.STATIC}/{self.groups[0]}", "rb", buffering=0)


class Post(webpy.HTTPHandler):
    def do_post(self) -> Any:
        return 200, str(len(self.request.body))


class Upload(webpy.HTTPHandler):
    stream = True

    def do_post(self) -> Any:
        return 200, str(work.received(self.request.rfile.read))


class Json(webpy.HTTPHandler):
    def do_post(self) -> Any:
        self.response.headers["Content-Type"] = "application/json"
        return 200, work.order_total(self.request.body)


class Sized(webpy.HTTPHandler):
    def do_get(self) -> Any:
        return 200, work.sized(int(self.groups[0]))


class Pieces(webpy.HTTPHandler):
    def do_get(self) -> Any:
        return 200, work.pieces(int(self.groups[0]))


class Large(webpy.HTTPHandler):
    def do_get(self) -> Any:
        return 200, work.LARGE


class Count(Hello):
    answered = 0

    def do_get(self) -> Any:
        Count.answered += 1
        return super().do_get()


class Counted(webpy.HTTPHandler):
    def do_get(self) -> Any:
        return 200, str(Count.answered)


class Pid(webpy.HTTPHandler):
    def do_get(self) -> Any:
        return 200, str(os.getpid())


routes = {
    "/": Hello,
    "/v/(.*)": Hello,
    "/w/([0-9.]+)": Wait,
    "/c/([0-9.]+)": Compute,
    "/m/([0-9.]+)/([0-9.]+)": Mixed,
    "/b": Bimodal,
    "/static/([0-9a-z]+)": Static,
    "/post": Post,
    "/upload": Upload,
    "/json": Json,
    "/sized/([0-9]+)": Sized,
    "/pieces/([0-9]+)": Pieces,
    "/large": Large,
    "/count": Count,
    "/counted": Counted,
    "/pid": Pid,
}
