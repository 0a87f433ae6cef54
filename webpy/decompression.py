"""Takes request bodies that clients have compressed (RFC 9110 section 8.4): `DecompressionMixIn`.

    from webpy.decompression import DecompressionMixIn

    class Events(DecompressionMixIn, webpy.json.JSONHandler):
        decompression_max_bytes = 50 << 20

        def do_post(self):
            return 200, {'events': len(self.request.body)}      # curl --data-binary @events.json.gz
                                                                # -H 'Content-Encoding: gzip' -H 'Content-Type: ...'

The body is decompressed before the handler runs, and the handler sees a request that looks as if it had been sent
without a coding: `request.body`, `request.rfile`, Content-Length and `request.head` are those of the decompressed body,
and Content-Encoding is gone. So forms, JSON and hosts need to know nothing of it: a WSGI application's `wsgi.input` and
CONTENT_LENGTH go together, and its environment has no HTTP_CONTENT_ENCODING. (Without this mix-in an application gets
the body and the field as they were sent.) `request.raw_body` stays as it was sent, for signatures over it.

The codings are gzip and deflate. Over 256 KB a decompressed body is kept in a temporary file.

Options, class attributes of the handler:

- `decompression_max_bytes = 8 << 20`: the most that a body may become: 413 beyond, at once, whatever it would have
  become. `--max-body` limits what is sent.
- `stream = True`: `request.rfile` decompresses what has arrived while the handler reads it. Reading raises the errors
  below. Such a request has no Content-Length.

Answers: 415 for other codings and for several, with `Accept-Encoding: gzip, deflate` (RFC 9110 section 12.5.3), before
a client that sends `Expect: 100-continue` has sent its body; 400 for a body that is broken, cut off, or goes on behind
its end; 413; 503 if the disk has no room.

It stands after a login, so that nothing is decompressed for people who may not send it, and before `FormMixIn`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from .framework.errors import HTTPError
from .framework.handler import HTTPHandler
from .framework.hosting import HostHandler
from .framework.order import Rank
from .logthrottle import log_throttled

if TYPE_CHECKING:
    from .framework.response import Result

__all__ = ["DecompressionMixIn"]

_log = logging.getLogger("webpy")

_ACCEPTED = "gzip, deflate"
_GZIP = ("gzip", "x-gzip")  # RFC 9110 section 8.4.1.3
_SENT_BYTES = 1 << 14  # taken at a time: what follows the end of each of many gzip members is copied
_PIECE_BYTES = 1 << 16  # made at a time
_MEMORY_BYTES = 1 << 18


class DecompressionMixIn(HTTPHandler):
    """Put in front of a handler: it gets bodies without their content coding."""

    mixin_rank = Rank.DECOMPRESSION

    #: the most that a body may become
    decompression_max_bytes = 8 << 20

    def check_continue(self) -> bool | None:
        """Do what `HTTPHandler` does; raises HTTPError 415 for a coding that is not known."""
        if self._coding() and "Content-Encoding" in self.request.headers:
            self.request.headers.remove("Content-Encoding")  # for the next ones, which would refuse it
        return super().check_continue()

    def respond(self) -> Result:
        head = self.request.head
        is_answered = isinstance(self, HostHandler) or type(self).method_for(head.method) is not None
        if (head.content_length or head.chunked) and is_answered:
            coding = self._coding()
            if coding:
                self._decode_body(coding)
        return super().respond()

    def _coding(self) -> str:
        """Return "gzip" or "deflate", "" for a body without a coding. Raises HTTPError 415 for any other."""
        said = ", ".join(self.request.head.getlist("content-encoding"))
        codings = [coding.strip(" \t").lower() for coding in said.split(",")]
        codings = [coding for coding in codings if coding not in ("", "identity")]
        if not codings:
            return ""
        if len(codings) == 1 and codings[0] in (*_GZIP, "deflate"):
            return "gzip" if codings[0] in _GZIP else "deflate"
        message = f"got Content-Encoding {said[:60]!a}, wanted one of {_ACCEPTED}\n"
        raise HTTPError(415, message, headers={"Accept-Encoding": _ACCEPTED})

    def _decode_body(self, coding: str) -> None:
        """Put the decompressed body in the place of the one that was sent. Raises HTTPError 400, 413 or 503."""
        request = self.request
        if request.rfile.seekable():
            request.rfile.seek(0)  # a mix-in in front may have read it
        with contextlib.suppress(AttributeError):
            del request.body  # or made this
        pieces = _decoded(request.rfile, coding, self.decompression_max_bytes)
        length = None
        if self.stream:
            stream: IO[bytes] = io.BufferedReader(_Reader(pieces), _PIECE_BYTES)
        else:
            sent = request.rfile
            stream, length = _stored(pieces)
            sent.close()
        request.head = request.head.recoded(length)
        headers = request.headers  # a mix-in in front may have made them
        for name in ("Content-Encoding", "Content-Length", "Transfer-Encoding"):
            if name in headers:
                headers.remove(name)
        if length is not None:
            headers.set("Content-Length", str(length))
        request.read_from(stream)


class _Reader(io.RawIOBase):
    """A stream of what an iterator of bytes gives."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, place: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        count = min(len(place), len(self._rest))
        place[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _stored(pieces: Iterator[bytes]) -> tuple[IO[bytes], int]:
    """Return a stream with all pieces, at its beginning, and their length. Raises HTTPError 503 if the disk is full."""
    stream: IO[bytes] = io.BytesIO()
    length = 0
    try:
        for piece in pieces:
            length += len(piece)
            try:
                if length > _MEMORY_BYTES and isinstance(stream, io.BytesIO):
                    begun = stream.getvalue()
                    stream = tempfile.TemporaryFile()  # noqa: SIM115 - open until the request is over
                    stream.write(begun)
                stream.write(piece)
            except OSError as error:
                log_throttled(_log, f"a decompressed body cannot be stored: {error}")
                raise HTTPError(503, "the body cannot be stored at present\n") from error
        stream.seek(0)
    except BaseException:
        stream.close()
        raise
    return stream, length


def _decoded(stream: IO[bytes], coding: str, max_bytes: int) -> Iterator[bytes]:
    """Yield the decompressed body, at most 64 KB at a time. Raises HTTPError 400 and 413, and what the stream does."""
    length = 0
    for piece in _inflated(stream, coding):
        length += len(piece)
        if length > max_bytes:
            raise HTTPError(413, f"a body may become {max_bytes} bytes when it is decompressed, and would be more\n")
        yield piece


def _inflated(stream: IO[bytes], coding: str) -> Iterator[bytes]:
    read = getattr(stream, "read1", stream.read)  # what is there, of a body that arrives meanwhile
    sent = read(_SENT_BYTES)
    while len(sent) == 1 and (more := read(_SENT_BYTES)):  # the format shows in two bytes
        sent += more
    inflater = _inflater(coding, sent)
    while True:
        try:
            made = inflater.decompress(sent, _PIECE_BYTES)
        except zlib.error:
            raise HTTPError(400, f"the body is not valid {coding}\n") from None
        if made:
            yield made
        if inflater.eof:
            sent = inflater.unused_data or read(_SENT_BYTES)
            if not sent:
                return
            if coding != "gzip":
                raise HTTPError(400, f"the body goes on behind the end of its {coding}\n")
            inflater = _inflater(coding, sent)  # another member (RFC 1952 section 2.2)
            continue
        sent = inflater.unconsumed_tail
        if not sent and len(made) < _PIECE_BYTES:  # a full piece may not be all that was made of what was sent
            sent = read(_SENT_BYTES)
            if not sent:
                raise HTTPError(400, f"the body ends before the end of its {coding}\n")


def _inflater(coding: str, beginning: bytes) -> Any:
    """Return a zlib decompressor. deflate is the zlib format (RFC 1950); some clients send it without its header, and
    the note of RFC 9110 section 8.4.1.2 knows them."""
    if coding == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    has_header = len(beginning) > 1 and beginning[0] & 0x0F == 8 and (beginning[0] << 8 | beginning[1]) % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
