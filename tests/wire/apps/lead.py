"""Each route runs something of the application's that waits until the test lets it go: see `held`."""

from __future__ import annotations

import contextvars
import io
import time
from pathlib import Path

import webpy as web
from webpy import wsgi

variable = contextvars.ContextVar("variable")
LARGE = bytes(range(256)) * (16 << 10)  # 4 MB: more than a socket takes


def held(name):
    """Touches `began-NAME` in the current folder, and returns when `go-NAME` is there."""
    Path(f"began-{name}").touch()
    while not Path(f"go-{name}").exists():
        time.sleep(0.002)


class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, "hello"


class Memory(io.BytesIO):
    """A body in one piece whose `close` waits."""

    def __init__(self, data, name):
        super().__init__(data)
        self.name = name

    def close(self):
        if not self.closed:
            super().close()
            held(self.name)
            Path(f"closed-{self.name}").touch()


class Pieces:
    def __init__(self, name, where):
        self.name = name
        self.where = where

    def __iter__(self):
        yield b"first"
        if self.where == "next":
            held(self.name)
        yield b"second"

    def close(self):
        if self.where == "iterable":
            held(self.name)


class Stream:
    def __init__(self, name):
        self.name = name

    def read(self, size):
        held(self.name)
        return b""


class Going:
    """Waits when it goes."""

    def __init__(self, name, data=b"x"):
        self.name = name
        self.data = data

    def __iter__(self):
        yield self.data

    def __del__(self):
        held(self.name)


class Result(tuple):
    def __iter__(self):
        held(self[1])
        return super().__iter__()


class Status(int):
    name = ""

    def __hash__(self):
        held(self.name)
        return 200

    def __eq__(self, other):
        return int(self) == other


class Headers(web.HTTPHeaders):
    name = ""

    def frozen(self):
        held(self.name)
        return super().frozen()


class Waits(web.HTTPHandler):
    def do_get(self):
        where, name = self.groups
        match where:
            case "close":
                return 200, Memory(b"x", name)
            case "large":
                return 200, Memory(LARGE, name)
            case "iterable" | "next":
                return 200, Pieces(name, where)
            case "read":
                return 200, Stream(name)
            case "del":
                return 200, Going(name)
            case "drop":
                self.kept = Going(name)
                return 200, "x"
            case "body":
                self.request.body = Going(name)
                return 200, "x"
            case "variable":
                variable.set(Going(name))
                return 200, "x"
            case "result":
                return Result((200, name))
            case "status":
                status = Status(200)
                status.name = name
                return status, "x"
            case "headers":
                self.response.headers = Headers()
                self.response.headers.name = name
                return 200, "x"


class Encodes(web.HTTPHandler):
    def do_get(self):
        return 200, self.groups[0]

    def encode(self, body):
        held(body)
        return body


class Asks(web.HTTPHandler):
    """What it made before the body came waits when it goes."""

    def check_continue(self):
        self.kept = Going(self.groups[0])

    def do_post(self):
        return 200, "x"


class Fails(web.HTTPHandler):
    def do_get(self):
        raise web.HTTPError(418, self.groups[0])


class Errors(web.HTTPErrorHandler):
    def respond(self):
        held(self.error.message)
        return 418, "x"


class Closing:
    """As Flask's and Werkzeug's answers are."""

    def __init__(self, name):
        self.pieces = iter([b"x"])
        self.name = name

    def __iter__(self):
        return self.pieces

    def close(self):
        held(self.name)


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "1")])
    return Closing(environ["PATH_INFO"].lstrip("/"))


routes = {
    "/hello": Hello,
    "/encode/(.*)": Encodes,
    "/asks/(.*)": Asks,
    "/error/(.*)": Fails,
    **wsgi.new(application, "/wsgi"),
    "/([a-z]+)/(.*)": Waits,
}
error_routes = {418: Errors}
