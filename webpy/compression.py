"""Compresses answers for clients that accept it (RFC 9110 section 8.4): `CompressionMixIn`.

    from webpy.compression import CompressionMixIn

    class Report(CompressionMixIn):
        def do_get(self):
            self.response.headers.set('Content-Type', 'text/csv')
            return 200, rows()                  # str, bytes, a file, a stream, an iterable of bytes

gzip is always available; zstd and br with `pip install 'webpy[compression]'`. The coding with the highest weight in the
client's Accept-Encoding is used, the first of `compression_codings` among equals. Text and bytes are compressed in
memory, and sent so only if that is smaller. Files and iterables are compressed while they are sent, in pieces of 64 KB
and without a Content-Length; each piece of an iterable is sent at once.

Not compressed are 204, 206 and 304 answers; bodies that have a Content-Encoding already; answers with `Cache-Control:
no-transform`; those whose Content-Type is missing (a str has one: text/plain) or does not match `compression_types`;
bodies below `compression_min_bytes`; streams and iterables whose Content-Length the handler has set; and errors, which
are short. Answers that could be compressed, and parts of them (206), say `Vary: Accept-Encoding`. Compressed ones have
a weak ETag, as their bytes differ (so If-None-Match still matches, If-Match does not), and no Accept-Ranges.

Compressed bodies of requests: `webpy.decompression`.

Options, class attributes of the handler:

- `compression_codings = ("zstd", "br", "gzip")`: the codings to use, what the server prefers first. Those that are not
  installed are left out.
- `compression_levels`: the level of each coding; 3, 4 and 5, which suit answers that are made for one request.
- `compression_types`: a regex that the media type has to match.
- `compression_min_bytes = 512`.
- `compression_flush = True`: whether each piece of an iterable is sent at once; False compresses small pieces better.

15 KB of Python source become 5.5 KB in 60 µs (zstd), 190 µs (br) or 250 µs (gzip); timeit, CPython 3.11, a shared
2-core VM, November 2026.

Caveats: the length of a compressed answer tells what it repeats. If a page contains a secret of its user (a token in a
form) and also text that an attacker can put into a request, the attacker can guess the secret in spite of TLS (the
BREACH attack). Send such pages with `Cache-Control: no-transform`.

Order: stands before `CachingMixIn`, so that no two different sequences of bytes have the same ETag (RFC 9110 section
8.8.1); any other order is a TypeError when the class is made.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .framework.answer import NO_SNIFFING, TEXT_TYPE, BadResult, file_range
from .framework.handler import HTTPHandler
from .framework.hosting import HostHandler
from .framework.later import Later
from .framework.order import Rank
from .negotiation import best_encoding, vary
from .protocol.grammar import media_type

try:
    import brotli  # type: ignore[import-untyped]
except ImportError:
    brotli = None
try:
    import zstandard
except ImportError:
    zstandard = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from .framework.headers import HTTPHeaders
    from .framework.response import Result

__all__ = ["INSTALLED", "CompressionMixIn"]

_PIECE_BYTES = 65536
_WHOLE = (str, bytes, bytearray, memoryview)
_BOUND = ("content-encoding", "content-range", "content-digest", "repr-digest", "digest", "content-md5")
"""Fields that depend on the exact bytes of the body."""


class _Compressor(Protocol):
    """Takes a body in pieces, and returns the bytes to send, in order."""

    def compress(self, piece: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class _Gzip:
    def __init__(self, level: int) -> None:
        made = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        self.compress = made.compress
        self.flush = lambda: made.flush(zlib.Z_SYNC_FLUSH)
        self.finish = made.flush


class _Brotli:
    def __init__(self, level: int) -> None:
        made = brotli.Compressor(quality=level)
        self.compress, self.flush, self.finish = made.process, made.flush, made.finish


class _Zstandard:
    def __init__(self, level: int) -> None:
        made = zstandard.ZstdCompressor(level).compressobj()
        self.compress = made.compress
        self.flush = lambda: made.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self.finish = made.flush


_ALL: dict[str, tuple[Any, Callable[[int], _Compressor]]] = {
    "zstd": (zstandard, _Zstandard),
    "br": (brotli, _Brotli),
    "gzip": (zlib, _Gzip),
}
_COMPRESSORS = {coding: compressor for coding, (library, compressor) in _ALL.items() if library is not None}

INSTALLED = tuple(_COMPRESSORS)
"""The content codings whose libraries are installed."""


class CompressionMixIn(HTTPHandler):
    """Put in front of a handler: its answers are compressed where that makes them smaller."""

    mixin_rank = Rank.COMPRESSION

    compression_codings: Sequence[str] = ("zstd", "br", "gzip")
    compression_levels: Mapping[str, int] = {"zstd": 3, "br": 4, "gzip": 5}
    compression_types = (
        r"text/[^;]*|application/(json|javascript|ecmascript|xml|xhtml\+xml|wasm|x-ndjson|rtf)"
        r"|[^;]*\+(json|xml|text)|image/(bmp|x-icon|vnd\.microsoft\.icon)|font/(ttf|otf)"
    )
    compression_min_bytes = 512
    compression_flush = True

    def respond(self) -> Result:
        result = super().respond()
        return result.then(self._compress_result) if type(result) is Later else self._compress_result(result)

    def _compress_result(self, result: Result) -> Result:
        if not isinstance(result, (tuple, list)) or len(result) not in (2, 3):
            return result
        *status, body = result
        headers = self.response.headers
        if result[0] == 304:
            self._tell_as_before(headers)
        elif result[0] == 206:
            # as in the 200 that it is a part of (RFC 9110 section 15.3.7)
            if "content-encoding" not in headers and not _is_fixed(headers):
                vary(headers, "Accept-Encoding")
        elif result[0] != 204 and self._is_worth_it(headers, body):
            vary(headers, "Accept-Encoding")
            offers = [coding for coding in self.compression_codings if coding in _COMPRESSORS]
            coding = best_encoding(", ".join(self.request.head.getlist("accept-encoding")), offers)
            if coding is not None and self._is_head_alone(headers, body):
                headers.remove("Content-Length")  # that of the GET is not known (RFC 9110 section 8.6)
            elif coding is not None:
                body = self._compress(headers, coding, body)
        return (*status, body)

    def _is_worth_it(self, headers: HTTPHeaders, body: Any) -> bool:
        if any(name in headers for name in _BOUND) or _is_fixed(headers):
            return False
        content_type = headers.get("Content-Type") or (TEXT_TYPE if isinstance(body, str) else "")
        if not re.fullmatch(self.compression_types, media_type(content_type)):
            return False
        if self._is_head_alone(headers, body):
            stated = headers["Content-Length"]
            length: int | None = int(stated) if stated.isdigit() else 0
        elif isinstance(body, _WHOLE):
            length = len(body)
        elif "content-length" in headers or isinstance(body, (Mapping, io.TextIOBase)):
            return False
        elif isinstance(body, io.BytesIO):
            length = body.getbuffer().nbytes - body.tell()
        elif hasattr(body, "read"):
            file = file_range(body)
            length = None if file is None else file.count
        else:
            length = None
            if not isinstance(body, Iterable):
                return False
        return length is None or length >= self.compression_min_bytes

    def _is_head_alone(self, headers: HTTPHeaders, body: Any) -> bool:
        """Return True if this is a host's answer to HEAD: the length of a body, without the body."""
        if self.request.method != "HEAD" or "content-length" not in headers:
            return False
        return not len(body) if isinstance(body, _WHOLE) else isinstance(self, HostHandler)

    def _tell_as_before(self, headers: HTTPHeaders) -> None:
        """Give a 304 the fields of the answer that the client has (RFC 9110 section 15.4.5).

        If that was compressed, its ETag was weak: the request's If-None-Match shows it.
        """
        vary(headers, "Accept-Encoding")
        etag = headers.get("ETag", "")
        if f"W/{etag}" in ", ".join(self.request.head.getlist("if-none-match")):
            _weaken(headers)

    def _compress(self, headers: HTTPHeaders, coding: str, body: Any) -> Any:
        """Return the body in `coding` and set the fields for it; or return it unchanged if that is shorter."""
        compressor = _COMPRESSORS[coding](self.compression_levels[coding])
        made: Any
        if isinstance(body, _WHOLE):
            if isinstance(body, str) and "content-type" not in headers:
                headers.set("Content-Type", TEXT_TYPE)
                headers.set(*NO_SNIFFING)
            data = body.encode() if isinstance(body, str) else bytes(body)
            made = compressor.compress(data) + compressor.finish()
            if len(made) >= len(data):
                return data
        else:
            made = _Compressed(compressor, body, flush=self.compression_flush)
        headers.set("Content-Encoding", coding)
        _weaken(headers)
        for name in ("Content-Length", "Accept-Ranges"):
            if name in headers:
                headers.remove(name)
        return made


class _Compressed:
    """An iterable or a stream that is compressed while it is read; `close` closes it. Read on a thread of the pool."""

    def __init__(self, compressor: _Compressor, body: Any, *, flush: bool) -> None:
        self._body = body
        self._pieces = _compressed(compressor, body, flush and file_range(body) is None)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


def _compressed(compressor: _Compressor, body: Any, flush: bool) -> Iterator[bytes]:
    pieces: Iterable[Any] = iter(lambda: body.read(_PIECE_BYTES), b"") if hasattr(body, "read") else body
    for piece in pieces:
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise BadResult(f"a body gave {type(piece).__name__}, wanted bytes")
        made = compressor.compress(bytes(piece))
        if flush:
            made += compressor.flush()
        if made:
            yield made
    yield compressor.finish()


def _is_fixed(headers: HTTPHeaders) -> bool:
    return "no-transform" in ",".join(headers.getlist("Cache-Control")).lower()


def _weaken(headers: HTTPHeaders) -> None:
    """Make the ETag weak: it stands for the same content in other bytes (RFC 9110 section 8.8.3.3)."""
    etag = headers.get("ETag")
    if etag is not None and not etag.startswith("W/"):
        headers.set("ETag", f"W/{etag}")
