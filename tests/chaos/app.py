"""The application of the chaos tests: routes for the load's kinds of request, and handlers that fail in various ways.

`rig.write_app` copies it beside a test's files and sets the constants. Every answer to the load is `VERSION PID NAME`.
"""

from __future__ import annotations

import itertools
import os
import threading
import time

import webpy as web

VERSION = "1"
IMPORT_S = 0.0  # of which half is computing
WAIT_S = 0.005
STREAM_PAUSE_S = 0.015  # ten times in an answer; a client counts it as waiting

_until = time.thread_time() + IMPORT_S / 2
while time.thread_time() < _until:
    pass
time.sleep(IMPORT_S / 2)

kept = []
lost_lock = threading.Lock()
lost_lock.acquire()


def said(name):
    return f"{VERSION} {os.getpid()} {name}\n"


class Get(web.HTTPHandler):
    def do_get(self):
        return 200, said(self.groups["name"])


class Wait(web.HTTPHandler):
    def do_get(self):
        time.sleep(WAIT_S)
        return 200, said(self.groups["name"])


class Post(web.HTTPHandler):
    def do_post(self):
        name, _, rest = self.request.body.partition(b" ")
        if len(name) + 1 + len(rest) != 20_000:
            return 400, f"{len(rest)} bytes came behind {name!r}\n"
        return 200, said(name.decode())


class Stream(web.HTTPHandler):
    def do_get(self):
        return 200, self.pieces(said(self.groups["name"]).encode())

    def pieces(self, text):
        for at in range(0, len(text), 2):
            yield text[at : at + 2]
            time.sleep(STREAM_PAUSE_S)


class Loop(web.HTTPHandler):
    def do_get(self):
        while True:
            pass


class Lock(web.HTTPHandler):
    def do_get(self):
        lost_lock.acquire()


class Gil(web.HTTPHandler):
    def do_get(self):
        return 200, str(sum(itertools.repeat(1)))  # C code that never looks up


class Slow(web.HTTPHandler):
    def do_get(self):
        time.sleep(float(self.groups["seconds"]))
        return 200, "slow\n"


class Grow(web.HTTPHandler):
    def do_get(self):
        for _ in range(int(self.groups["megabytes"])):
            kept.append(b"x" * (1 << 20))
        return 200, f"{os.getpid()}\n"


_NAME = "/(?P<name>[^/]+)(/x*)?"
routes = {
    f"/get{_NAME}": Get,
    f"/wait{_NAME}": Wait,
    f"/post{_NAME}": Post,
    f"/upload{_NAME}": Post,
    f"/stream{_NAME}": Stream,
    "/loop": Loop,
    "/lock": Lock,
    "/gil": Gil,
    "/slow/(?P<seconds>[0-9.]+)": Slow,
    "/grow/(?P<megabytes>[0-9]+)": Grow,
}
