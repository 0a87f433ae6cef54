"""Says which process answers, and holds a request for as long as a test wants."""

from __future__ import annotations

import os
import time
from pathlib import Path

import webpy as web


class Pid(web.HTTPHandler):
    def do_get(self):
        return 200, str(os.getpid())

    def do_post(self):
        return 200, f"{len(self.request.body)} {os.getpid()}"

    def do_put(self):
        return 200, f"{self.request.client_address[1]} {os.getpid()}"


class Held(web.HTTPHandler):
    """Touches `began-NAME` in the current folder, and answers when `go-NAME` is there."""

    def do_get(self):
        name = self.groups[0]
        Path(f"began-{name}").touch()
        while not Path(f"go-{name}").exists():
            time.sleep(0.002)
        return 200, f"{name} {os.getpid()}"


class Stream(web.HTTPHandler):
    """Gives a piece, and the rest when `go-NAME` is there."""

    def do_get(self):
        def pieces(name):
            yield b"first "
            while not Path(f"go-{name}").exists():
                time.sleep(0.002)
            yield b"last " + str(os.getpid()).encode()

        return 200, pieces(self.groups[0])


class Large(web.HTTPHandler):
    def do_get(self):
        return 200, b"x" * (int(self.groups[0]) << 20)


class Wait(web.HTTPHandler):
    def do_get(self):
        time.sleep(int(self.groups[0]) / 1000)
        return 200, str(os.getpid())


class Die(web.HTTPHandler):
    def do_get(self) -> None:
        os._exit(3)


routes = {"/die": Die, "/wait/(.*)": Wait, "/stream/(.*)": Stream, "/large/(.*)": Large, "/held/(.*)": Held, "/.*": Pid}
