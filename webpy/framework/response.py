"""Owns `Response`, the headers that a handler sets, and the types of a handler's result. No sockets."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import IO, Any, TypeAlias

from .headers import HTTPHeaders

__all__ = ["NO_TYPE", "Answering", "Body", "ClosingBody", "Response", "Result"]

#: a Content-Type that says: send none. For hosts whose application has set none; other handlers get one by their body.
NO_TYPE = ""

#: What a handler may answer with: text (sent as UTF-8), bytes, nothing, a binary stream, or an iterable of bytes.
Body: TypeAlias = "str | bytes | bytearray | memoryview | IO[bytes] | Iterable[bytes] | None"

#: What a handler's method returns: status and body, or status, reason phrase and body. It is Any, as a class with its
#: own `encode` may return other bodies, such as a dict. Typed applications use `from webpy.framework import Result`.
Result: TypeAlias = "tuple[int, Body] | tuple[int, str | None, Body] | Any"


_fill, _empty = io.BytesIO.__init__, io.BytesIO.close


class ClosingBody(io.BytesIO):
    """A body in one piece, of a program that wants to know when it has been sent: closing it closes `owner`.

    owner: its `close` is called once, if it has one.
    """

    __slots__ = ("_owner",)

    def __init__(self, body: bytes, owner: Any) -> None:
        _fill(self, body)  # `super()` takes as long again
        self._owner: Any = owner

    def close(self) -> None:
        owner, self._owner = self._owner, None
        _empty(self)
        close = getattr(owner, "close", None)
        if close is not None:
            close()


class Response:
    """The answer's headers; a handler sets them before it returns."""

    __slots__ = ("headers",)

    def __init__(self, headers: HTTPHeaders | None = None) -> None:
        self.headers = HTTPHeaders() if headers is None else headers


class Answering:
    """Base of handlers: `response` is made at its first use, as most handlers set no headers."""

    _response: Response | None = None

    @property
    def response(self) -> Response:
        """The answer's headers; set them before returning."""
        if self._response is None:
            self._response = Response()
        return self._response

    @response.setter
    def response(self, response: Response) -> None:
        self._response = response
