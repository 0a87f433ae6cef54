"""Owns the functions by which a page answers with a file: `serve_file`, `serve_fileobj`, `serve_download`.

    @webpy.objects.expose
    def report(self):
        return serve_file("/srv/reports/today.pdf", disposition="attachment")

Conditions about dates and ranges of bytes in the request are followed; a malformed Range is ignored. Whole files are
sent by sendfile, parts of files are read while they are sent.
"""

from __future__ import annotations

import io
import mimetypes
import os
import stat
import unicodedata
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import quote

from ....file.ranges import ByteRanges, content_range, parse_range
from ....protocol.grammar import http_date
from ...messages.errors import HTTPError, NotFound
from ...process.serving import request, response
from ..caching.conditions import validate_since

__all__ = ["media_type_of", "send", "serve_download", "serve_file", "serve_fileobj"]

_PIECE_BYTES = 65536
_DOWNLOAD = "application/x-download"
_OWN_TYPES = {
    ".dwg": "image/x-dwg",
    ".ico": "image/x-icon",
    ".bz2": "application/x-bzip2",
    ".gz": "application/x-gzip",
}


def serve_file(
    path: str | os.PathLike[str],
    content_type: str | None = None,
    disposition: str | None = None,
    name: str | None = None,
    debug: bool = False,
) -> Any:
    """Answer with a file and return the body.

    path: absolute; content_type: chosen by the name's extension if None; disposition: "attachment" makes the browser
    save the file, as `name` or under its own name. Raises ValueError for a relative path, NotFound if there is no such
    regular file.
    """
    path = os.fspath(path)
    if not os.path.isabs(path):
        raise ValueError(f"{path!r} is not an absolute path.")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        raise NotFound() from None
    return send(fd, content_type or media_type_of(path), disposition, name or os.path.basename(path))


def send(fd: int, content_type: str | None, disposition: str | None = None, name: str | None = None) -> Any:
    """Answer with the file that is open as `fd`, as `serve_file` does. Takes over the descriptor, also if it raises.

    content_type: None leaves the response's as it is.
    """
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise NotFound()
    file = io.FileIO(fd, "rb")
    try:
        response.headers["Last-Modified"] = http_date(status.st_mtime)
        validate_since()
        if content_type is not None:
            response.headers["Content-Type"] = content_type
        if disposition is not None:
            response.headers["Content-Disposition"] = _disposition(disposition, name)
        return _serve(file, status.st_size)
    except BaseException:
        file.close()
        raise


def serve_fileobj(
    fileobj: IO[bytes],
    content_type: str | None = None,
    disposition: str | None = None,
    name: str | None = None,
    debug: bool = False,
) -> Any:
    """Answer with an open binary file, from its current position on, and return the body.

    The file is closed when it has been sent. A regular file gets a Last-Modified; ranges are served if it is seekable.
    The other parameters are those of `serve_file`.
    """
    begin = length = None
    try:
        status = os.fstat(fileobj.fileno())
        if stat.S_ISREG(status.st_mode):
            response.headers["Last-Modified"] = http_date(status.st_mtime)
            validate_since()
    except (AttributeError, OSError):  # io.UnsupportedOperation is one
        pass
    try:
        begin = fileobj.tell()
        length = fileobj.seek(0, os.SEEK_END) - begin
        fileobj.seek(begin)
    except (AttributeError, OSError):
        length = None
    if content_type is not None:
        response.headers["Content-Type"] = content_type
    if disposition is not None:
        response.headers["Content-Disposition"] = _disposition(disposition, name) if name else disposition
    return _serve(fileobj, length, begin or 0)


def serve_download(path: str | os.PathLike[str], name: str | None = None) -> Any:
    """Answer with a file that the browser saves, as `name` or under its own name; see `serve_file`."""
    return serve_file(path, _DOWNLOAD, "attachment", name)


def media_type_of(path: str) -> str | None:
    """Return the media type for the extension of a file's name; None if the system does not know it."""
    ending = os.path.splitext(path)[1].lower()
    return _OWN_TYPES.get(ending) or (_known_types().get(ending) if ending else None)


def _known_types() -> dict[str, str]:
    if not mimetypes.inited:
        mimetypes.init()
    return mimetypes.types_map


def _disposition(kind: str, name: str | None) -> str:
    """Return a Content-Disposition (RFC 6266), with the name also in ASCII for old clients, and escaped."""
    if not name:
        return kind
    plain = unicodedata.normalize("NFKC", name).encode("ascii", "ignore").decode()
    plain = "".join(char for char in plain if char.isprintable()).replace("\\", "\\\\").replace('"', '\\"')
    said = f'{kind}; filename="{plain}"'
    return said if plain == name or name.isascii() else f"{said}; filename*=UTF-8''{quote(name, safe='')}"


def _serve(file: IO[bytes], length: int | None, begin: int = 0) -> Any:
    """Answer with `length` bytes (None: all) of the file, which is at position `begin`, or with ranges of them."""
    headers = response.headers
    ranges = None
    if length is not None:
        if request.protocol >= (1, 1):
            headers["Accept-Ranges"] = "bytes"
            ranges = parse_range(request.headers.get("Range", ""), length)
        headers["Content-Length"] = length
    if length is None or ranges is None or (len(ranges) > 1 and not (isinstance(file, io.FileIO) and begin == 0)):
        response.body = file
        return response.body
    if not ranges:
        headers["Content-Range"] = f"bytes */{length}"
        raise HTTPError(416, "Invalid Range (first-byte-pos greater than Content-Length)")
    response.status = "206 Partial Content"
    if len(ranges) == 1:
        offset, count = ranges[0]
        headers["Content-Range"] = content_range(ranges[0], length)
        headers["Content-Length"] = count
        response.body = _part(file, begin + offset, count)
        return response.body
    assert isinstance(file, io.FileIO)
    parts = ByteRanges(file, ranges, length, headers.get("Content-Type", "application/octet-stream"))
    headers["Content-Type"] = parts.media_type
    headers["Content-Length"] = parts.length
    response.body = parts
    return response.body


def _part(file: IO[bytes], offset: int, count: int) -> Iterator[bytes]:
    try:
        file.seek(offset)
        while count:
            piece = file.read(min(_PIECE_BYTES, count))
            if not piece:
                return  # the file has become shorter: the answer is shorter than announced, and is aborted
            count -= len(piece)
            yield piece
    finally:
        file.close()
