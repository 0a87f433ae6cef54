"""Every kind of host, each with handlers of every pace, that say how many of them run at once."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import webpy as web
import webpy.cgi
import webpy.objects as cherrypy
import webpy.stdlib
import webpy.wsgi

PIECES = 3
MANY = 120  # pieces: more than sockets take
PIECE = b"x" * 50_000

os.makedirs("cgi-bin", exist_ok=True)
with open("cgi-bin/hello", "w") as script:
    script.write("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n")
os.chmod("cgi-bin/hello", 0o755)
os.chmod("cgi-bin", 0o755)

guard = threading.Lock()
now: list[str] = []
most: list[str] = []  # when the most were running, what they were
multithread: set[bool] = set()


@contextlib.contextmanager
def running(what, pace):
    """Be one of those that run, for as long as the pace says."""
    global most
    with guard:
        now.append(what)
        if len(now) > len(most):
            most = list(now)
    try:
        if pace == "wait":
            time.sleep(0.003)
        elif pace == "compute":
            end_s = time.thread_time() + 0.001
            while time.thread_time() < end_s:
                pass
        yield
    finally:
        with guard:
            now.remove(what)


def count(pace):
    """How many pieces a body has."""
    return MANY if pace == "large" else PIECES


class Pieces:
    """A body that is pulled, and closed."""

    def __init__(self, pace):
        self.pace = pace
        self.left = count(pace)

    def __iter__(self):
        return self

    def __next__(self):
        with running("a body's next", self.pace):
            if not self.left:
                raise StopIteration
            self.left -= 1
            return PIECE

    def close(self):
        with running("a body's close", self.pace):
            pass


class Native(web.HTTPHandler):
    def do_get(self):
        with running("native", self.groups[0]):
            return 200, "native"

    def do_post(self):
        with running("native post", self.groups[0]):
            return 200, self.request.body


class Body(web.HTTPHandler):
    def do_get(self):
        with running("native body", self.groups[0]):
            return 200, Pieces(self.groups[0])


class Stream(web.HTTPHandler):
    stream = True

    def do_post(self):
        with running("stream", self.groups[0]):
            return 200, str(len(self.request.rfile.read()))


class Wrapped(web.HTTPHandler):
    """Makes an error of its own of a body that breaks off."""

    stream = True

    def do_post(self):
        try:
            return 200, str(len(self.request.rfile.read()))
        except OSError as error:
            raise RuntimeError("the upload failed") from error


class Lazy(web.HTTPHandler):
    """Answers a body that broke off with pieces."""

    stream = True

    def do_post(self):
        with contextlib.suppress(OSError):
            self.request.rfile.read()
        return 200, Pieces("quick")


class Asked(web.HTTPHandler):
    def check_continue(self):
        with running("check_continue", self.groups[0]):
            return True

    def decode(self, body):
        with running("decode", self.groups[0]):
            return body

    def encode(self, body):
        with running("encode", self.groups[0]):
            return body

    def do_post(self):
        with running("asked", self.groups[0]):
            return 200, self.request.body


class Fails(web.HTTPHandler):
    def do_get(self):
        raise web.HTTPError(418)


class Teapot(web.HTTPErrorHandler):
    def format(self):
        with running("error handler", self.request.path.rpartition("/")[2]):
            return "teapot"


class Scripts(webpy.cgi.CGIHandler):
    def environ(self, found, length):
        with running("cgi", "wait"):
            return super().environ(found, length)


class Stdlib(BaseHTTPRequestHandler):
    def do_GET(self):
        what = self.path.split("/")
        with running("stdlib", what[-1]):
            self.send_response(200)
            self.end_headers()
        for _ in range(count(what[-1]) if what[-2] == "pieces" else 1):
            with running("stdlib", what[-1]):
                self.wfile.write(PIECE)


def application(environ, start_response):
    multithread.add(environ["wsgi.multithread"])
    _, kind, pace = environ["PATH_INFO"].split("/")
    with running("wsgi", pace):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"wsgi"] if kind == "list" else Pieces(pace)


class Root:
    @cherrypy.expose
    def page(self, pace):
        multithread.add(cherrypy.request.multithread)
        with running("objects", pace):
            return "page"

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    def pieces(self, pace):
        for _ in range(count(pace)):
            with running("objects body", pace):
                pass
            yield PIECE


class Report(web.HTTPHandler):
    def do_get(self):
        with guard:
            found = {"most": most, "now": now, "multithread": sorted(multithread)}
            return 200, json.dumps(found)


class Together(web.HTTPHandler):
    """Answers when as many as are wanted have come."""

    barriers: ClassVar[dict[int, threading.Barrier]] = {}

    def do_get(self):
        number = int(self.groups[0])
        with guard:
            barrier = self.barriers.setdefault(number, threading.Barrier(number))
        return 200, str(barrier.wait(20))


class Held(web.HTTPHandler):
    """Answers when there is a file `go` in the current folder."""

    def do_get(self):
        while not os.path.exists("go"):
            time.sleep(0.002)
        return 200, "held"


class Slow(web.HTTPHandler):
    def do_get(self):
        time.sleep(0.01)
        return 200, "waited"


(hosted,) = webpy.stdlib.new(Stdlib).values()

routes = {
    "/report": Report,
    r"/together/(\d+)": Together,
    "/held": Held,
    "/slow": Slow,
    "/native/(.*)": Native,
    "/body/(.*)": Body,
    r"/stream/(\w+)(?:[?].*)?": Stream,
    "/wrapped.*": Wrapped,
    "/lazy.*": Lazy,
    "/asked/(.*)": Asked,
    "/fails/(.*)": Fails,
    "/stdlib/.*": hosted,
    **webpy.wsgi.new(application, "/wsgi"),
    **webpy.objects.new(Root(), "/objects"),
    **webpy.cgi.new("cgi-bin", "/cgi-bin", handler=Scripts, user=None),
}
error_routes = {"418": Teapot}
