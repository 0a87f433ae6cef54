"""Owns files as the answer of a page handler: `serve_file`, `serve_fileobj`, `serve_download`.

    @webpy.objects.expose
    def report(self):
        return serve_file("/srv/reports/today.pdf", disposition="attachment")

Dates and ranges of the request are followed (a Range of bytes; what is none is ignored). A file leaves by sendfile,
parts of one are read as they are sent.
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

from ....conditional import http_date
from ....file.ranges import ByteRanges, content_range, parse_range
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
    """Make a file the answer, and give the body.

    path: absolute; content_type: by the name's ending if None; disposition: "attachment" has the browser save it, as
    `name`, else as what it is called. Raises ValueError for a relative path; NotFound for what is no file.
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
    """As `serve_file`, of what is open as `fd`, which is the answer's from now on. None leaves the Content-Type."""
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
    """Make what an open binary file holds from here on the answer, and give the body. It is closed when it is sent.

    Of a file of the file system Last-Modified is told. Ranges are served of what can be sought in.
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
    """Make a file the answer that the browser saves, as `name`."""
    return serve_file(path, _DOWNLOAD, "attachment", name)


def media_type_of(path: str) -> str | None:
    """What the system knows of the ending of a file's name; None for nothing."""
    ending = os.path.splitext(path)[1].lower()
    return _OWN_TYPES.get(ending) or (_known_types().get(ending) if ending else None)


def _known_types() -> dict[str, str]:
    if not mimetypes.inited:
        mimetypes.init()
    return mimetypes.types_map


def _disposition(kind: str, name: str | None) -> str:
    """RFC 6266, with the name in ASCII for old clients; quotes and line ends cannot end it."""
    if not name:
        return kind
    plain = unicodedata.normalize("NFKC", name).encode("ascii", "ignore").decode()
    plain = "".join(char for char in plain if char.isprintable()).replace("\\", "\\\\").replace('"', '\\"')
    said = f'{kind}; filename="{plain}"'
    return said if plain == name or name.isascii() else f"{said}; filename*=UTF-8''{quote(name, safe='')}"


def _serve(file: IO[bytes], length: int | None, begin: int = 0) -> Any:
    """`length` bytes from `begin` on, where the file is now; None for all there is."""
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
                return  # the file became shorter: the answer ends short of its length, and is broken off
            count -= len(piece)
            yield piece
    finally:
        file.close()
