"""Owns a file as it is sent: its fields, its validators, and which part a request gets (RFC 9110 sections 8, 13, 14).

The handlers call it once they have opened a file. Knows no URLs.
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

__all__ = ["CachedFile", "Identity", "Representation", "etag_of", "identity_of", "validators_of"]

Identity = tuple[int, int, int, int, int]

_NOT_IN_304 = ("Content-Type", "Content-Encoding", "Accept-Ranges", "X-Content-Type-Options")  # RFC 9110 section 15.4.5


def identity_of(status: os.stat_result) -> Identity:
    """Return values that differ if another file has taken its place, or if the file has changed."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def etag_of(status: os.stat_result) -> str:
    """Return the strong entity tag of a file (RFC 9110 section 8.8.3), made of its time in ns, size and inode."""
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'


def validators_of(status: os.stat_result) -> Validators:
    """Return the validators of a file. A time in the future is left out (RFC 9110 section 8.8.2.1)."""
    return Validators(etag_of(status), status.st_mtime if status.st_mtime <= time.time() else None)


class CachedFile(NamedTuple):
    """What was found out about a file that was sent: valid until a monotonic time, while it has this identity.

    fields: of the answer, as `HTTPHeaders.frozen` gives them.
    """

    path: bytes
    identity: Identity
    fields: tuple[tuple[str, str, str], ...]
    until_s: float


class Representation:
    """An open file as it may be sent: whole, in parts, or not at all.

    file: closed by `close`, or by the framework once it is the answer's body; headers: those of the whole file.
    """

    __slots__ = ("_size", "_validators", "file", "headers")

    def __init__(self, fd: int, status: os.stat_result, headers: HTTPHeaders) -> None:
        """fd: a regular file, owned by this object from now on; status: its status; headers: those that the handler
        decides on, with a Content-Type; the file's own are added to them."""
        self.file = io.FileIO(fd, "rb")
        self._size = status.st_size
        self._validators = validators = validators_of(status)
        self.headers = headers
        headers.add("X-Content-Type-Options", "nosniff")
        headers.add("Accept-Ranges", "bytes")
        headers.add("ETag", etag_of(status))
        if validators.modified_s is not None:
            with contextlib.suppress(ValueError, OverflowError, OSError):  # a year that no HTTP-date can express
                headers.add("Last-Modified", http_date(validators.modified_s))

    def close(self) -> None:
        """Close the file; for one that is not sent."""
        self.file.close()

    def answer(self, request: Request, response: Response) -> Result:
        """Return the answer to a GET or HEAD, 200, 206 or 304, and set the fields of `response`.

        Raises HTTPError: 412, 416.
        """
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
