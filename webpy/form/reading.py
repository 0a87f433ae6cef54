"""Owns the way from a body's bytes to a `Form`, and its limits. Knows no handlers and no connections.

`parts` splits the body; the limits, charsets and files are handled here. Called by `handler`, on the thread of the
request, with a stream that may wait for the client.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from ..framework.errors import HTTPError
from ..logthrottle import log_throttled
from ..protocol.grammar import media_type, urlencoded_pairs
from .grammar import (
    MULTIPART,
    URLENCODED,
    brief,
    file_name,
    known_charset,
    parameter_names,
    part_charset,
    part_type,
    read_boundary,
    text,
)
from .parts import multipart_events
from .values import File, Form

__all__ = ["FormLimits", "FormReader"]

_log = logging.getLogger("webpy")

_PIECE_BYTES = 65536
_MAX_HEADERS = 16  # of a part; RFC 7578 section 4 knows three


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Upper bounds, each inclusive. Larger forms are answered with 413, larger headers of a part with 400.

    With None there is no limit but the server's `--max-body`, which limits the whole body first. A form uses at most
    `fields_bytes` of memory and, for files, `parts` times `memory_bytes`.
    """

    parts: int = 256
    """Number of fields and files, empty ones too."""
    field_bytes: int = 1 << 20
    """Length of the value of one field."""
    fields_bytes: int = 4 << 20
    """Length of names and values of all fields together; also of a whole urlencoded body."""
    file_bytes: int | None = None
    """Length of one file."""
    total_bytes: int | None = None
    """Length of the whole body."""
    header_bytes: int = 4096
    """Length of one header line of a part; a part may have 16."""
    memory_bytes: int = 1 << 16
    """How much of a file is kept in memory before it is written to the disk."""


_LIMITS = FormLimits()


@dataclass(slots=True)
class _Part:
    """A field, or a file, whose text has not been decoded yet. file: the content of a file, None for a field."""

    name: bytes
    value: bytearray
    filename: bytes = b""
    type: str = ""
    charset: str = ""
    file: IO[bytes] | None = None
    length: int = 0


class FormReader:
    """Reads one form.

    content_type: of the body; length: of the body in bytes, None if it is not known; charset: of text without a charset
    of its own. Raises HTTPError 400 for a bad boundary, and 413 for a length over the limit.
    """

    def __init__(
        self, content_type: str, length: int | None = None, *, limits: FormLimits = _LIMITS, charset: str = "utf-8"
    ) -> None:
        self._limits = limits
        self._charset = charset
        self._form = Form()
        self._fields_bytes = 0
        self._boundary = None if media_type(content_type) == URLENCODED else read_boundary(content_type)
        self._bound(length or 0, limits.total_bytes, "a form")

    def read(self, stream: IO[bytes]) -> Form:
        """Return the form in `stream`.

        Raises HTTPError 400, 413 and, if the disk has no room for its files, 503; what the stream raises; and
        ImportError without the parser. In each case all files are closed.
        """
        try:
            if self._boundary is None:
                parts = self._urlencoded(b"".join(self._pieces(stream, self._limits.fields_bytes)))
            else:
                parts = self._multipart(stream, self._boundary)
            self._decode(parts)
        except BaseException:
            self._form.close()
            raise
        return self._form

    def _pieces(self, stream: IO[bytes], max_bytes: int | None = None) -> Iterator[bytes]:
        total = 0
        while piece := stream.read(_PIECE_BYTES):
            total += len(piece)
            self._bound(total, self._limits.total_bytes, "a form")
            self._bound(total, max_bytes, "a form's fields")
            yield piece

    def _bound(self, count: int, max_count: int | None, what: str, unit: str = "bytes") -> None:
        """Raise HTTPError 413 if there are more than `max_count`."""
        if max_count is not None and count > max_count:
            raise HTTPError(413, f"{what} may have {max_count} {unit}, got more\n")

    def _urlencoded(self, body: bytes) -> list[_Part]:
        """Split a body into pairs at each "&" (WHATWG URL, section 5.1)."""
        parts = []
        self._bound(body.count(b"&") + 1, self._limits.parts, "a form", "parts")
        for name, value in urlencoded_pairs(body):
            self._bound(len(value), self._limits.field_bytes, "a field")
            parts.append(_Part(name, bytearray(value)))
        return parts

    def _multipart(self, stream: IO[bytes], boundary: bytes) -> list[_Part]:
        parts: list[_Part] = []
        for event in multipart_events(
            self._pieces(stream), boundary, max_headers=_MAX_HEADERS, max_header_bytes=self._limits.header_bytes
        ):
            if isinstance(event, (bytes, bytearray)):
                self._write(parts[-1], event)
            elif event is not None:
                self._bound(len(parts) + 1, self._limits.parts, "a form", "parts")
                parts.append(self._begin(event))
        return parts

    def _begin(self, segment: Any) -> _Part:
        dispositions = [value for name, value in segment.headerlist if name == "Content-Disposition"]
        names = parameter_names(dispositions[0])
        if len(dispositions) != 1 or "name" not in names:
            raise HTTPError(400, f"{MULTIPART}: a part without a name, or with several\n")
        part = _Part(segment.name.encode("latin-1"), bytearray(), charset=segment.charset or "")
        self._count(len(part.name))
        # Older clients send `filename*` alone: it is a file, although its name is not used.
        if segment.filename is not None or "filename*" in names:
            part.filename = (segment.filename or "").encode("latin-1")
            part.type = part_type(segment.content_type)
            part.charset = part_charset(segment.charset)
            file = tempfile.SpooledTemporaryFile(max(1, self._limits.memory_bytes))  # noqa: SIM115 - the form closes it
            part.file = self._form.own(file)
        return part

    def _write(self, part: _Part, piece: bytes | bytearray) -> None:
        part.length += len(piece)
        if part.file is not None:
            self._bound(part.length, self._limits.file_bytes, "a file")
            with _room_wanted():
                part.file.write(piece)
        else:
            self._bound(part.length, self._limits.field_bytes, "a field")
            self._count(len(piece))
            part.value += piece

    def _count(self, more: int) -> None:
        self._fields_bytes += more
        self._bound(self._fields_bytes, self._limits.fields_bytes, "a form's fields")

    def _decode(self, parts: list[_Part]) -> None:
        """Decode the parts into the form. A field `_charset_` says the charset of the others (RFC 7578 4.6)."""
        charset = self._charset
        for part in parts:
            if part.name == b"_charset_" and part.file is None and part.value:
                charset = known_charset(part.value.decode("latin-1"))
                break
        for part in parts:
            name = text(part.name, charset, "the name of a field")
            if part.file is None:
                own = known_charset(part.charset) if part.charset else charset
                self._form.add(name, text(part.value, own, f"the value of field {brief(name)}"))
                continue
            with _room_wanted():
                part.file.seek(0)  # writes the rest of its buffer
            self._form.add(
                name,
                File(
                    filename=file_name(part.filename.decode(charset, "replace")),
                    type=part.type,
                    charset=part.charset,
                    length=part.length,
                    file=part.file,
                ),
            )


@contextlib.contextmanager
def _room_wanted() -> Iterator[None]:
    """Turn an OSError (a full disk) into HTTPError 503, and log it: neither the client nor the handler is to blame."""
    try:
        yield
    except OSError as error:
        log_throttled(_log, f"a form's file cannot be stored: {error}")
        raise HTTPError(503, "the form cannot be stored at present\n") from error
