"""The tools `encode`, which encodes the text that pages return, and `decode`, about the text of request bodies.

`encode` is on by default. It tries the charsets of the client's Accept-Charset and UTF-8 (`default_encoding`), or only
`encoding` if that is set, and names the one used in Content-Type. If none works, the answer is 406.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ...messages.errors import HTTPError
from ...messages.response import FileBody
from ...process.serving import request, response

__all__ = ["ResponseEncoder", "decode", "prepare_iter"]

_PIECE_BYTES = 65536


def decode(encoding: str | Sequence[str] | None = None, default_encoding: str | Sequence[str] | None = "utf-8") -> None:
    """Set the charsets that the body's parameters are decoded by: `encoding` only; else `default_encoding`, last.

    For the query's parameters there is `request.query_string_encoding`.
    """
    body = request.body
    if encoding is not None:
        body.attempt_charsets = _list(encoding)
    elif default_encoding:
        body.attempt_charsets = [*body.attempt_charsets, *_list(default_encoding)]


def _list(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def prepare_iter(value: Any) -> Any:
    """Return a body as an iterable: text and bytes in a list, None as an empty list, a text file by pieces."""
    if isinstance(value, (str, bytes)):
        return [value] if value else []
    if isinstance(value, io.TextIOBase):
        return iter(lambda: value.read(_PIECE_BYTES), "")
    return [] if value is None else value


class ResponseEncoder:
    """The tool `encode`: replaces the page handler, calls it and encodes what it returns.

    errors: as for `str.encode`; text_only: leave media types other than text/* alone; add_charset: False to do nothing.
    """

    default_encoding = "utf-8"
    encoding: str | None = None
    errors = "strict"
    text_only = True
    add_charset = True
    debug = False

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        for name, value in settings.items():
            setattr(self, name, value)
        self.oldhandler: Callable[..., Any] | None = request.handler
        self.body: Any = None
        self._attempted: list[str] = []
        if self.oldhandler is not None:
            request.handler = self

    def __getattr__(self, name: str) -> Any:
        if name in ("callable", "args", "kwargs"):  # other tools read these of the page handler
            return getattr(self.oldhandler, name)
        raise AttributeError(name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert self.oldhandler is not None
        body = self.oldhandler(*args, **kwargs)
        if type(body) is str and self._is_plain():
            try:
                encoded = body.encode()
            except UnicodeEncodeError:  # a lone surrogate: reported below
                pass
            else:
                response.headers["Content-Type"] = "text/html;charset=utf-8"
                return encoded
        self.body = prepare_iter(body)
        content_types = response.headers.elements("Content-Type")
        if self.add_charset and content_types:
            content_type = content_types[0]
            if not self.text_only or content_type.value.lower().startswith("text/"):
                content_type.params["charset"] = self.find_acceptable_charset()
                response.headers["Content-Type"] = str(content_type)
        return self.body

    def _is_plain(self) -> bool:
        """Whether neither configuration nor request asks for anything special. Such pages take 5 µs instead of 8."""
        headers = response.headers
        return (
            not self._settings
            and type(self) is ResponseEncoder
            and headers.get("Content-Type") == "text/html"
            and "Accept-Charset" not in request.headers
            and "Content-Length" not in headers
            and not response.stream
        )

    def find_acceptable_charset(self) -> str:
        """Encode the body and return the charset. Raises HTTPError: 406 or 500 if no charset works."""
        ranges = request.headers.elements("Accept-Charset")
        names = [member.value.lower() for member in ranges]
        if self.encoding is not None:
            encoding = self.encoding.lower()
            if (not names or "*" in names or encoding in names) and self._encode(encoding):
                return encoding
        elif not ranges:
            if self._encode(self.default_encoding):
                return self.default_encoding
            raise HTTPError(500, f"Response body could not be encoded with {self.default_encoding!r}.")
        else:
            for member in ranges:
                if member.qvalue > 0:
                    encoding = self.default_encoding if member.value == "*" else member.value
                    if self._encode(encoding):
                        return str(encoding)
            if "*" not in names and "iso-8859-1" not in names and self._encode("iso-8859-1"):
                return "iso-8859-1"
        sent = request.headers.get("Accept-Charset")
        told = "did not send an Accept-Charset header" if sent is None else f"sent this Accept-Charset header: {sent}"
        raise HTTPError(406, f"Your client {told}. We tried these charsets: {', '.join(self._attempted)}.")

    def _encode(self, encoding: str) -> bool:
        if encoding in self._attempted:
            return False
        self._attempted.append(encoding)
        if hasattr(self.body, "read") or isinstance(self.body, FileBody):  # a file of bytes, sent as it is
            return True
        if "Content-Length" in response.headers and not response.stream:
            del response.headers["Content-Length"]
        if response.stream:
            try:
                "".encode(encoding, self.errors)
            except LookupError:
                return False
            self.body = _encoded(self.body, encoding, self.errors)
            return True
        if not isinstance(self.body, (list, tuple)):
            self.body = list(self.body)  # several encodings may be tried, and an iterator can be read only once
        try:
            self.body = [
                piece.encode(encoding, self.errors) if isinstance(piece, str) else piece for piece in self.body
            ]
        except (LookupError, UnicodeError):
            return False
        return True


def _encoded(body: Iterable[Any], encoding: str, errors: str) -> Iterator[Any]:
    try:
        for piece in body:
            yield piece.encode(encoding, errors) if isinstance(piece, str) else piece
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
