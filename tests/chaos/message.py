"""Owns the load's requests and answers as bytes. Knows no sockets, and nothing of webpy but the paths of app.py."""

from __future__ import annotations

__all__ = ["request", "whole_answer"]

POST_BYTES = 20_000
UPLOAD_PIECES = 8
METHODS = {"get": "GET", "wait": "GET", "stream": "GET", "post": "POST", "upload": "POST"}


def request(kind: str, name: str, padding: str) -> list[bytes]:
    """Return the pieces of a request with this name: several for an upload, else one."""
    method = METHODS.get(kind, "GET")
    body = (name.encode() + b" ").ljust(POST_BYTES, b".") if method == "POST" else b""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} /{kind}/{name}{padding} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n".encode()
    if kind != "upload":
        return [head + body]
    size = len(body) // UPLOAD_PIECES
    return [head, *(body[at : at + size] for at in range(0, len(body), size))]


def whole_answer(data: bytes) -> tuple[int, bool, bytes] | None:
    """Return the answer's status, whether it says `Connection: close`, and its body; None while it is incomplete."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.split(b"\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    close = fields.get(b"connection", b"").lower() == b"close"
    status = int(first.split()[1])
    if fields.get(b"transfer-encoding") == b"chunked":
        body = b""
        while True:
            size, end, rest = rest.partition(b"\r\n")
            if not end or len(rest) < int(size, 16) + 2:
                return None
            if not int(size, 16):
                return status, close, body
            body += rest[: int(size, 16)]
            rest = rest[int(size, 16) + 2 :]
    length = int(fields.get(b"content-length", b"0"))  # app.py's answers never end with their connection
    return (status, close, rest) if len(rest) >= length else None
