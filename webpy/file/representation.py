"""Owns a file as it is sent: its fields, its validators, and what of it a request gets (RFC 9110 sections 8, 13, 14).

Called by the handlers once they have opened a file; knows no URL.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from ..conditional import Validators, evaluate, range_applies
from ..framework.errors import HTTPError
from ..framework.headers import HTTPHeaders
from ..framework.merging import merge
from ..protocol.grammar import http_date
from .ranges import ByteRanges, content_range, parse_range

if TYPE_CHECKING:
    from ..framework.request import Request
    from ..framework.response import Response, Result

__all__ = ["Identity", "Known", "Representation", "etag_of", "identity_of", "validators_of"]

Identity = tuple[int, int, int, int, int]

_NOT_IN_304 = ("Content-Type", "Content-Encoding", "Accept-Ranges", "X-Content-Type-Options")  # RFC 9110 section 15.4.5


def identity_of(status: os.stat_result) -> Identity:
    """What tells a file from one that stands in its place later, and from itself once it has changed."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def etag_of(status: os.stat_result) -> str:
    """The strong entity tag of a file (RFC 9110 section 8.8.3): of its time in nanoseconds, its size and its inode."""
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'


def validators_of(status: os.stat_result) -> Validators:
    """The validators of a file. A time that is yet to come is none (RFC 9110 section 8.8.2.1)."""
    return Validators(etag_of(status), status.st_mtime if status.st_mtime <= time.time() else None)


class Known(NamedTuple):
    """What was found out about a file that was sent: it holds until a monotonic time, while this is its identity."""

    path: bytes
    identity: Identity
    headers: HTTPHeaders
    until_s: float


class Representation:
    """An open file as it may be sent: whole, in parts, or not at all.

    file: closed by `close`, or by the framework once it is the answer's body; headers: those of the whole.
    """

    __slots__ = ("_size", "_validators", "file", "headers")

    def __init__(
        self,
        fd: int,
        status: os.stat_result,
        content_type: str,
        *,
        coding: str | None = None,
        varies: bool = False,
        cache_control: str | None = None,
    ) -> None:
        """fd: of a regular file, owned by this object from now on; coding: of the file's content (RFC 9110 section
        8.4); varies: the same resource has other codings."""
        self.file = io.FileIO(fd, "rb")
        self._size = status.st_size
        self._validators = validators = validators_of(status)
        self.headers = headers = HTTPHeaders()
        headers.add("Content-Type", content_type)
        headers.add("X-Content-Type-Options", "nosniff")
        headers.add("Accept-Ranges", "bytes")
        headers.add("ETag", etag_of(status))
        if validators.modified_s is not None:
            with contextlib.suppress(ValueError, OverflowError, OSError):  # a year that no HTTP-date can say
                headers.add("Last-Modified", http_date(validators.modified_s))
        if coding is not None:
            headers.add("Content-Encoding", coding)
        if cache_control is not None:
            headers.add("Cache-Control", cache_control)
        if varies:
            headers.add("Vary", "Accept-Encoding")

    def close(self) -> None:
        """Close the file, if it is not sent."""
        self.file.close()

    def answer(self, request: Request, response: Response) -> Result:
        """What a GET or HEAD gets, with the fields set on `response`: 200, 206 or 304. Raises HTTPError: 412, 416."""
        asked = request.headers
        status = evaluate(request.method, asked, self._validators)
        if status == 412:
            raise HTTPError(412)
        merge(response.headers, [field for field in self.headers if status != 304 or field[0] not in _NOT_IN_304])
        if status == 304:
            self.close()
            return 304, None
        fields = asked.getlist("Range")
        if len(fields) == 1 and request.method == "GET" and range_applies(asked, self._validators):
            ranges = parse_range(fields[0], self._size)
            if ranges is not None:
                return self._partly(ranges, response.headers)
        return 200, self.file

    def _partly(self, ranges: list[tuple[int, int]], headers: HTTPHeaders) -> Result:
        if not ranges:
            raise HTTPError(416, headers={"Content-Range": f"bytes */{self._size}"})
        if len(ranges) == 1:
            offset, count = ranges[0]
            self.file.seek(offset)
            headers.set("Content-Range", content_range(ranges[0], self._size))
            headers.set("Content-Length", str(count))
            return 206, self.file
        body = ByteRanges(self.file, ranges, self._size, self.headers["Content-Type"])
        headers.set("Content-Type", body.media_type)
        headers.set("Content-Length", str(body.length))
        return 206, body
