"""Bodies to be sent slowly, and answers to be taken slowly."""

from __future__ import annotations

import time

import webpy as web

LARGE = bytes(16 << 20)  # more than sockets take

with open("large", "wb") as file:
    file.write(LARGE)


class Gather(web.HTTPHandler):
    def do_post(self):
        return 200, str(len(self.request.body))


class Stream(web.HTTPHandler):
    stream = True

    def do_post(self):
        return 200, str(len(self.request.rfile.read()))


class Large(web.HTTPHandler):
    def do_get(self):
        match self.groups[0]:
            case "memory":
                return 200, LARGE
            case "file":
                return 200, open("large", "rb")
            case _:
                return 200, (LARGE[at : at + 50_000] for at in range(0, len(LARGE), 50_000))


class Drip(web.HTTPHandler):
    """A body that is slow itself."""

    def do_get(self):
        def pieces():
            for _ in range(26):
                time.sleep(0.5)
                yield b"x"

        return 200, pieces()


routes = {"/gather": Gather, "/stream": Stream, "/large/(.*)": Large, "/drip": Drip}
