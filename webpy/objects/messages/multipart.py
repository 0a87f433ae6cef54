"""Owns the reading of multipart bodies (RFC 2046 section 5.1, RFC 7578): `Part`, and the processors that make parts.

`webpy.form` parses them. Malformed bodies are answered with 400, where CherryPy answers 500.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from ...form.parts import multipart_events
from ...framework.errors import HTTPError as PlainError
from .entity import Entity
from .errors import HTTPError
from .fields import HeaderMap
from .parameters import add_param, process_urlencoded
from .reader import SizedReader

__all__ = ["Part", "process_form_data", "process_multipart", "process_unknown_multipart"]

_BOUNDARY = re.compile("[ -~]{0,200}[!-~]")
_MAX_PARTS = 1000
_MAX_DEPTH = 5
_PIECE_BYTES = 1 << 16
_SPOOLED_BYTES = 1 << 16  # of a part, before it goes to the disk
_MAX_HEADERS_BYTES = 1 << 14  # of a part
_MAX_HEADERS = 256


class Part(Entity):
    """A part of a multipart body. A short one has its content as `value` (bytes), others as `file`, at its beginning.

    fp: the part's content; headers: the part's own; maxrambytes: the longest value that is not put into a file. A part
    with a filename is always put into a file.
    """

    attempt_charsets = ("us-ascii", "utf-8")
    default_content_type = "text/plain"
    maxrambytes = 1000
    depth = 1

    def __init__(self, fp: Any, headers: HeaderMap, boundary: bytes) -> None:
        super().__init__(fp, headers)
        self.boundary = boundary
        self.file: IO[bytes] | None = None
        self.value: bytes | None = None

    def fullvalue(self) -> str:
        """Return the part's content as text. Raises HTTPError 400 if no charset of the part can decode it."""
        if self.file is not None:
            self.file.seek(0)
            value = self.file.read()
            self.file.seek(0)
        else:
            value = self.value or b""
        return self.decode_entity(value)

    def default_proc(self) -> None:
        """Set the part's `value`, or its `file`."""
        if self.filename:
            self.file = self.read_into_file()
            return
        found = self.read_lines_to_boundary()
        if isinstance(found, bytes):
            self.value = found
        else:
            self.file = found

    def read_into_file(self, fp_out: IO[bytes] | None = None) -> IO[bytes]:
        """Write the part to `fp_out`, or to a temporary file if None, and return the file."""
        if fp_out is None and type(self).make_file is Entity.make_file:
            file: IO[bytes] = self.fp.fp  # the content is in a file already
            file.seek(0)
            return file
        file = self.make_file() if fp_out is None else fp_out
        self.read(fp_out=file)
        file.seek(0)
        return file

    def read_lines_to_boundary(self, fp_out: IO[bytes] | None = None) -> Any:
        """Return the part as bytes if it is short and `fp_out` is None, else the file that it has been written to."""
        if fp_out is None:
            if self.fp.length <= self.maxrambytes:
                return self.read()
            return self.read_into_file()
        return self.read_into_file(fp_out)


def process_multipart(entity: Any) -> None:
    """Read the parts of a multipart body into `entity.parts`.

    Raises HTTPError: 400 for a malformed body, 413 for too many parts.
    """
    said = entity.content_type.params.get("boundary", "").strip('"')
    if not _BOUNDARY.fullmatch(said):
        raise HTTPError(400, f"Invalid boundary in multipart form: {said!r}")
    depth = getattr(entity, "depth", 0) + 1
    if depth > _MAX_DEPTH:
        raise HTTPError(400, f"The multipart body is nested deeper than {_MAX_DEPTH} levels.")
    try:
        for headers, content, length in _contents(entity.fp, said.encode("ascii")):
            part = None
            try:
                part = entity.part_class(SizedReader(content, length, None), headers, b"--" + said.encode("ascii"))
                part.depth = depth
                entity.parts.append(part)
                part.process()
            finally:
                if part is None or part.file is not content:
                    content.close()
    except PlainError as error:
        raise HTTPError(error.status, str(error.message).rstrip("\n")) from None


def _contents(stream: Any, boundary: bytes) -> Iterator[tuple[HeaderMap, IO[bytes], int]]:
    """Yield headers, content and the content's length of each part. The caller closes the content."""
    body = _Body(stream, b"--" + boundary)
    content: Any = None
    headers = HeaderMap()
    count = length = 0
    try:
        for event in multipart_events(
            body, boundary, max_headers=_MAX_HEADERS, max_header_bytes=_MAX_HEADERS_BYTES, any_type=True
        ):
            if event is None:
                content.seek(0)
                taken, content = content, None
                yield headers, taken, length
            elif isinstance(event, (bytes, bytearray)):
                content.write(event)
                length += len(event)
            else:
                count += 1
                if count > _MAX_PARTS:
                    raise HTTPError(413, f"The multipart body has more than {_MAX_PARTS} parts.")
                headers = _read_headers(event.headerlist)
                content, length = tempfile.SpooledTemporaryFile(_SPOOLED_BYTES), 0  # noqa: SIM115 - the caller's
    except PlainError:
        if body.has_boundary:
            raise
    finally:
        if content is not None:
            content.close()


class _Body:
    """Yields a body in pieces, and notes whether its boundary occurs: a body without it has no parts, and is valid."""

    def __init__(self, stream: Any, boundary: bytes) -> None:
        self._stream = stream
        self._boundary = boundary
        self.has_boundary = False

    def __iter__(self) -> Iterator[bytes]:
        end = b""
        while piece := self._stream.read(_PIECE_BYTES):
            if not self.has_boundary:
                self.has_boundary = self._boundary in end + piece
                end = piece[-len(self._boundary) :]
            yield piece


def _read_headers(found: list[tuple[str, str]]) -> HeaderMap:
    """Return the headers of a part, repeated ones joined. Raises HTTPError 400 for too many."""
    headers = HeaderMap()
    if sum(len(name) + len(value) + 4 for name, value in found) > _MAX_HEADERS_BYTES:
        raise HTTPError(400, f"A part of the multipart body has headers of more than {_MAX_HEADERS_BYTES} bytes.")
    for name, value in found:
        so_far = headers.get(name)
        headers[name] = f"{so_far}, {value.strip()}" if so_far else value.strip()
    return headers


def process_form_data(entity: Any) -> None:
    """Read `multipart/form-data` into `entity.params`: parts with a filename as they are, others as text."""
    process_multipart(entity)
    unnamed = []
    for part in entity.parts:
        if part.name is None:
            unnamed.append(part)
        elif part.filename is not None:
            add_param(entity.params, part.name, part)
        else:
            try:
                add_param(entity.params, part.name, part.fullvalue())
            finally:
                if part.file is not None:  # only its text is kept
                    part.file.close()
    entity.parts = unnamed


def process_unknown_multipart(entity: Any) -> None:
    """Read a body of any other multipart type into `entity.params`; parts without a name are called `parts`."""
    process_multipart(entity)
    for part in entity.parts:
        add_param(entity.params, part.name or "parts", part.fullvalue() if part.filename is None else part)


Part.part_class = Part
Part.processors = {
    "application/x-www-form-urlencoded": process_urlencoded,
    "multipart/form-data": process_form_data,
    "multipart": process_multipart,
}
