"""Each host says who it takes the client for: one line of address, port, scheme and host. Needs a folder `scripts`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import webpy
import webpy.cgi
import webpy.objects
import webpy.session
import webpy.stdlib
import webpy.wsgi

SCRIPT = Path("scripts/who")


class Who(webpy.HTTPHandler):
    def do_get(self) -> Any:
        request = self.request
        host, port = request.client_address
        return 200, f"{host} {port} {request.scheme} {request.host}"

    def do_post(self) -> Any:
        return self.do_get()


class Peer(webpy.HTTPHandler):
    def do_get(self) -> Any:
        return 200, f"{self.request.peer_address[0]} of {os.getpid()}"


class Waiting(Who):
    """Learned to wait, so that it runs on threads of the pool."""

    def do_get(self) -> Any:
        time.sleep(0.002)
        return super().do_get()


class Streaming(Who):
    stream = True

    def do_post(self) -> Any:
        self.request.rfile.read()
        return super().do_get()


class Killing(webpy.HTTPHandler):
    def do_get(self) -> Any:
        os.abort()


class Failing(webpy.HTTPHandler):
    def do_get(self) -> Any:
        raise ValueError("on purpose")


class Cookie(webpy.session.SessionMixIn):
    def do_get(self) -> Any:
        self.session["n"] = 1
        return 200, ""


class Named(webpy.HTTPHandler):
    name = ""

    def do_get(self) -> Any:
        return 200, f"{self.name} for {self.request.host}"


class One(Named):
    name = "one"


class Two(Named):
    name = "two"


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    names = "REMOTE_ADDR", "REMOTE_PORT", "wsgi.url_scheme", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(environ[name] for name in names).encode()]


class Standard(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = "{} {}".format(*self.client_address).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Pages:
    @webpy.objects.expose
    def index(self) -> str:
        request = webpy.objects.request
        return f"{request.remote.ip} {request.remote.port} {request.base}"

    @webpy.objects.expose
    def away(self) -> None:
        raise webpy.objects.HTTPRedirect("/there")


SCRIPT.parent.mkdir(exist_ok=True)
if not SCRIPT.exists():
    SCRIPT.write_text(
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n"
        'printf "%s" "$REMOTE_ADDR $REMOTE_PORT $REQUEST_SCHEME $HTTP_HOST $SERVER_NAME $SERVER_PORT ${HTTPS:-off}"\n'
    )
    SCRIPT.chmod(0o755)

routes = {
    "/": Who,
    "/peer": Peer,
    "/waiting": Waiting,
    "/streaming": Streaming,
    "/killing": Killing,
    "/failing": Failing,
    "/session": Cookie,
    **webpy.host("one.example", {"/host": One}),
    **webpy.host("two.example", {"/host": Two}),
    **webpy.wsgi.new(wsgi, "/wsgi"),
    **webpy.stdlib.new(Standard, "/stdlib"),
    **webpy.objects.new(Pages(), "/objects"),
    **webpy.cgi.new("scripts", "/cgi", user=None),
}
