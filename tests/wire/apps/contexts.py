"""Says what context variables its handlers see: in the call, in each piece of a body, and when that is closed."""

from __future__ import annotations

import contextvars
import time

import webpy as web
from webpy import wsgi

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")
closed: list[str] = []

LONG = 1000  # pieces: more than a socket takes, with the padding of each
PADDING = b" " * 5000


def pause(pace):
    if pace == "waiting":
        time.sleep(0.002)
    elif pace == "computing":
        end_s = time.thread_time() + 0.001
        while time.thread_time() < end_s:
            pass


class Sets(web.HTTPHandler):
    """Sets the variable, and says what it was before."""

    def do_get(self):
        pause(self.groups[0])
        before = variable.get()
        variable.set(self.groups[1])
        return 200, before

    def do_post(self):
        before = variable.get()
        variable.set(self.groups[1])
        return 200, before

    def check_continue(self):
        if self.groups[1] == "early":
            variable.set("early")


class Body:
    """Each piece says what the variable is and sets it anew; the token of the call is good to the end."""

    def __init__(self, count):
        self.token = variable.set("call")
        self.count = count

    def __iter__(self):
        for number in range(self.count):
            said = variable.get()
            variable.set(f"piece {number}")
            yield f"{said};".encode() + PADDING * (self.count >= LONG)

    def close(self):
        said = variable.get()
        variable.reset(self.token)  # raises in another context
        closed.append(f"{said}, {variable.get()}")


class Iterable(web.HTTPHandler):
    def do_get(self):
        pause(self.groups[0])
        return 200, Body(int(self.groups[1]))


class Generator(web.HTTPHandler):
    def do_get(self):
        pause(self.groups[0])
        count = int(self.groups[1])

        def pieces():
            token = variable.set("generator")
            try:
                for _ in range(count):
                    yield f"{variable.get()};".encode()
                    time.sleep(0.001)
            finally:
                variable.reset(token)
                closed.append(variable.get())

        return 200, pieces()


class Closed(web.HTTPHandler):
    """What bodies saw when they were closed, and forgets it."""

    def do_get(self):
        told = list(closed)
        closed.clear()
        return 200, "\n".join(told)


def application(environ, start_response):
    start_response("200 OK", [])
    _, pace, count = environ["PATH_INFO"].split("/")
    pause(pace)
    return Body(int(count))


def whole(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return Body(1)


routes = {
    "/closed": Closed,
    "/sets/([a-z]+)/(.*)": Sets,
    "/iterable/([a-z]+)/([0-9]+)": Iterable,
    "/generator/([a-z]+)/([0-9]+)": Generator,
    **wsgi.new(application, "/wsgi"),
    **wsgi.new(whole, "/whole"),
}
