"""Owns `Response`, what a handler may set before it returns, and the shape of a handler's result; no sockets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any, TypeAlias

from .headers import HTTPHeaders

__all__ = ["NO_TYPE", "Answering", "Body", "Response", "Result"]

#: as the Content-Type of a response: its body is sent without one. For hosts, whose application said none: only of what
#: a handler of ours returned is the type known (text, or else bytes).
NO_TYPE = ""

#: What a handler may answer with: text (sent as UTF-8), bytes, nothing, a binary stream, or an iterable of bytes.
Body: TypeAlias = "str | bytes | bytearray | memoryview | IO[bytes] | Iterable[bytes] | None"

#: What a handler's method returns: status and body, or status, reason phrase and body. Any, as `encode` may take
#: whatever its class sends, such as a dict. For applications with types: `from webpy.response import Result`.
Result: TypeAlias = "tuple[int, Body] | tuple[int, str | None, Body] | Any"


class Response:
    """The answer's headers, set by a handler before it returns."""

    __slots__ = ("headers",)

    def __init__(self, headers: HTTPHeaders | None = None) -> None:
        self.headers = HTTPHeaders() if headers is None else headers


class Answering:
    """Something that answers: its `response` is made when first asked for, as most answers set no headers."""

    _response: Response | None = None

    @property
    def response(self) -> Response:
        """The answer's headers, to be set before returning."""
        if self._response is None:
            self._response = Response()
        return self._response

    @response.setter
    def response(self, response: Response) -> None:
        self._response = response
