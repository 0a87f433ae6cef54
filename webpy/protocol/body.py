"""Request bodies: decodes the bytes after a head, of a fixed length or in chunks (RFC 9112 sections 6 and 7).

Owns the state of one body, with its transitions in the table NEXT. Must not know where the payload goes, nor the head's
fields other than its framing; trailers are kept apart from them (RFC 9110 section 6.5.1). Called by the connection with
the bytes that have arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from .errors import ProtocolError
from .fields import refuse_lines, split_fields
from .grammar import CHUNK_EXTENSION, CHUNK_LINE, PLAIN_CHUNK_LINE
from .head import Head
from .limits import Limits

__all__ = ["NEXT", "BodyReader", "Event", "State"]


class State(IntEnum):
    """The part of the body that the next byte belongs to."""

    FIXED = 0
    """The payload that Content-Length announced."""
    SIZE = 1
    """The size line of a chunk."""
    DATA = 2
    """The payload of a chunk."""
    GAP = 3
    """The CRLF after the payload of a chunk."""
    TRAILERS = 4
    """The trailers, or the CRLF if there are none."""
    DONE = 5
    """None: the body is complete."""


class Event(IntEnum):
    """The part of the body that was read to its end."""

    CHUNK = 0
    """The size line of a chunk."""
    LAST_CHUNK = 1
    """The size line of the last chunk, which is empty."""
    FILLED = 2
    """The announced payload."""
    CRLF = 3
    """The CRLF after the payload of a chunk."""
    EMPTY_LINE = 4
    """The empty line that ends the trailers."""


NEXT: Final[dict[tuple[State, Event], State]] = {
    (State.FIXED, Event.FILLED): State.DONE,
    (State.SIZE, Event.CHUNK): State.DATA,
    (State.SIZE, Event.LAST_CHUNK): State.TRAILERS,
    (State.DATA, Event.FILLED): State.GAP,
    (State.GAP, Event.CRLF): State.SIZE,
    (State.TRAILERS, Event.EMPTY_LINE): State.DONE,
}
"""The state after each event. Pairs that are missing cannot happen."""

# Module-level names for what is looked up for each chunk: before Python 3.12 reaching an enum's member takes 50 ns.
_FIXED, _DONE = State.FIXED, State.DONE
_AFTER_CHUNK_LINE = NEXT[State.SIZE, Event.CHUNK]
_AFTER_LAST_CHUNK_LINE = NEXT[State.SIZE, Event.LAST_CHUNK]
_AFTER_DATA = NEXT[State.DATA, Event.FILLED]
_AFTER_GAP = NEXT[State.GAP, Event.CRLF]
_AFTER_TRAILERS = NEXT[State.TRAILERS, Event.EMPTY_LINE]
_AFTER_FIXED = NEXT[State.FIXED, Event.FILLED]

_plain_chunk_line = PLAIN_CHUNK_LINE.match

_FRAMING = frozenset(("content-length", "transfer-encoding"))
"""Trailers that are refused: a proxy that merged one into the head would see another message than this server."""

# RFC 9110 section 6.5.1: framing, routing, request modifiers, authentication, content format.
_NOT_IN_TRAILERS = frozenset(
    (
        *("connection", "host", "keep-alive", "proxy-connection", "te", "trailer"),
        *("upgrade", "cache-control", "expect", "max-forwards", "range"),
        *("authorization", "cookie", "proxy-authorization"),
        *("content-encoding", "content-range", "content-type"),
    )
)

_MORE = -1


class BodyReader:
    """Decodes the body of one request.

    state: what the next byte belongs to. complete: True when the whole body has been fed. excess: the bytes fed after
    its end, which begin the next request. trailers: names and values of the trailer fields of a chunked body when it is
    complete, without those that may not be trailers. Raises ProtocolError 413 if the head announces more than
    limits.body_bytes.
    """

    __slots__ = (
        "_extension_bytes",
        "_held",
        "_left",
        "_limits",
        "_room",
        "complete",
        "excess",
        "state",
        "trailers",
    )

    def __init__(self, head: Head, limits: Limits) -> None:
        self.excess = b""
        self.trailers: tuple[tuple[str, str], ...] = ()
        if head.chunked:
            self.state = State.SIZE
            self.complete = False
            self._limits = limits
            self._left = 0  # payload bytes of this chunk still to come
            self._room = limits.body_bytes  # payload bytes that may still be announced
            self._extension_bytes = limits.extension_bytes  # that may still come
            self._held = b""  # an unfinished line
        elif head.content_length:
            if head.content_length > limits.body_bytes:
                raise ProtocolError(413, f"a body of {head.content_length} bytes, over {limits.body_bytes}")
            self.state = State.FIXED
            self.complete = False
            self._left = head.content_length
        else:
            self.state = State.DONE
            self.complete = True

    def feed(self, data: bytes | bytearray) -> bytes:
        """Take bytes that have arrived, and return the payload in them, decoded.

        Raises ProtocolError: 400 for malformed chunks or trailers, 413 for too much payload, 431 for too long
        trailers. After that the reader must not be used any more.
        """
        data = bytes(data)  # no copy if it is bytes already; the returned payload must not change later
        state = self.state
        if state is _FIXED:
            left = self._left - len(data)
            if left > 0:
                self._left = left
                return data
            self.state = _AFTER_FIXED
            self.complete = True
            if left:
                self.excess = data[left:]
                return data[:left]
            return data
        if state is _DONE:
            self.excess += data
            return b""
        seen = len(self._held)
        if seen:
            data = self._held + data
        payload: list[bytes] = []
        at = 0
        while at != _MORE:
            state = self.state
            if state is _DONE:
                self.complete = True
                self.excess = data[at:]
                break
            at = _STEPS[state](self, data, at, payload, seen)
            seen = 0
        return payload[0] if len(payload) == 1 else b"".join(payload)

    @property
    def fixed_bytes(self) -> int:
        """How much of a body of a fixed length is still to come; 0 if it is complete or comes in chunks."""
        return self._left if self.state is _FIXED else 0

    def skip(self, count: int) -> None:
        """Note that `count` bytes of payload, of at most `fixed_bytes`, have been received elsewhere."""
        self._left -= count
        if not self._left:
            self.state = _AFTER_FIXED
            self.complete = True

    # Each step reads one part of the body in `data`, from `at` on, appends payload to `payload`, and returns where the
    # part ends. If more bytes are needed it keeps the rest and returns _MORE. `seen`: how many bytes, from `at` on, an
    # earlier call has looked at.

    def _read_size(self, data: bytes, at: int, payload: list[bytes], seen: int) -> int:
        match = _plain_chunk_line(data, at)
        if match:
            self._start_chunk(int(match[1], 16))
            return match.end()
        newline = data.find(b"\n", at + seen)
        if newline < 0:
            self._held = line = data[at:]
            if line and line != b"\r":
                self._parse_size(line.removesuffix(b"\r"))
            elif line:
                raise ProtocolError(400, "a chunk without a size")
            return _MORE
        if data[newline - 1] != 13 or newline - 1 < at:
            raise ProtocolError(400, "a bare LF after a chunk size")
        size, extension = self._parse_size(data[at : newline - 1])
        if extension:
            self._extension_bytes -= len(extension)
            _check_extension(extension)
        self._start_chunk(size)
        return newline + 1

    def _start_chunk(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise ProtocolError(413, f"a body of more than {self._limits.body_bytes} bytes")
        self._left = size
        self._held = b""
        self.state = _AFTER_CHUNK_LINE if size else _AFTER_LAST_CHUNK_LINE

    def _parse_size(self, line: bytes) -> tuple[int, bytes]:
        """Return size and extensions of a size line, or of the beginning of one. Raises ProtocolError 400."""
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            raise ProtocolError(400, f"malformed chunk size {ascii(line[:60])[1:]}")
        digits, extension = match.groups(b"")
        if len(extension) > self._extension_bytes:
            raise ProtocolError(400, f"more than {self._limits.extension_bytes} bytes of chunk extensions")
        return int(digits, 16), extension

    def _read_data(self, data: bytes, at: int, payload: list[bytes], seen: int) -> int:
        end = at + self._left
        if end > len(data):
            if at < len(data):
                payload.append(data[at:])
                self._left = end - len(data)
            return _MORE
        payload.append(data[at:end])
        self.state = _AFTER_DATA
        return end

    def _read_gap(self, data: bytes, at: int, payload: list[bytes], seen: int) -> int:
        gap = data[at : at + 2]
        if gap == b"\r\n":
            self.state = _AFTER_GAP
            self._held = b""
            return at + 2
        if gap not in (b"", b"\r"):
            raise ProtocolError(400, "a chunk that is not followed by CRLF")
        self._held = gap
        return _MORE

    def _read_trailers(self, data: bytes, at: int, payload: list[bytes], seen: int) -> int:
        limits = self._limits
        if data.startswith(b"\r\n", at):
            self.state = _AFTER_TRAILERS
            return at + 2
        end = data.find(b"\r\n\r\n", at + max(seen - 3, 0)) + 4
        if 3 < end <= at + limits.head_bytes:
            self.trailers = _kept_trailers(split_fields(data[at:end], limits))
            self.state = _AFTER_TRAILERS
            return end
        refuse_lines(data[at : at + limits.head_bytes], limits, 0, seen)
        if len(data) - at >= limits.head_bytes:
            raise ProtocolError(431, f"the trailers are longer than {limits.head_bytes} bytes")
        self._held = data[at:]
        return _MORE


_STEPS: Final[dict[State, Callable[[BodyReader, bytes, int, list[bytes], int], int]]] = {
    State.SIZE: BodyReader._read_size,
    State.DATA: BodyReader._read_data,
    State.GAP: BodyReader._read_gap,
    State.TRAILERS: BodyReader._read_trailers,
}


def _check_extension(extension: bytes) -> None:
    """Raise ProtocolError 400 unless these are chunk extensions (RFC 9112 section 7.1.1)."""
    at = 0
    while at < len(extension):
        match = CHUNK_EXTENSION.match(extension, at)
        if match is None:
            raise ProtocolError(400, f"malformed chunk extension {ascii(extension[:60])[1:]}")
        at = match.end()


def _kept_trailers(trailers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the trailers without the fields that a recipient has to ignore in trailers (RFC 9110 section 6.5.1).

    Raises ProtocolError 400 if one of them is about framing.
    """
    for name, _ in trailers:
        if name.lower() in _FRAMING:
            raise ProtocolError(400, f"{name[:60]} in the trailers")
    return tuple([pair for pair in trailers if pair[0].lower() not in _NOT_IN_TRAILERS])
