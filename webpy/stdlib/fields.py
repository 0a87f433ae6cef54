"""Owns the way from a handler of the standard library to its form, where `cgi.FieldStorage` was."""

from __future__ import annotations

import io
from http.server import BaseHTTPRequestHandler
from typing import Any

from ..form import Form, FormLimits
from ..form.grammar import is_form, not_a_form
from ..form.reading import FormReader

__all__ = ["form"]


def form(handler: BaseHTTPRequestHandler, limits: FormLimits | None = None) -> Form:
    """The form that a request brings, `application/x-www-form-urlencoded` or `multipart/form-data`; see `webpy.form`.

    Its files are open until the form is closed, or forgotten. Raises HTTPError, with which webpy answers: 400 for a
    form that is broken, 413 over the limits, 415 for other types.
    """
    length = int(handler.headers.get("Content-Length") or 0)
    content_type = handler.headers.get("Content-Type") or ""
    if not is_form(content_type):
        raise not_a_form(content_type)
    reader = FormReader(content_type, length, limits=limits or FormLimits())
    return reader.read(io.BufferedReader(_Bounded(handler.rfile, length)))


class _Bounded(io.RawIOBase):
    """The next bytes of a stream that may go on behind them."""

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
