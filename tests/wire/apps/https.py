"""Each host answers, with Strict-Transport-Security of its own where the path says so. Needs a folder `scripts`."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import webpy
import webpy.cgi
import webpy.objects
import webpy.stdlib
import webpy.wsgi

OWN = ("Strict-Transport-Security", "max-age=1")
FOLDER = Path("scripts")


class Native(webpy.HTTPHandler):
    def do_get(self) -> Any:
        if self.request.path.endswith("own"):
            self.response.headers.set(*OWN)
        return 200, self.request.scheme

    def do_post(self) -> Any:
        return 200, f"{len(self.request.body)} bytes"


class Waiting(Native):
    """Learned to wait, so that it runs on threads of the pool."""

    def do_get(self) -> Any:
        time.sleep(0.002)
        return super().do_get()


class Streaming(webpy.HTTPHandler):
    stream = True

    def do_post(self) -> Any:
        return 200, f"{len(self.request.rfile.read())} bytes"


class Pieces(webpy.HTTPHandler):
    def do_get(self) -> Any:
        return 200, iter([b"one ", b"two"])


class Failing(webpy.HTTPHandler):
    def do_get(self) -> Any:
        raise ValueError("on purpose")


class Refusing(webpy.HTTPHandler):
    def do_get(self) -> Any:
        raise webpy.HTTPError(403, headers=dict([OWN]))


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    own = [OWN] if environ["PATH_INFO"].endswith("own") else []
    start_response("200 OK", [("Content-Type", "text/plain"), *own])
    return [environ["wsgi.url_scheme"].encode()]


class Standard(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        if self.path.endswith("own"):
            self.send_header(*OWN)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        pass


class Pages:
    @webpy.objects.expose
    def index(self) -> str:
        return str(webpy.objects.request.base)

    @webpy.objects.expose
    def own(self) -> str:
        webpy.objects.response.headers[OWN[0]] = OWN[1]
        return ""


FOLDER.mkdir(exist_ok=True)
for name, field in (("x", ""), ("own", "{}: {}\\n".format(*OWN))):
    if not (FOLDER / name).exists():
        (FOLDER / name).write_text(f"#!/bin/sh\nprintf '{field}Content-Type: text/plain\\n\\n'\nprintf \"$HTTPS\"\n")
        (FOLDER / name).chmod(0o755)

routes = {
    "/(own)?": Native,
    "/waiting(/own)?": Waiting,
    "/streaming": Streaming,
    "/pieces": Pieces,
    "/failing": Failing,
    "/refusing": Refusing,
    r"/health(\?.*)?": Native,
    **webpy.wsgi.new(wsgi, "/wsgi"),
    **webpy.stdlib.new(Standard, "/stdlib"),
    **webpy.objects.new(Pages(), "/objects"),
    **webpy.cgi.new("scripts", "/cgi", user=None),
}
