"""An application with something to see: quick, slow, failing; and one that fails to load where FAIL_HERE is there."""

from __future__ import annotations

import time
from pathlib import Path

import webpy

if Path("FAIL_HERE").exists():
    raise RuntimeError("told to <b>fail</b>")


class Hello(webpy.HTTPHandler):
    def do_get(self) -> object:
        return 200, "hello"


class Wait(webpy.HTTPHandler):
    """Until the file GO is there."""

    def do_get(self) -> object:
        while not Path("GO").exists():
            time.sleep(0.02)
        return 200, "waited"


class Fail(webpy.HTTPHandler):
    def do_get(self) -> object:
        return 500, "failed"


routes = {"/": Hello, r"/wait.*": Wait, "/fail": Fail}
