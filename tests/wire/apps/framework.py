"""One handler for each thing that the framework does; test_framework.py says what must come of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import time
from pathlib import Path

import webpy as web

SMALL = bytes(range(256)) * 80  # 20 KB: leaves with its head
LARGE = bytes(range(256)) * (12 << 10)  # 3 MB: more than a socket takes
TEXT = "grüße, 世界\n"

folder = Path(tempfile.mkdtemp(dir="."))
(folder / "small").write_bytes(SMALL)
(folder / "large").write_bytes(LARGE)
(folder / "counter").write_text("0")

closed: list[str] = []
progress: list[str] = []


class TrackedFile(io.BufferedReader):
    def close(self):
        if not self.closed:
            closed.append(Path(self.name).name)
        super().close()


class TrackedPipe:
    """A stream without a length: nothing but read and close."""

    def __init__(self, data):
        self._stream = io.BytesIO(data)

    def read(self, count):
        return self._stream.read(min(count, 1000))

    def close(self):
        closed.append("pipe")


def generator(pieces):
    try:
        yield from pieces
    finally:
        closed.append("generator")


def real_pipe():
    reader, writer = os.pipe()
    os.write(writer, b"from a pipe")
    os.close(writer)
    return os.fdopen(reader, "rb")


def seeked():
    file = open(folder / "small", "rb")
    file.seek(20_000)
    return file


BODIES = {
    "str": lambda: TEXT,
    "bytes": lambda: SMALL,
    "bytearray": lambda: bytearray(b"abc"),
    "memoryview": lambda: memoryview(b"abc"),
    "large": lambda: LARGE,
    "none": lambda: None,
    "bytesio": lambda: io.BytesIO(SMALL),
    "small-file": lambda: TrackedFile(io.FileIO(folder / "small")),
    "large-file": lambda: TrackedFile(io.FileIO(folder / "large")),
    "seeked": seeked,
    "empty-file": lambda: open(os.devnull, "rb"),
    "pipe": real_pipe,
    "stream": lambda: TrackedPipe(SMALL),
    "generator": lambda: generator([b"one", b"", b"two", memoryview(b"three")]),
    "large-generator": lambda: generator(LARGE[at : at + 5000] for at in range(0, len(LARGE), 5000)),
    "empty-generator": lambda: generator([]),
    "list": lambda: [b"a", b"b"],
}


class Body(web.HTTPHandler):
    def do_get(self):
        length = self.request.headers.get("X-Length")
        if length:
            self.response.headers.set("Content-Length", length)
        return 200, BODIES[self.groups["kind"]]()


class Status(web.HTTPHandler):
    def do_get(self):
        if self.request.query:
            self.response.headers.set("Content-Length", self.request.query)
        return int(self.groups[0]), "a body\n"


class Aside(web.HTTPHandler):
    def do_get(self):
        seen = {"pid": os.getpid(), "closed": list(closed), "progress": list(progress)}
        if self.request.query == "clear":
            closed.clear()
            progress.clear()
        return 200, json.dumps(seen)


class Echo(web.HTTPHandler):
    def do_post(self):
        request = self.request
        self.response.headers.set("X-Kind", type(request.rfile).__name__)
        body = request.body
        self.response.headers.set("X-Digest", hashlib.sha256(body).hexdigest())
        return 200, body if len(body) < 100_000 else str(len(body))


class Rfile(web.HTTPHandler):
    def do_post(self):
        lines = list(self.request.rfile)
        return 200, json.dumps([len(lines), lines[-1].decode()])


class Hesitant(web.HTTPHandler):
    """Decides on the head whether it wants the body."""

    def check_continue(self):
        self.early = "asked early"
        match self.request.path:
            case "/hesitant/no":
                return False
            case "/hesitant/error":
                headers = web.HTTPHeaders([("X-Why", "too heavy")])
                raise web.HTTPError(403, "not you\n", headers=headers)
            case "/hesitant/bug":
                raise RuntimeError("a bug in check_continue")
        return True

    def do_post(self):
        return 200, f"{getattr(self, 'early', 'not asked')}: {self.request.body.decode()}"


class Encoded(web.HTTPHandler):
    def decode(self, body):
        try:
            return json.loads(body)
        except ValueError:
            raise web.HTTPError(400, "no JSON\n") from None

    def encode(self, body):
        return json.dumps(body).encode()

    def do_get(self):
        return 200, {"got": None}

    def do_post(self):
        return 200, "Fine", {"got": self.request.body}


class OwnBody(web.HTTPHandler):
    def get_body(self):
        self.request.body = list(self.request.rfile.read())

    def do_post(self):
        return 200, repr(self.request.body)


class Fails(web.HTTPHandler):
    def do_get(self):
        match self.groups[0]:
            case "exception":
                raise RuntimeError("the secret of the handler")
            case "exit":
                raise SystemExit("out of here")
            case "plain":
                raise web.HTTPError(404)
            case "dressed":
                headers = web.HTTPHeaders()
                headers.set("WWW-Authenticate", "Any")
                headers.add("X-More", "1")
                raise web.HTTPError(401, "who are you?\n", headers=headers, status_message="Say Your Name")
            case "bytes":
                raise web.HTTPError(410, b"\x00gone")
            case "routed":
                raise web.HTTPError(418, "short and stout")
            case "twice":
                raise web.HTTPError(555, "raises again")
        raise AssertionError(self.groups[0])


class Teapot(web.HTTPErrorHandler):
    def format(self):
        self.response.headers.set("X-Teapot", self.groups[0])
        return json.dumps({"error": self.error.status, "message": self.error.message, "path": self.request.path})


class Broken(web.HTTPErrorHandler):
    def format(self):
        raise RuntimeError("the secret of the error handler")


def raising():
    yield b"a piece"
    raise RuntimeError("the secret of the generator")


def raising_at_once():
    raise RuntimeError("the secret of the generator")
    yield b""


BAD_RESULTS = {
    "nothing": lambda: None,
    "number": lambda: 200,
    "text": lambda: "ok",
    "one": lambda: (200,),
    "four": lambda: (200, "OK", "body", "more"),
    "status-text": lambda: ("200", "body"),
    "status-100": lambda: (100, "body"),
    "status-600": lambda: (600, "body"),
    "reason-number": lambda: (200, 5, "body"),
    "reason-split": lambda: (200, "OK\r\nX: y", "body"),
    "body-number": lambda: (200, 5),
    "body-object": lambda: (200, object()),
    "text-stream": lambda: (200, io.StringIO("text")),
    "iterable-of-text": lambda: (200, ["text"]),
    "iterable-that-raises": lambda: (200, raising_at_once()),
}
BAD_HEADERS = {
    "value-crlf": ("X-A", "a\r\nX-B: b"),
    "value-lf": ("X-A", "a\nb"),
    "value-cr": ("X-A", "a\rb"),
    "value-nul": ("X-A", "a\0b"),
    "value-beyond-latin-1": ("X-A", "世"),
    "name-crlf": ("X-A\r\nX-B", "a"),
    "name-space": ("X A", "a"),
    "name-empty": ("", "a"),
    "name-colon": ("X-A:", "a"),
    "length-text": ("Content-Length", "many"),
}


class BadResult(web.HTTPHandler):
    def do_get(self):
        name = self.groups[0]
        if name in BAD_HEADERS:
            self.response.headers.set(*BAD_HEADERS[name])
            return 200, generator([b"body"])
        if name == "raises-late":
            return 200, raising()
        return BAD_RESULTS[name]()


class Streamed(web.HTTPHandler):
    stream = True

    def do_post(self):
        match self.groups[0]:
            case "lines":
                for line in self.request.rfile:
                    progress.append(line.decode().strip())
                return 200, f"{len(progress)} lines"
            case "digest":
                digest = hashlib.sha256()
                while piece := self.request.rfile.read(70_000):
                    digest.update(piece)
                return 200, digest.hexdigest()
            case "slowly":
                time.sleep(2.0)
                return 200, str(len(self.request.rfile.read()))
            case "unread":
                return 403, "no, thank you\n"
            case "body":
                return 200, self.request.body
            case "lazy":
                return 200, (line for line in self.request.rfile)
            case "broken":
                try:
                    self.request.rfile.read()
                except ConnectionError:
                    progress.append("broken off")
                    raise
        raise AssertionError


class Groups(web.HTTPHandler):
    def do_get(self):
        groups = self.groups
        return 200, json.dumps([groups[0], groups["name"], groups[2], groups.get("none"), len(groups), list(groups)])


class About(web.HTTPHandler):
    def do_get(self):
        request = self.request
        seen = {
            "method": request.method,
            "resource": request.resource,
            "path": request.path,
            "query": request.query,
            "http_version": request.http_version,
            "scheme": request.scheme,
            "host": request.host,
            "tls": request.tls is not None,
            "client_address": list(request.client_address),
            "agent": request.headers.get("user-AGENT"),
            "cookies": request.headers.getlist("cookie"),
            "body": request.body.decode(),
        }
        # the next request with the same head must not see this
        request.headers.set("User-Agent", "spoilt")
        return 200, json.dumps(seen)

    do_post = do_get


class Security(web.HTTPHandler):
    def do_get(self):
        tls = self.request.tls
        subject = [value for ((name, value),) in (tls.getpeercert() or {}).get("subject", ()) if name == "commonName"]
        seen = [self.request.scheme, tls.version(), subject, tls.session_reused, os.getpid()]
        return 200, json.dumps(seen)


class Fields(web.HTTPHandler):
    def do_get(self):
        headers = self.response.headers
        headers.add("Set-Cookie", "a=1")
        headers.add("Set-Cookie", "b=2")
        headers.set("x-lower-Case", "kept")
        headers.set("Content-Type", "text/html")
        headers.set("Server", "mine")
        headers.set("Transfer-Encoding", "gzip")  # framing is the server's business
        headers.set("Content-Length", "99")
        if self.request.query == "close":
            headers.set("Connection", "close")
        return 200, "All Right", "hello"


class Counter(web.HTTPHandler):
    """Read, wait, write: only one at a time may do this, of all workers."""

    atomic = True

    def do_post(self):
        count = int((folder / "counter").read_text())
        time.sleep(0.002)
        (folder / "counter").write_text(str(count + 1))
        return 200, str(os.getpid())

    def do_get(self):
        return 200, (folder / "counter").read_text()


class Sleep(web.HTTPHandler):
    def do_get(self):
        time.sleep(float(self.groups[0]))
        return 200, "slept"


class Whole(web.HTTPHandler):
    """Wraps every method."""

    def respond(self):
        status, body = super().respond()
        return status, f"[{body}]"

    def do_get(self):
        return 200, "got"

    def do_patch(self):
        return 200, "patched"


routes = {
    "/aside(?:/.*)?(?:[?].*)?": Aside,
    r"/body/(?P<kind>[\w-]+)(?:[?].*)?": Body,
    r"/status/(\d+)(?:[?].*)?": Status,
    "/echo": Echo,
    "/rfile": Rfile,
    "/hesitant/.*": Hesitant,
    "/encoded": Encoded,
    "/own-body": OwnBody,
    "/fails/(.*)": Fails,
    "/bad/(.*)": BadResult,
    "/streamed/(.*)": Streamed,
    r"/groups/(\w+)/(?P<name>\w+)(/more)?": Groups,
    "/about.*": About,
    "/security": Security,
    "/fields.*": Fields,
    "/counter": Counter,
    "/sleep/(.*)": Sleep,
    "/whole": Whole,
}
error_routes = {"(418)": Teapot, "55.": Broken}
