"""Owns the way from a handler's result to an answer's head and body; no sockets, no clock.

The worker calls `render` for every answer that is not one of the plain ones its loop makes in place.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from ..protocol import LAST_CHUNK, Framing, body_allowed, encode_chunk, encode_head, frame
from .headers import HTTPHeaders

if TYPE_CHECKING:
    from ..protocol import Head

__all__ = ["BYTES_TYPE", "NO_SNIFFING", "OURS", "TEXT_TYPE", "Answer", "BadResult", "FileRange", "file_range", "render"]

_PIECE_BYTES = 65536
#: the Content-Type of text, and of bytes, whose handler has not set one
TEXT_TYPE = "text/plain; charset=utf-8"
BYTES_TYPE = "application/octet-stream"
#: goes with each type that we chose: no browser shall take the body for something else, such as HTML with scripts
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
OURS = frozenset({"content-length", "transfer-encoding", "connection", "server", "date"})


class BadResult(Exception):
    """What a handler returned cannot be sent; the message says what it was and what was wanted."""


class FileRange:
    """Bytes of a regular file, to be sent without reading them into memory."""

    __slots__ = ("count", "fd", "offset")

    def __init__(self, fd: int, offset: int, count: int) -> None:
        self.fd = fd
        self.offset = offset
        self.count = count


class Answer:
    """A status and what goes on the wire for it.

    head: the bytes up to the body; payload: the body, or its beginning; file: a part of a file that follows;
    source: an iterator of the wire's bytes that follow; owner: what to close at the end; close: the connection ends.
    """

    __slots__ = ("close", "file", "head", "owner", "payload", "source", "status")

    def __init__(self, status: int) -> None:
        self.status = status
        self.head = self.payload = b""
        self.file: FileRange | None = None
        self.source: Iterator[bytes] | None = None
        self.owner: Any = None
        self.close = False


def render(asked: Head, headers: HTTPHeaders | None, result: Any, server: str, date: str, closing: bool) -> Answer:
    """The answer to the request `asked` for a handler's `result`.

    headers: what the handler set; date: the Date field (RFC 9110 section 6.6.1); closing: the connection shall end
    whatever the client wants. Raises BadResult for a result that is none, ValueError for headers that would break
    the message (RFC 9112 section 5). The result's body is closed then.
    """
    answer = Answer(0)
    try:
        reason, body = _unpack(answer, result)
        _fill(answer, asked, headers, reason, body, server, date, closing)
    except BaseException:
        with contextlib.suppress(Exception):  # what was wrong first is what is told
            close_body(answer)
        raise
    return answer


def close_body(answer: Answer) -> None:
    """Close the body, if it is of a kind that is closed; once."""
    owner, answer.owner = answer.owner, None
    answer.source = None
    if owner is not None:
        owner.close()


def _fill(
    answer: Answer,
    asked: Head,
    headers: HTTPHeaders | None,
    reason: str | None,
    body: Any,
    server: str,
    date: str,
    closing: bool,
) -> None:
    status = answer.status
    if headers is not None and not isinstance(headers, HTTPHeaders):
        raise BadResult(f"a handler set response.headers to {_brief(headers)}, wanted HTTPHeaders")
    fields: list[tuple[str, str]] = []
    said: dict[str, str] = {}
    if headers is not None:
        for name, value in headers:
            low = name.lower()
            if low in OURS:
                said[low] = value
            elif value or low != "content-type":  # an empty one is sent as none
                fields.append((name, value))
    typed = headers is not None and "content-type" in headers
    if body is not None and not typed and body_allowed(status, "GET"):
        if headers is None or NO_SNIFFING[0] not in headers:
            fields.insert(0, NO_SNIFFING)
        fields.insert(0, ("Content-Type", TEXT_TYPE if isinstance(body, str) else BYTES_TYPE))
    stated = _stated_length(said["content-length"]) if "content-length" in said else None
    length = _measure(answer, body, stated)
    if not length and stated is not None and not body_allowed(status, asked.method):
        length = stated  # of the body that a GET would have had
    if status == 304 and not length:
        length = None
    keep = asked.keep_alive and not closing and "close" not in _members(said.get("connection", ""))
    framing, framing_fields, keep = frame(status, asked.method, asked.minor, keep, length)
    answer.close = not keep
    fields.extend(framing_fields)
    if framing is Framing.NONE:
        answer.payload = b""
        answer.file = answer.source = None
    elif framing is Framing.CHUNKED and answer.source is not None:
        answer.source = _chunked(answer.source)
    first = [("Server", said.get("server", server)), ("Date", said.get("date", date))]
    answer.head = encode_head(status, reason, [*first, *fields])


def _unpack(answer: Answer, result: Any) -> tuple[str | None, Any]:
    """Reason phrase and body of a result; the answer gets the status, and the body to close."""
    if not isinstance(result, (tuple, list)) or len(result) not in (2, 3):
        raise BadResult(f"a handler returned {_brief(result)}, wanted (status, body) or (status, reason, body)")
    status, body = result[0], result[-1]
    reason = result[1] if len(result) == 3 else None
    answer.owner = body if hasattr(body, "close") else None
    number = int.__index__(status) if isinstance(status, int) else 0  # whatever a subclass says that it is
    if not 200 <= number <= 599:
        raise BadResult(f"a handler returned status {_brief(status)}, wanted a number from 200 to 599")
    if reason is not None and not isinstance(reason, str):
        raise BadResult(f"a handler returned reason {_brief(reason)}, wanted a str or None")
    answer.status = number
    return reason, body


def _measure(answer: Answer, body: Any, stated: int | None) -> int | None:
    """Sort the body into payload, file or source; its length in bytes, None while unknown.

    stated: the Content-Length that the handler set. What is sent is as long: it bounds a stream, and tells the length
    of an iterable; of other bodies the length is known, and wins.
    """
    if body is None:
        return 0
    if isinstance(body, str):
        answer.payload = body.encode()
    elif isinstance(body, (bytes, bytearray, memoryview)):
        answer.payload = bytes(body)
    elif hasattr(body, "read"):
        return _measure_stream(answer, body, stated)
    elif isinstance(body, Iterable) and not isinstance(body, Mapping):
        answer.source = _pieces(body) if stated is None else _exactly(_pieces(body), stated)
        return stated
    else:
        wanted = "str, bytes, None, a binary stream or an iterable of bytes"
        raise BadResult(f"a handler returned body {_brief(body)}, wanted {wanted}")
    return len(answer.payload)


def _measure_stream(answer: Answer, stream: IO[bytes], stated: int | None) -> int | None:
    if isinstance(stream, io.TextIOBase):
        raise BadResult(f"a handler returned the text stream {_brief(stream)}, wanted one opened in binary mode")
    if isinstance(stream, io.BytesIO):
        answer.payload = stream.read() if stated is None else stream.read(stated)
        count = len(answer.payload)
    else:
        answer.file = file_range(stream)
        if answer.file is None:
            answer.source = _read(stream) if stated is None else _exactly(_read(stream, stated), stated)
            return stated
        count = answer.file.count
    if stated is None:
        return count
    if count < stated:
        raise BadResult(f"a handler set Content-Length to {stated} and returned a stream of {count} bytes")
    if answer.file is not None:
        answer.file.count = stated
    return stated


def file_range(stream: Any) -> FileRange | None:
    """The rest of a regular file that can be sent from its descriptor; None for any other stream.

    Only streams whose bytes are the file's own: a descriptor may well stand for a compressed file.
    """
    raw = stream
    if type(stream) is not io.FileIO:
        if isinstance(stream, tempfile._TemporaryFileWrapper):
            stream = stream.file
        raw = stream.raw if isinstance(stream, (io.BufferedReader, io.BufferedRandom)) else stream
        if type(raw) is not io.FileIO:
            return None
    fd = raw.fileno()
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        return None
    offset = stream.tell()  # what was written and not flushed lies before it
    if type(offset) is not int or offset < 0:
        raise BadResult(f"a stream's tell() gave {_brief(offset)}, wanted a number of bytes")
    return FileRange(fd, offset, max(0, status.st_size - offset))


def _stated_length(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise BadResult(f"a handler set Content-Length to {value!r}, wanted a number of bytes")
    return int(value)


def _members(value: str) -> list[str]:
    """The members of a list of tokens (RFC 9110 section 5.6.1), in lower case."""
    return [member.strip().lower() for member in value.split(",")]


def _pieces(body: Iterable[Any]) -> Iterator[bytes]:
    for piece in body:
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise BadResult(f"an iterable body gave {_brief(piece)}, wanted bytes")
        if len(piece):
            yield bytes(piece)


def _read(stream: IO[bytes], most: int | None = None) -> Iterator[bytes]:
    """What the stream gives until its end, or as much of it as `most` bytes."""
    left = most
    while left is None or left > 0:
        piece: Any = stream.read(_PIECE_BYTES if left is None else min(_PIECE_BYTES, left))
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise BadResult(f"a stream read {_brief(piece)}, wanted bytes")
        if not len(piece):
            return
        if left is not None:
            left -= len(piece)
        yield bytes(piece)


def _chunked(source: Iterator[bytes]) -> Iterator[bytes]:
    for piece in source:
        yield encode_chunk(piece)
    yield LAST_CHUNK


def _exactly(source: Iterator[bytes], length: int) -> Iterator[bytes]:
    """The source's bytes, which must be as many as the Content-Length says: more or fewer break the message."""
    left = length
    for piece in source:
        left -= len(piece)
        if left < 0:
            raise BadResult(f"a body is longer than its Content-Length of {length}")
        yield piece
    if left:
        raise BadResult(f"a body is {left} bytes shorter than its Content-Length of {length}")


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
