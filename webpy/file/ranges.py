"""Owns byte ranges: what a Range field asks for, and the body with several of them (RFC 9110 section 14).

Knows no handlers and no conditions: the callers evaluate If-Range before.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import secrets
from collections.abc import Iterator

__all__ = ["ByteRange", "ByteRanges", "content_range", "parse_range"]

ByteRange = tuple[int, int]
"""Offset and count, both of bytes; the count is never 0."""

_MAX_RANGES = 32
_PIECE_BYTES = 1 << 16
_FIELD = re.compile(r"bytes[ \t]*=(.*)", re.IGNORECASE | re.DOTALL)
_SPEC = re.compile(r"[ \t]*(?:([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19}))[ \t]*")


def parse_range(value: str, size: int) -> list[ByteRange] | None:
    """Return the ranges that a Range field asks for, of a representation of `size` bytes.

    Returns None if the field is to be ignored, as its unit is not bytes, it is malformed, or has more than 32 ranges;
    an empty list if no range can be satisfied (416). Overlapping ranges are joined and put in order, so that together
    they are never longer than the representation (RFC 9110 section 14.2).
    """
    found = _FIELD.fullmatch(value.strip())
    if found is None:
        return None
    specs = [spec for spec in found[1].split(",", _MAX_RANGES + 1) if spec.strip()]
    if not specs or len(specs) > _MAX_RANGES:
        return None
    ranges = []
    for spec in specs:
        parts = _SPEC.fullmatch(spec)
        if parts is None:
            return None
        first, last, suffix = parts.groups()
        if suffix is not None:
            start, end = max(0, size - int(suffix)), size
        else:
            start, end = int(first), size
            if last:
                if int(last) < start:
                    return None
                end = min(size, int(last) + 1)
        if start < end:
            ranges.append((start, end - start))
        elif suffix is not None and int(suffix):
            return None  # the last bytes of an empty file: all of it, which no Content-Range can express
    return _joined(ranges) if _overlap(ranges) else ranges


def _overlap(ranges: list[ByteRange]) -> bool:
    ordered = sorted(ranges)
    return any(a + count > b for (a, count), (b, _) in itertools.pairwise(ordered))


def _joined(ranges: list[ByteRange]) -> list[ByteRange]:
    joined: list[ByteRange] = []
    for start, count in sorted(ranges):
        if joined and start <= sum(joined[-1]):
            before = joined[-1][0]
            joined[-1] = before, max(sum(joined[-1]), start + count) - before
        else:
            joined.append((start, count))
    return joined


def content_range(part: ByteRange, size: int) -> str:
    """Return the Content-Range of a part (RFC 9110 section 14.4)."""
    return f"bytes {part[0]}-{sum(part) - 1}/{size}"


class ByteRanges:
    """The body of several ranges of a file, of type multipart/byteranges (RFC 9110 section 14.6).

    Iterating over it reads the file piece by piece; the framework calls `close`, which closes it, after the answer.
    """

    def __init__(self, file: io.FileIO, ranges: list[ByteRange], size: int, media_type: str) -> None:
        self._file = file
        self._ranges = ranges
        boundary = secrets.token_hex(16)
        heads = [f"--{boundary}\r\nContent-Type: {media_type}\r\n" for _ in ranges]
        self._heads = [
            f"\r\n{head}Content-Range: {content_range(part, size)}\r\n\r\n".encode("latin-1")
            for head, part in zip(heads, ranges, strict=True)
        ]
        self._heads[0] = self._heads[0].removeprefix(b"\r\n")
        self._end = f"\r\n--{boundary}--\r\n".encode()
        self.media_type = f"multipart/byteranges; boundary={boundary}"
        self.length = sum(map(len, self._heads)) + sum(count for _, count in ranges) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        fd = self._file.fileno()
        for head, (offset, count) in zip(self._heads, self._ranges, strict=True):
            yield head
            end = offset + count
            while offset < end:
                piece = os.pread(fd, min(_PIECE_BYTES, end - offset), offset)
                if not piece:
                    return  # the file became shorter: the body is shorter than its Content-Length, and is broken off
                offset += len(piece)
                yield piece
        yield self._end

    def close(self) -> None:
        """Close the file."""
        self._file.close()
