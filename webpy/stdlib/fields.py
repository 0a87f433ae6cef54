"""Owns `form`, which reads the form of a request in a handler of the standard library, as `cgi.FieldStorage` did."""

from __future__ import annotations

import io
from http.server import BaseHTTPRequestHandler
from typing import Any

from ..form import Form, FormLimits
from ..form.grammar import is_form, not_a_form
from ..form.reading import FormReader

__all__ = ["form"]


def form(handler: BaseHTTPRequestHandler, limits: FormLimits | None = None) -> Form:
    """Read and return a request's form, `application/x-www-form-urlencoded` or `multipart/form-data`: see `webpy.form`.

    limits: those of `webpy.form` if None. Its files stay open until the form is closed or garbage-collected. Raises
    HTTPError: 400 for a malformed form, 413 above the limits, 415 for other media types.
    """
    length = int(handler.headers.get("Content-Length") or 0)
    content_type = handler.headers.get("Content-Type") or ""
    if not is_form(content_type):
        raise not_a_form(content_type)
    reader = FormReader(content_type, length, limits=limits or FormLimits())
    return reader.read(io.BufferedReader(_Bounded(handler.rfile, length)))


class _Bounded(io.RawIOBase):
    """The next `count` bytes of a stream, as a stream."""

    def __init__(self, stream: io.BufferedIOBase, count: int) -> None:
        super().__init__()
        self._stream = stream
        self._left = count

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)
