"""Owns the way from a handler's result to an answer: status, fields and body, of no protocol yet; no sockets, no clock.

The worker calls `compose` for every answer that is not one of the plain ones its loop makes in place; a serializer of
the connection's protocol then makes bytes of it.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from ..protocol import body_allowed
from ..protocol.grammar import token_list
from .headers import HTTPHeaders

__all__ = [
    "BYTES_TYPE",
    "IN_MEMORY_BYTES",
    "NO_SNIFFING",
    "OURS",
    "SMALL_BYTES",
    "STREAMS",
    "TEXT_TYPE",
    "Answer",
    "BadResult",
    "FileRange",
    "close_body",
    "compose",
    "discard",
    "file_range",
    "read_small",
]

_PIECE_BYTES = 65536
#: the Content-Type of text, and of bytes, whose handler has not set one
TEXT_TYPE = "text/plain; charset=utf-8"
BYTES_TYPE = "application/octet-stream"
#: goes with each type that we chose: no browser shall take the body for something else, such as HTML with scripts
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
#: a file this small is read and leaves with its head in one write; a longer one is not copied: with 32 KB sendfile is
#: cheaper by a sixth, with 64 KB by a quarter
SMALL_BYTES = 1 << 14
#: a BytesIO this small is copied behind its head: a file that is read and closed at once, which the making of a file
#: object for sendfile would outweigh
IN_MEMORY_BYTES = 1 << 16
#: what `read_small` takes
STREAMS = frozenset({io.FileIO, io.BufferedReader, io.BytesIO})
OURS = frozenset({"content-length", "transfer-encoding", "connection", "server", "date"})


class BadResult(Exception):
    """What a handler returned cannot be sent; the message says what it was and what was wanted."""


class FileRange:
    """Bytes of a regular file, to be sent without reading them into memory.

    The loop, which looks whether a file is small, puts it into the result in the stream's place: it is looked up once.
    """

    __slots__ = ("count", "fd", "offset", "stream")

    def __init__(self, stream: IO[bytes], fd: int, offset: int, count: int) -> None:
        self.stream = stream
        self.fd = fd
        self.offset = offset
        self.count = count

    def __len__(self) -> int:
        return self.count

    def skip(self, sent: int) -> None:
        """So many bytes of it have been sent."""
        self.offset += sent
        self.count -= sent

    def close(self) -> None:
        """Close the stream whose descriptor it is."""
        self.stream.close()


class Answer:
    """A status, fields and a body; then, once a serializer has been at it, what goes on the wire for them.

    reason: the reason phrase, None for the registered one. fields: names and values, but for those that a serializer
    writes by itself: what the handler set of these is in `said`, by lower-case name. length: of the body in bytes; for
    a method or status without a body, of the one it would have had; None if it is not known. payload: the body, or its
    beginning. file: a part of a file that follows. source: an iterator of bytes that follow. owner: what to close at
    the end.

    head: the bytes on the wire before the body. close: the connection ends with it.
    """

    __slots__ = (
        "close",
        "fields",
        "file",
        "head",
        "length",
        "owner",
        "payload",
        "reason",
        "said",
        "source",
        "status",
    )

    reason: str | None
    fields: list[tuple[str, str]]
    said: dict[str, str]
    length: int | None

    def __init__(self, status: int) -> None:
        """reason, fields, said and length are `compose`'s to set."""
        self.status = status
        self.head = self.payload = b""
        self.file: FileRange | None = None
        self.source: Iterator[bytes] | None = None
        self.owner: Any = None
        self.close = False


def compose(method: str, headers: HTTPHeaders | None, result: Any) -> Answer:
    """Return the answer for a handler's `result`, of no protocol yet.

    method: of the request; headers: what the handler set. Raises BadResult if the result is not a valid (status, body)
    or (status, reason, body); its body is closed then.
    """
    answer = Answer(0)
    try:
        reason, body = _unpack(answer, result)
        answer.reason = reason
        _fill(answer, method, headers, body)
    except BaseException:
        discard(answer)
        raise
    return answer


def discard(answer: Answer) -> None:
    """Close the body of an answer that cannot be sent; what that raises is of no interest beside the reason for it."""
    with contextlib.suppress(Exception):
        close_body(answer)


def close_body(answer: Answer) -> None:
    """Close the body, if it is of a kind that is closed; once."""
    owner, answer.owner = answer.owner, None
    answer.source = None
    if owner is not None:
        owner.close()


def _fill(answer: Answer, method: str, headers: HTTPHeaders | None, body: Any) -> None:
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
    if not body_allowed(status, method):
        if not length and stated is not None:
            length = stated  # of the body that a GET would have had
        answer.payload = b""
        answer.file = answer.source = None
    answer.length = None if status == 304 and not length else length
    answer.fields, answer.said = fields, said
    answer.close = "close" in token_list(said.get("connection", ""))


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
    elif hasattr(body, "read") or type(body) is FileRange:
        return _measure_stream(answer, body, stated)
    elif isinstance(body, Iterable) and not isinstance(body, Mapping):
        answer.source = _pieces(body) if stated is None else _exactly(_pieces(body), stated)
        return stated
    else:
        wanted = "str, bytes, None, a binary stream or an iterable of bytes"
        raise BadResult(f"a handler returned body {_brief(body)}, wanted {wanted}")
    return len(answer.payload)


def _measure_stream(answer: Answer, stream: Any, stated: int | None) -> int | None:
    if isinstance(stream, io.TextIOBase):
        raise BadResult(f"a handler returned the text stream {_brief(stream)}, wanted one opened in binary mode")
    if isinstance(stream, io.BytesIO):
        answer.payload = stream.read() if stated is None else stream.read(stated)
        count = len(answer.payload)
    else:
        answer.file = stream if isinstance(stream, FileRange) else file_range(stream)
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
    return FileRange(stream, fd, offset, max(0, status.st_size - offset))


def read_small(stream: Any) -> bytes | FileRange | None:
    """Read the rest of a small regular file, or of a small BytesIO, and close it; for any other stream of STREAMS do
    nothing, and return the range of a file, None for what is none.

    A small file is then an answer like any other bytes, at half the cost of one that is sent from its descriptor.
    """
    if type(stream) is io.BytesIO:
        data = stream.getvalue()[stream.tell() :]
        if len(data) > IN_MEMORY_BYTES:
            return None
    else:
        file = file_range(stream)
        if file is None or file.count > SMALL_BYTES:
            return file
        data = os.pread(file.fd, file.count, file.offset)
        if len(data) != file.count:
            return file
    with contextlib.suppress(OSError):
        stream.close()
    return data


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
