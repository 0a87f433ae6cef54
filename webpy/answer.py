"""Owns the way from a handler's result to an answer's head and body; no sockets, no clock.

The worker calls `render` for every answer that is not one of the plain ones its loop makes in place.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from .protocol import LAST_CHUNK, REASONS, Framing, body_allowed, encode_chunk, encode_head, frame

if TYPE_CHECKING:
    from .headers import HTTPHeaders
    from .protocol import Head

__all__ = ["Answer", "BadResult", "FileRange", "render"]

_PIECE_BYTES = 65536
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "server", "date"})


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
    status, reason, body = _unpack(result)
    answer = Answer(status)
    answer.owner = body if hasattr(body, "close") else None
    try:
        _fill(answer, asked, headers, reason, body, server, date, closing)
    except BaseException:
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
    text = isinstance(body, str)
    length = _measure(answer, body)
    fields: list[tuple[str, str]] = []
    said: dict[str, str] = {}
    if headers is not None:
        for name, value in headers:
            low = name.lower()
            if low in _OURS:
                said[low] = value
            else:
                fields.append((name, value))
    if text and status != 204 and (headers is None or "content-type" not in headers):
        fields.insert(0, ("Content-Type", "text/plain; charset=utf-8"))
    if length is None and "content-length" in said:
        length = _stated_length(said["content-length"])
        if answer.source is not None:
            answer.source = _exactly(answer.source, length)
    elif not length and "content-length" in said and not body_allowed(status, asked.method):
        length = _stated_length(said["content-length"])  # of the body that a GET would have had
    if status == 304 and not length:
        length = None
    keep = asked.keep_alive and not closing and "close" not in said.get("connection", "").lower()
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


def _unpack(result: Any) -> tuple[int, str | None, Any]:
    try:
        status, *reason, body = result
        (phrase,) = reason or (None,)
    except (TypeError, ValueError):
        raise BadResult(f"a handler returned {_brief(result)}, wanted (status, body) or (status, reason, body)") from None
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise BadResult(f"a handler returned status {_brief(status)}, wanted a number from 200 to 599")
    if phrase is None:
        phrase = REASONS.get(status, "")
    elif not isinstance(phrase, str):
        raise BadResult(f"a handler returned reason {_brief(phrase)}, wanted a str or None")
    return int(status), phrase, body


def _measure(answer: Answer, body: Any) -> int | None:
    """Sort the body into payload, file or source; its length in bytes, None while unknown."""
    if body is None:
        return 0
    if isinstance(body, str):
        answer.payload = body.encode()
    elif isinstance(body, (bytes, bytearray, memoryview)):
        answer.payload = bytes(body)
    elif hasattr(body, "read"):
        return _measure_stream(answer, body)
    elif isinstance(body, Iterable):
        answer.source = _pieces(body)
        return None
    else:
        raise BadResult(f"a handler returned body {_brief(body)}, wanted str, bytes, None, a binary stream or an iterable")
    return len(answer.payload)


def _measure_stream(answer: Answer, stream: IO[bytes]) -> int | None:
    if isinstance(stream, io.TextIOBase):
        raise BadResult(f"a handler returned the text stream {_brief(stream)}, wanted one opened in binary mode")
    if isinstance(stream, io.BytesIO):
        answer.payload = stream.read()
        return len(answer.payload)
    try:
        fd = stream.fileno()
        status = os.fstat(fd)
    except (OSError, AttributeError, ValueError):
        status = None
    if status is not None and stat.S_ISREG(status.st_mode):
        offset = stream.tell()
        count = max(0, status.st_size - offset)
        answer.file = FileRange(fd, offset, count)
        return count
    answer.source = iter(lambda: stream.read(_PIECE_BYTES), b"")
    return None


def _stated_length(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise BadResult(f"a handler set Content-Length to {value!r}, wanted a number of bytes")
    return int(value)


def _pieces(body: Iterable[Any]) -> Iterator[bytes]:
    for piece in body:
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise BadResult(f"an iterable body gave {_brief(piece)}, wanted bytes")
        if len(piece):
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
