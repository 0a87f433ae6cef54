"""A WSGI application with a path for each corner of PEP 3333."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from wsgiref.validate import validator

import webpy
import webpy.wsgi

TEXT = [("Content-Type", "text/plain")]
HERE = Path(__file__)


class Closing:
    """An iterable that writes a line with its name to the file `closed` when it is closed."""

    def __init__(self, name, pieces):
        self.name = name
        self.pieces = iter(pieces)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.pieces)

    def close(self):
        with open("closed", "a") as file:
            file.write(f"{self.name}\n")


def environment(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    told = {name: value for name, value in environ.items() if isinstance(value, (str, bool, int, tuple))}
    return [json.dumps(told).encode()]


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [*TEXT, ("X-Length", environ.get("CONTENT_LENGTH", "none"))])
    return [body]


def lines(environ, start_response):
    start_response("200 OK", TEXT)
    source = environ["wsgi.input"]
    first = source.readline()
    return [first.upper(), *source, b"|", source.read()]


def late_start(environ, start_response):
    def pieces():
        yield b""
        start_response("202 Taken", TEXT)
        yield b"late"

    return pieces()


def never_started(environ, start_response):
    return [b"x"]


def never_started_empty(environ, start_response):
    return []


def started_twice(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return []


def replaced(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        raise KeyError("early")
    except KeyError:
        start_response("503 Sorry", TEXT, sys.exc_info())
    return [b"replaced"]


def too_late(environ, start_response):
    def pieces():
        yield b"x" * 100_000
        try:
            raise KeyError("too late")
        except KeyError:
            start_response("500 Sorry", TEXT, sys.exc_info())
        yield b"never"

    start_response("200 OK", TEXT)
    return Closing("too_late", pieces())


def raises_late(environ, start_response):
    def pieces():
        yield b"x" * 100_000
        raise ZeroDivisionError("in the body")

    start_response("200 OK", TEXT)
    return Closing("raises_late", pieces())


def raises_first(environ, start_response):
    def pieces():
        raise ZeroDivisionError("before the body")
        yield b""

    start_response("200 OK", TEXT)
    return Closing("raises_first", pieces())


def writes(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"written ")
    write(b"twice ")
    return [b"returned"]


def writes_much(environ, start_response):
    write = start_response("200 OK", TEXT)
    for _ in range(10):
        write(b"w" * 100_000)
    return Closing("writes_much", [b"end"])


def counted(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "6")])
    return Closing("counted", [b"abc", b"def"])


def one_piece(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "3")])
    return Closing("one_piece", [b"abc"])


class Made(Closing):
    """A body that is there already, as an HttpResponse of Django: its iterator is the list's own."""

    def __iter__(self):
        return iter(list(self.pieces))


def made(environ, start_response):
    start_response("200 OK", TEXT)
    return Made("made", [b"abc", b"", b"def"])


def made_counted(environ, start_response):
    start_response("203 As said", [*TEXT, ("Content-Length", "6")])
    return Made("made_counted", [b"abc", b"def"])


def made_wrong(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "7")])
    return Made("made_wrong", [b"abc", b"def"])


def made_none(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"made"')])
    return Made("made_none", [])


def too_short(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "600000")])
    return Closing("too_short", [b"x" * 100_000, b"y"])


def hops(environ, start_response):
    start_response("200 OK", [*TEXT, ("Keep-Alive", "timeout=5"), ("Upgrade", "h2"), ("X-Kept", "yes")])
    return [b"hops"]


def repeated(environ, start_response):
    start_response("200 OK", [*TEXT, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [b"cookies"]


def file(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](HERE.open("rb"), 1000)


def part_of_file(environ, start_response):
    opened = HERE.open("rb")
    opened.seek(3)
    start_response("206 Partial Content", [*TEXT, ("Content-Length", "10")])
    return environ["wsgi.file_wrapper"](opened)


def memory_file(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"in memory"))


class Reader:
    """A file-like object with `read` alone."""

    def __init__(self):
        self.left = 3

    def read(self, size):
        self.left -= 1
        return b"%d" % self.left * size if self.left >= 0 else b""


def bare_reader(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](Reader(), 5)


def bad_status(environ, start_response):
    start_response("OK", TEXT)
    return []


def bad_headers(environ, start_response):
    start_response("200 OK", {"Content-Type": "text/plain"})
    return []


def bad_value(environ, start_response):
    start_response("200 OK", [("X-Split", "a\r\nSet-Cookie: b=1")])
    return [b"x"]


def bad_body(environ, start_response):
    start_response("200 OK", TEXT)
    return ["text"]


def unauthorized(environ, start_response):
    start_response("401 Who are you", [*TEXT, ("WWW-Authenticate", "Basic")])
    return []


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"1"')])
    return []


def complains(environ, start_response):
    print("the application complains", file=environ["wsgi.errors"], flush=True)
    start_response("200 OK", TEXT)
    return [b"said"]


def endless(environ, start_response):
    def pieces():
        while True:
            yield b"x" * 65536

    start_response("200 OK", TEXT)
    return Closing("endless", pieces())


def marked(environ, start_response):
    start_response("200 OK", TEXT)
    before, environ["test.mark"] = environ.get("test.mark", "clean"), "marked"
    return [before.encode()]


def who(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"%d" % os.getpid()]


CORNERS = {name: value for name, value in list(globals().items()) if callable(value) and name.islower()}


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").partition("/")[0]
    return CORNERS.get(name, environment)(environ, start_response)


validated = validator(app)


class Beside(webpy.HTTPHandler):
    def do_get(self):
        return 200, "beside\n"


routes = {"/beside": Beside, **webpy.wsgi.new(app, "/mounted/here"), **webpy.wsgi.new(validated, "/validated")}
