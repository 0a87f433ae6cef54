"""What test_differential.py asks for: every host, and answers of every shape. Imported by the servers under test, in a
folder that holds "files/a.txt" and "scripts/a.txt"."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import webpy
import webpy.compression
import webpy.form
import webpy.json
import webpy.redirect
from tests.matrix import HOSTS
from webpy.auth import BasicAuthMixIn
from webpy.framework.later import Later


class Echo(webpy.HTTPHandler):
    def do_get(self) -> Any:
        request = self.request
        seen = [request.method, request.target, request.resource, request.host, request.scheme, request.http_version]
        self.response.headers.set("X-Seen", " ".join(seen))
        fields = "".join(f"{name}: {value}\n" for name, value in request.headers)
        return 200, fields.encode() + (request.body if isinstance(request.body, bytes) else b"")

    do_post = do_put = do_patch = do_delete = do_get


class Streamed(Echo):
    stream = True

    def do_post(self) -> Any:
        return 200, self.request.rfile.read()


class Careful(Echo):
    def check_continue(self) -> Any:
        return not self.request.query


class Shapes(webpy.HTTPHandler):
    """A body of each kind, and results that are none."""

    def do_get(self) -> Any:
        match self.request.query:
            case "text":
                return 200, "grün"
            case "bytes":
                return 200, b"\x00\xff"
            case "none":
                return 204, None
            case "empty":
                return 200, ""
            case "reason":
                return 299, "Fine by Me", "fine"
            case "pieces":
                return 200, self._pieces()
            case "no-pieces":
                return 200, iter([])
            case "long":
                return 200, b"x" * 3_000_000
            case "file":
                return 200, open("files/a.txt", "rb")
            case "later":
                return Later(lambda exchange: threading.Timer(0.001, exchange.respond, [(200, "later")]).start())
            case "raises":
                raise LookupError("raised")
            case "refuses":
                raise webpy.HTTPError(418, {"why": "teapot"}, {"X-Pot": "1"})
            case "nonsense":
                return "nonsense"
            case "bad-field":
                self.response.headers.set("X-A", "a\r\nb")
                return 200, ""
            case "early":
                return 200, self._broken(0)
            case "cookies":
                self.response.headers.add("Set-Cookie", "a=1")
                self.response.headers.add("Set-Cookie", "b=2; Path=/")
                return 200, "cookies"
        raise webpy.HTTPError(404)

    def _pieces(self) -> Iterator[bytes]:
        for number in range(5):
            yield b"%d" % number * number

    def _broken(self, after: int) -> Iterator[bytes]:
        yield from [b"x"] * after
        raise LookupError("broken")


class Atomic(Shapes):
    atomic = True


class Login(BasicAuthMixIn, Echo):
    def login(self, user: str, password: str) -> Any:
        return user if password == "secret" else None


class Packed(webpy.compression.CompressionMixIn, Echo):
    pass


class Form(webpy.form.FormHandler):
    def do_post(self) -> Any:
        form = self.request.body
        return 200, repr(sorted((name, form.getlist(name)) for name in form if name != "file"))


class JSON(webpy.json.JSONHandler):
    def do_post(self) -> Any:
        return 200, {"got": self.request.body}


class Missing(webpy.HTTPErrorHandler):
    def format(self) -> Any:
        self.response.headers.set("X-Page", "own")
        return f"nothing at {self.request.path}\n"


routes: dict[Any, Any] = {
    "/echo.*": Echo,
    "/streamed": Streamed,
    r"/careful(\?.*)?": Careful,
    r"/shapes\?.*": Shapes,
    r"/atomic\?.*": Atomic,
    "/login": Login,
    "/packed": Packed,
    "/form": Form,
    "/json": JSON,
    **webpy.redirect.new("/old", "/echo/new"),
}
for name, (host, make) in HOSTS.items():
    routes.update(make(f"/{name}", host))

error_routes = {404: Missing}
