"""A resource whose readers and writers say when they are inside, and stay there until they are let go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import webpy as web


class Pid(web.HTTPHandler):
    def do_get(self):
        return 200, str(os.getpid())


class Room(web.HTTPHandler):
    """`inside-METHOD-NAME` stands in the current folder while that request is inside; `go-NAME` lets it go."""

    atomic = True

    def do_get(self):
        name = self.request.query
        inside = Path(f"inside-{self.request.method}-{name}")
        inside.touch()
        while not Path(f"go-{name}").exists():
            time.sleep(0.002)
        inside.unlink()
        return 200, f"{name} {os.getpid()}"

    do_put = do_get

    def do_delete(self):
        raise web.HTTPError(409) if self.request.query else ArithmeticError


routes = {"/pid": Pid, r"/room/.*": Room}
