"""The benchmark's application as ASGI: only the routes that do not block an event loop."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from benchmarks.apps import work

__all__ = ["app"]

HELLO = work.HELLO.encode()


async def received(receive: Callable[[], Awaitable[dict[str, Any]]]) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield message["body"]
        more = message.get("more_body", False)


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    path = scope["path"]
    status = 200
    if path == "/" or path.startswith("/v/"):
        body = HELLO
    elif path in ("/post", "/upload"):
        body = b"%d" % sum([len(piece) async for piece in received(receive)])
    elif path == "/json":
        body = work.order_total(b"".join([piece async for piece in received(receive)]))
    elif path.startswith("/pieces/"):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        for piece in work.pieces(int(path[8:])):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    elif path == "/large":
        body = work.LARGE
    elif path == "/pid":
        body = b"%d" % os.getpid()
    else:
        status, body = 404, b""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
