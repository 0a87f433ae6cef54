"""The benchmark's application as WSGI, with the cheapest routing possible: comparisons of the path."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.apps import work

__all__ = ["app"]

HELLO = work.HELLO.encode()


def answer(path: str, environ: dict[str, Any]) -> bytes | None:
    if path == "/" or path.startswith("/v/"):
        return HELLO
    parts = path.split("/")
    kind = parts[1]
    if kind == "w":
        time.sleep(float(parts[2]) / 1e3)
        return b"w"
    if kind == "c":
        work.burn(float(parts[2]))
        return b"c"
    if kind == "m":
        work.burn(float(parts[2]))
        time.sleep(float(parts[3]) / 1e3)
        return b"m"
    if kind == "b":
        wait_s = work.bimodal_wait_s()
        if wait_s:
            time.sleep(wait_s)
        return b"b"
    if kind == "post":
        return b"%d" % len(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    if kind == "upload":
        return b"%d" % work.received(environ["wsgi.input"].read)
    if kind == "json":
        return work.order_total(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    if kind == "sized":
        return work.sized(int(parts[2]))
    if kind == "large":
        return work.LARGE
    if kind == "pid":
        return b"%d" % os.getpid()
    return None


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path.startswith("/pieces/"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return work.pieces(int(path[8:]))
    body = answer(path, environ)
    status = "200 OK"
    if body is None:
        status, body = "404 Not Found", b""
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
