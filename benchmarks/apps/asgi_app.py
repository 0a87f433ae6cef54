"""The benchmark's application as ASGI: only the routes that do not block an event loop."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.apps import work

__all__ = ["app"]

HELLO = work.HELLO.encode()


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    path = scope["path"]
    status = 200
    if path == "/" or path.startswith("/v/"):
        body = HELLO
    elif path == "/post":
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message["body"])
            more = message.get("more_body", False)
        body = b"%d" % size
    elif path == "/large":
        body = work.LARGE
    elif path == "/pid":
        body = b"%d" % os.getpid()
    else:
        status, body = 404, b""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
