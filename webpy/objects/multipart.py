"""Owns the reading of multipart bodies (RFC 2046 section 5.1, RFC 7578): `Part`, and what becomes of the parts.

Wrong ones are 400, where CherryPy answers 500.
"""

from __future__ import annotations

import re
from typing import IO, Any

from .body import Entity, add_param, process_urlencoded
from .errors import HTTPError
from .fields import HeaderMap

__all__ = ["Part", "process_form_data", "process_multipart", "process_unknown_multipart"]

_BOUNDARY = re.compile("[ -~]{0,200}[!-~]")
_MOST_PARTS = 1000
_DEEPEST = 5
_LINE_BYTES = 1 << 16
_HEADERS_BYTES = 1 << 14  # of a part


class Part(Entity):
    """A part of a multipart body: `value` (bytes) where it is short, else `file`, which is at its beginning.

    headers: the part's own; maxrambytes: of a value, before it goes to a file. A part with a filename is always a file.
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

    @classmethod
    def from_fp(cls, fp: Any, boundary: bytes) -> Part:
        """The part that begins here."""
        return cls(fp, cls.read_headers(fp), boundary)

    @classmethod
    def read_headers(cls, fp: Any) -> HeaderMap:
        """The fields of the part that begins here, the empty line behind them included."""
        headers = HeaderMap()
        name = ""
        left = _HEADERS_BYTES
        while (line := fp.readline(_LINE_BYTES)) != b"\r\n":
            left -= len(line)
            if left < 0:
                raise HTTPError(400, f"A part of the multipart body has headers of more than {_HEADERS_BYTES} bytes.")
            if not line.endswith(b"\r\n"):
                raise HTTPError(400, "A part of the multipart body has no end of its headers.")
            text = line.decode("latin-1")
            if text[0] not in " \t":
                name, colon, text = text.partition(":")
                name = name.strip()
                if not colon or not name:
                    raise HTTPError(400, "A part of the multipart body has a malformed header.")
            elif not name:
                raise HTTPError(400, "A part of the multipart body has a malformed header.")
            so_far = headers.get(name)
            headers[name] = f"{so_far}, {text.strip()}" if so_far else text.strip()
        return headers

    def fullvalue(self) -> str:
        """The value as text."""
        if self.file is not None:
            self.file.seek(0)
            value = self.file.read()
            self.file.seek(0)
        else:
            value = self.value or b""
        return self.decode_entity(value)

    def default_proc(self) -> None:
        """Take the part as a value, or as a file."""
        if self.filename:
            self.file = self.read_into_file()
            return
        found = self.read_lines_to_boundary()
        if isinstance(found, bytes):
            self.value = found
        else:
            self.file = found

    def read_into_file(self, fp_out: IO[bytes] | None = None) -> IO[bytes]:
        """Write the part to a file, a temporary one unless given."""
        file = self.make_file() if fp_out is None else fp_out
        self.read_lines_to_boundary(file)
        return file

    def read_lines_to_boundary(self, fp_out: IO[bytes] | None = None) -> Any:
        """The part as bytes if it is short and `fp_out` is None, else the file it is in."""
        lines: list[bytes] = []
        seen = 0
        ending = b""  # of the line before: the one in front of a boundary belongs to the boundary
        at_start = True
        while True:
            line = self.fp.readline(_LINE_BYTES)
            if not line:
                raise HTTPError(400, "The multipart body ends without its closing boundary.")
            if at_start and line.startswith(b"--"):
                stripped = line.strip()
                if stripped == self.boundary:
                    break
                if stripped == self.boundary + b"--":
                    self.fp.finish()
                    break
            at_start = line.endswith(b"\n")
            content = line.removesuffix(b"\n").removesuffix(b"\r") if at_start else line
            piece = ending + content
            ending = line[len(content) :]
            if fp_out is not None:
                fp_out.write(piece)
                continue
            lines.append(piece)
            seen += len(piece)
            if seen > self.maxrambytes:
                fp_out = self.make_file()
                fp_out.writelines(lines)
        if fp_out is None:
            return b"".join(lines)
        fp_out.seek(0)
        return fp_out


def process_multipart(entity: Any) -> None:
    """Take the parts of any multipart body into `entity.parts`."""
    said = entity.content_type.params.get("boundary", "").strip('"')
    if not _BOUNDARY.fullmatch(said):
        raise HTTPError(400, f"Invalid boundary in multipart form: {said!r}")
    depth = getattr(entity, "depth", 0) + 1
    if depth > _DEEPEST:
        raise HTTPError(400, f"The multipart body is nested deeper than {_DEEPEST} levels.")
    boundary = b"--" + said.encode("ascii")
    while (line := entity.fp.readline(_LINE_BYTES)).strip() != boundary:
        if not line:
            return
    while not entity.fp.done:
        if len(entity.parts) >= _MOST_PARTS:
            raise HTTPError(413, f"The multipart body has more than {_MOST_PARTS} parts.")
        part = entity.part_class.from_fp(entity.fp, boundary)
        part.depth = depth
        entity.parts.append(part)
        part.process()


def process_form_data(entity: Any) -> None:
    """Take the parameters of `multipart/form-data`: text, and the parts themselves that have a filename."""
    process_multipart(entity)
    unnamed = []
    for part in entity.parts:
        if part.name is None:
            unnamed.append(part)
        else:
            add_param(entity.params, part.name, part.fullvalue() if part.filename is None else part)
    entity.parts = unnamed


def process_unknown_multipart(entity: Any) -> None:
    """Take the parameters of a request's body of any other multipart type; parts without a name are called `parts`."""
    process_multipart(entity)
    for part in entity.parts:
        add_param(entity.params, part.name or "parts", part.fullvalue() if part.filename is None else part)


Part.part_class = Part
Part.processors = {
    "application/x-www-form-urlencoded": process_urlencoded,
    "multipart/form-data": process_form_data,
    "multipart": process_multipart,
}
