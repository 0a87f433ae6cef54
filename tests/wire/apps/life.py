"""Says which process answers, and holds a request for as long as a test wants."""

from __future__ import annotations

import os
import time
from pathlib import Path

import webpy as web


class Pid(web.HTTPHandler):
    def do_get(self):
        return 200, str(os.getpid())


class Held(web.HTTPHandler):
    """Touches `began-NAME` in the current folder, and answers when `go-NAME` is there."""

    def do_get(self):
        name = self.groups[0]
        Path(f"began-{name}").touch()
        while not Path(f"go-{name}").exists():
            time.sleep(0.002)
        return 200, f"{name} {os.getpid()}"


routes = {"/held/(.*)": Held, "/.*": Pid}
