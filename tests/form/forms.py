"""Forms as bytes, and handlers for them: `post` answers a form as the worker does."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from tests.heads import request_of
from webpy import HTTPError, HTTPHandler
from webpy.form import FormHandler, FormLimits
from webpy.framework.routing.routes import Route, compile_routes

__all__ = [
    "MULTIPART",
    "URLENCODED",
    "Show",
    "Trickle",
    "field",
    "limited",
    "multipart",
    "parts",
    "post",
    "refused",
    "upload",
]

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xX"


class Show(FormHandler):
    def do_post(self) -> Any:
        return 200, self.request.body


def post(content_type: str | None, body: bytes, cls: type[HTTPHandler] = Show, *fields: str) -> Any:
    """Return the answer of `cls` to a form."""
    if content_type is not None:
        fields = (f"Content-Type: {content_type}", *fields)
    _, groups = compile_routes({"/": cls}).resolve("/")
    return Route("/", cls).call("POST")(cls(request_of("POST", "/", *fields, body=body), groups))


def parts(*each: tuple[str, bytes], boundary: str = "xX") -> bytes:
    """Return a multipart body of parts, each given by its header lines and content."""
    between = b"--" + boundary.encode("latin-1")
    pieces = [between + b"\r\n" + head.encode("latin-1") + b"\r\n\r\n" + content + b"\r\n" for head, content in each]
    return b"".join(pieces) + between + b"--\r\n"


def field(name: str, value: bytes, *more: str) -> tuple[str, bytes]:
    return "\r\n".join([f'Content-Disposition: form-data; name="{name}"', *more]), value


def upload(name: str, filename: str, content: bytes, *more: str) -> tuple[str, bytes]:
    return field(f'{name}"; filename="{filename}', content, *more)


def multipart(*each: tuple[str, bytes], cls: type[HTTPHandler] = Show) -> Any:
    return post(MULTIPART, parts(*each), cls)


def refused(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(HTTPError) as caught:
        call()
    text = caught.value.message
    assert isinstance(text, str) and text.endswith("\n") and text.isascii() and text.count("\n") == 1
    return caught.value.status, text


def limited(**limits: int) -> type[FormHandler]:
    class Limited(Show):
        form_limits = FormLimits(**limits)

    return Limited


class Trickle(io.RawIOBase):
    """A body that arrives byte by byte."""

    def __init__(self, body: bytes, most: int = 1) -> None:
        self._stream = io.BytesIO(body)
        self._most = most

    def read(self, count: int = -1) -> bytes:
        return self._stream.read(self._most)
