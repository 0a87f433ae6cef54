"""Owns `Response`: the status, fields and body that pages and tools set, and how they become what is sent."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from http.cookies import SimpleCookie
from typing import IO, Any

from ..process.serving import serving
from .errors import HTTPError
from .fields import HeaderMap
from .status import valid_status

__all__ = ["FileBody", "Response", "body_of"]


class FileBody:
    """A file as a body: an iterator of its pieces. The server may send it from its descriptor instead."""

    def __init__(self, file: IO[bytes], piece_bytes: int = 65536) -> None:
        self.file = file
        self.is_read = False
        self._piece_bytes = piece_bytes

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.is_read = True
        piece = self.file.read(self._piece_bytes)
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def can_be_sent(self) -> bool:
        """Return whether the server may send the file by itself, from its current position."""
        return not self.is_read and isinstance(self.file, (io.BufferedReader, io.FileIO))

    def close(self) -> None:
        """Close the file."""
        close = getattr(self.file, "close", None)
        if close is not None:
            close()


def body_of(value: Any) -> Any:
    """Return a body as an iterable: bytes and text in a list, None as an empty one, a file by pieces, others as is."""
    if value is None:
        return []
    if isinstance(value, (str, bytes)):
        return [value] if value else []
    return FileBody(value) if hasattr(value, "read") else value


class Response:
    """The answer to the current request.

    status: a number or text, None for 200; headers, cookie: the fields and cookies to send; stream: send the body
    piece by piece, without knowing its length; time: when the request began, in seconds since 1970. `finalize` sets
    what is sent: output_status, header_list and body.
    """

    output_status: bytes | None = None
    header_list: list[tuple[bytes, bytes]] | None = None
    stream = False

    def __init__(self) -> None:
        self.status: int | str | bytes | None = None
        self.time = time.time()
        self.headers = HeaderMap()
        dict.__setitem__(self.headers, "Content-Type", "text/html")
        self._body: Any = []

    def __getattr__(self, name: str) -> Any:
        if name == "cookie":  # few answers set one
            self.cookie = SimpleCookie()
            return self.cookie
        raise AttributeError(f"a response has no {name!r}")

    @property
    def body(self) -> Any:
        """The body, an iterable of bytes. It may be set to bytes, a file, None or an iterable. Raises ValueError for
        text, which the tool `encode` has to encode first."""
        return self._body

    @body.setter
    def body(self, value: Any) -> None:
        if isinstance(value, str) or (isinstance(value, list) and any(isinstance(item, str) for item in value)):
            raise ValueError("Page handlers MUST return bytes. Use tools.encode if you wish to return unicode.")
        self._body = body_of(value)

    def collapse_body(self) -> bytes:
        """Join the body's pieces, set the result as the body and return it."""
        body = b"".join(self._body)
        self.body = body
        return body

    def finalize(self) -> None:
        """Set output_status, header_list and the body as they are sent. Raises HTTPError 500 for an invalid status."""
        try:
            code, reason, _ = valid_status(self.status)
        except ValueError as error:
            raise HTTPError(500, error.args[0]) from None
        headers = self.headers
        self.status = f"{code} {reason}"
        self.output_status = b"%d %b" % (code, headers.encode(reason))
        length = headers.get("Content-Length")
        if self.stream:
            if length is None:
                headers.pop("Content-Length", None)
        elif code < 200 or code in (204, 205, 304):
            headers.pop("Content-Length", None)
            _exhaust(self._body)
            self._body = []
        elif length is None:
            headers["Content-Length"] = len(self.collapse_body())
        self.header_list = headers.output()
        if "cookie" in self.__dict__:
            for morsel in self.cookie.values():
                self.header_list.append((b"Set-Cookie", headers.encode(morsel.OutputString())))


def _exhaust(body: Iterable[Any]) -> None:
    """Run a page that is a generator to its end though its output is not sent: it may have side effects."""
    if isinstance(body, FileBody):
        body.close()
    else:
        for _ in body:
            pass


serving.__class__.response = Response()
