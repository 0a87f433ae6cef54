"""The table of hosts and mix-ins that test_matrix.py asks: every pair of mix-ins before every host, in both orders.

Imported by the test for the table, and by its server for the routes, in a folder that holds "files/a.txt" and
"scripts/a.txt".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import webpy
import webpy.cgi
import webpy.file
import webpy.objects
import webpy.stdlib
import webpy.wsgi
from webpy.auth import BasicAuthMixIn
from webpy.caching import CachingMixIn
from webpy.compression import CompressionMixIn
from webpy.cors import CORSMixIn
from webpy.csrf import CSRFMixIn
from webpy.decompression import DecompressionMixIn
from webpy.ratelimit import RateLimitMixIn
from webpy.requestid import RequestIDMixIn
from webpy.security import SecurityMixIn
from webpy.session import SessionMixIn

TEXT = "A line that is there again and again.\n" * 60
OWN = [("Content-Type", "text/plain; charset=utf-8"), ("Set-Cookie", "host=1; Path=/"), ("Vary", "X-Host")]
CLIENTS = ("ann", "bob")


class Native(webpy.HTTPHandler):
    def do_get(self) -> Any:
        for name, value in OWN:
            self.response.headers.add(name, value)
        return 200, TEXT


def whole(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [*OWN, ("Content-Length", str(len(TEXT)))])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else TEXT.encode()]


class Closing:
    """Answers as Flask does: one piece, with a Content-Length, and a body that has to be closed."""

    def __init__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> None:
        start_response("200 OK", [*OWN, ("Content-Length", str(len(TEXT)))])
        self.pieces = [] if environ["REQUEST_METHOD"] == "HEAD" else [TEXT.encode()]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def close(self) -> None:
        pass


def pieces(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", list(OWN))
    for line in TEXT.splitlines(True):
        yield line.encode()


class Standard(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in OWN:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(TEXT)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(TEXT.encode())

    do_HEAD = do_GET


class Page:
    @webpy.objects.expose
    def default(self, *args: str) -> bytes:
        headers = webpy.objects.response.headers
        headers["Content-Type"], headers["Vary"] = OWN[0][1], OWN[2][1]
        webpy.objects.response.cookie["host"] = "1"
        webpy.objects.response.cookie["host"]["path"] = "/"
        return TEXT.encode()


def _grafted(place: str, handler: Any) -> dict[str, Any]:
    """Make a WSGI application part of a tree of pages."""
    tree = webpy.objects.Tree()
    tree.mount(Page(), "")
    tree.graft(whole, place)
    found = webpy.objects.new(tree, handler=handler)
    return {regex: made for regex, made in found.items() if regex != "/.*"}


#: name to the class that mix-ins stand before, and the function that makes routes at a path of a class
HOSTS: dict[str, tuple[type[webpy.HTTPHandler], Callable[[str, Any], dict[str, Any]]]] = {
    "native": (Native, lambda place, handler: {f"{place}/a.txt": handler}),
    "wsgi": (webpy.wsgi.WSGIHandler, lambda place, handler: webpy.wsgi.new(whole, place, handler=handler)),
    "wsgi-closing": (webpy.wsgi.WSGIHandler, lambda place, handler: webpy.wsgi.new(Closing, place, handler=handler)),
    "wsgi-pieces": (webpy.wsgi.WSGIHandler, lambda place, handler: webpy.wsgi.new(pieces, place, handler=handler)),
    "stdlib": (webpy.stdlib.StdlibHandler, lambda place, handler: webpy.stdlib.new(Standard, place, handler=handler)),
    "objects": (webpy.objects.ObjectsHandler, lambda place, made: webpy.objects.new(Page(), place, handler=made)),
    "grafted": (webpy.objects.ObjectsHandler, _grafted),
    "cgi": (webpy.cgi.CGIHandler, lambda place, handler: webpy.cgi.new("scripts", place, handler=handler, user=None)),
    "file": (webpy.file.PathHandler, lambda place, handler: webpy.file.new("files", place, handler=handler)),
}

MIXINS: dict[str, type[webpy.HTTPHandler]] = {
    "id": RequestIDMixIn,
    "security": SecurityMixIn,
    "cors": CORSMixIn,
    "csrf": CSRFMixIn,
    "rate": RateLimitMixIn,
    "auth": BasicAuthMixIn,
    "decompression": DecompressionMixIn,
    "session": SessionMixIn,
    "compression": CompressionMixIn,
    "caching": CachingMixIn,
}

#: pairs (outer, inner) in the wrong order: see webpy.framework.order
WRONG = {
    ("auth", "cors"),
    ("decompression", "csrf"),
    ("decompression", "rate"),
    ("decompression", "auth"),
    ("caching", "auth"),
    ("caching", "session"),
    ("caching", "compression"),
    ("caching", "security"),
}

#: decompression, which is about requests, is paired with those that refuse some, and stands among all
PAIRS = [
    pair
    for pair in itertools.combinations(MIXINS, 2)
    if "decompression" not in pair or {*pair} & {"csrf", "rate", "auth"}
]
ALL = tuple(MIXINS)


class Touching(webpy.HTTPHandler):
    """An application's own mix-in, without a rank; touches the session if there is one."""

    def respond(self) -> Any:
        if isinstance(self, SessionMixIn):
            self.session["client"] = self.request.headers["X-Client"]
        return super().respond()


class Settings:
    """Options for all mix-ins."""

    auth_realm = "matrix"
    cors_origins = tuple(f"https://{name}.example" for name in CLIENTS)
    cors_credentials = True
    compression_codings = ("gzip",)
    ratelimit_requests = 10**6

    def login(self, user: str, password: str) -> str | None:
        return user if password == user[::-1] else None


def made(mixins: tuple[str, ...], host: str) -> type[webpy.HTTPHandler]:
    """Make the class of these mix-ins, the outermost first, before a host. Raises TypeError for a wrong order."""
    bases = (Settings, *(MIXINS[name] for name in mixins), Touching, HOSTS[host][0])
    return type("Made", bases, {"cache_control": "public, max-age=60"} if "caching" in mixins else {})


def orders(pair: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the right orders of the mix-ins."""
    return [pair] if len(pair) > 2 else [order for order in itertools.permutations(pair) if order not in WRONG]


def place_of(mixins: tuple[str, ...], host: str) -> str:
    return "/" + "-".join((host, *mixins))


def build() -> dict[str, Any]:
    """Return the routes of the whole table."""
    routes: dict[str, Any] = {}
    for host, (_, new) in HOSTS.items():
        for pair in (*PAIRS, ALL):
            for mixins in orders(pair):
                routes.update(new(place_of(mixins, host), made(mixins, host)))
    return routes
