"""The tool `gzip`: answers compressed for clients that ask for it (RFC 9110 section 8.4.1.3).

As in CherryPy, a client that names codings, but neither gzip nor identity, is answered with 406. Not compressed are:
parts of a file (206), answers with a Content-Encoding, and answers from the cache, which are kept compressed. Beware of
secrets in compressed pages (see BREACH in `webpy.compression`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from ...messages.errors import HTTPError
from ...messages.status import valid_status
from ...process.serving import request, response

__all__ = ["compress", "gzip"]

_NAMES = ("gzip", "x-gzip")


def gzip(compress_level: int = 5, mime_types: Sequence[str] = ("text/html", "text/plain"), debug: bool = False) -> None:
    """Compress the body if the client accepts gzip and the media type matches one of `mime_types`. Adds
    `Vary: Accept-Encoding`.

    compress_level: 1 to 9; mime_types: may have patterns, such as `text/*` and `application/*+xml`.
    """
    headers = response.headers
    vary = [member.value for member in headers.elements("Vary")]
    if "*" not in vary and "Accept-Encoding" not in vary:
        headers["Vary"] = ", ".join([*vary, "Accept-Encoding"])
    if not response.body or getattr(request, "cached", False):
        return
    codings = request.headers.elements("Accept-Encoding")
    if not codings or valid_status(response.status)[0] == 206 or "Content-Encoding" in headers:
        return
    media_type = headers.get("Content-Type", "").partition(";")[0].strip()
    for coding in codings:
        if coding.value == "identity" and coding.qvalue > 0:
            return
        if coding.value in _NAMES:
            if coding.qvalue > 0 and any(fnmatchcase(media_type, pattern) for pattern in mime_types):
                headers["Content-Encoding"] = "gzip"
                response.body = compress(response.body, compress_level)
                if "Content-Length" in headers:
                    del headers["Content-Length"]
            return
    HTTPError(406, "identity, gzip").set_response()


def compress(body: Iterable[bytes], compress_level: int) -> Iterator[bytes]:
    """Yield the pieces of a body, compressed, as pieces of one gzip file."""
    packer = zlib.compressobj(compress_level, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    try:
        for piece in body:
            packed = packer.compress(piece)
            if packed:
                yield packed
        yield packer.flush()
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
