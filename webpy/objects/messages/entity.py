"""Owns `Entity`, a body with header fields, whose media type decides which function reads it.

`request.body` is an entity (`requestbody.RequestBody`), and so is each part of a multipart body (`multipart.Part`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import MappingProxyType
from typing import IO, Any
from urllib.parse import unquote

from ...protocol.grammar import extended_value
from .errors import HTTPError
from .fields import HeaderElement, HeaderMap

__all__ = ["Entity", "undecodable"]

_SPOOLED_BYTES = 64 * 1024  # of a file in memory, before it goes to the disk


class Entity:
    """A body with header fields: the request's, or that of a part of a multipart body.

    processors: media type, or its first half, to a callable that is called with the entity; `default_proc` is called
    for other types. attempt_charsets: tried in order to decode text; charset: the one that worked. params, parts: what
    the processor found. name, filename: from Content-Disposition.
    """

    attempt_charsets: Any = ("utf-8",)
    default_content_type = "application/x-www-form-urlencoded"
    processors: Any = MappingProxyType({})
    part_class: Any = None
    charset: str | None = None

    def __init__(
        self, fp: Any, headers: HeaderMap, params: dict[str, Any] | None = None, parts: list[Any] | None = None
    ) -> None:
        self.processors = dict(self.processors)  # tools add to one request's
        self.fp = fp
        self.headers = headers
        self.params: dict[str, Any] = {} if params is None else params
        self.parts: list[Any] = [] if parts is None else parts
        types = headers.elements("Content-Type")
        self.content_type: HeaderElement = types[0] if types else HeaderElement.from_str(self.default_content_type)
        charset = self.content_type.params.get("charset")
        others = [known for known in self.attempt_charsets if known != charset]
        self.attempt_charsets = [charset, *others] if charset else others
        self.length = self._stated_length()
        self.name: str | None = None
        self.filename: str | None = None
        for disposition in headers.elements("Content-Disposition")[:1]:
            self._take_names(disposition.params)

    def _stated_length(self) -> int | None:
        stated = self.headers.get("Content-Length")
        if stated is None or "chunked" in self.headers.get("Transfer-Encoding", ""):
            return None
        return int(stated) if str(stated).isdigit() else None

    def _take_names(self, params: dict[str, Any]) -> None:
        self.name = params.get("name")
        self.filename = params.get("filename")
        try:
            charset, name = extended_value(params.get("filename*", ""))
        except ValueError:
            return
        try:
            self.filename = unquote(name, charset)
        except LookupError:
            raise HTTPError(400, f"The charset {charset!r} of a filename is unknown.") from None

    def read(self, size: int | None = None, fp_out: IO[bytes] | None = None) -> Any:
        """Return up to `size` bytes of the body, or all that is left if None. With `fp_out`, write them there and
        return None."""
        return self.fp.read(size, fp_out)

    def readline(self, size: int | None = None) -> bytes:
        """Return the next line with its line end, cut to `size` bytes."""
        line: bytes = self.fp.readline(size)
        return line

    def readlines(self, sizehint: int | None = None) -> list[bytes]:
        """Return the lines that are left, or only as many as add up to `sizehint` bytes."""
        lines: list[bytes] = self.fp.readlines(sizehint)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def read_into_file(self, fp_out: IO[bytes] | None = None) -> IO[bytes]:
        """Write the body to `fp_out`, or to a new temporary file if None, and return the file."""
        file = self.make_file() if fp_out is None else fp_out
        self.read(fp_out=file)
        return file

    def make_file(self) -> IO[bytes]:
        """Return a new temporary file for a long body. Applications may override this."""
        return tempfile.SpooledTemporaryFile(_SPOOLED_BYTES)

    def decode_entity(self, value: bytes) -> str:
        """Decode `value` by the first of `attempt_charsets` that works. Raises HTTPError 400 if none does."""
        for charset in self.attempt_charsets:
            try:
                text = value.decode(charset)
            except (UnicodeDecodeError, LookupError):
                continue
            self.charset = charset
            return text
        raise undecodable(self.attempt_charsets)

    def process(self) -> None:
        """Read the body with the processor of its media type."""
        media_type = self.content_type.value
        processor = self.processors.get(media_type) or self.processors.get(media_type.partition("/")[0])
        if processor is None:
            self.default_proc()
        else:
            processor(self)

    def default_proc(self) -> None:
        """Called for a type that has no processor."""


def undecodable(charsets: list[str]) -> HTTPError:
    return HTTPError(
        400, f"The request entity could not be decoded. The following charsets were attempted: {charsets!r}"
    )
