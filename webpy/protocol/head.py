"""Request heads: where one ends, what it says, and how its body is framed.

Owns the head's syntax and every decision that the head alone settles (RFC 9112 sections 2 to 6): target
forms, Host, Content-Length against Transfer-Encoding, persistence, Expect. Must not know sockets, clocks,
routes or who asks. Called by the connection: find_head on what has arrived, then parse_head on the block it
found. Heads are immutable and depend on their bytes and the limits only, so the caller may keep and share
them.

Measured (Debian's CPython 3.11.2, one core): a minimal head takes 2.2 us and a browser's of 14 fields 5.8
httptools with fields as str and nothing checked 1.1 and 3.5. It refuses methods it does not know, which
handlers may have, and passes two spaces, HTTP/0.9, HTTP/2.0 and Transfer-Encoding lists: the checks would
cost what it saves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from .errors import ProtocolError, show
from .fields import FieldLine, Fields, NamedLine, parse_fields, refuse_lines
from .grammar import NOT_IN_REQUEST_LINE, TOKEN
from .limits import Limits
from .line import parse_line, resource_of

__all__ = ["Head", "find_head", "parse_head"]

_new = object.__new__

_OF_CODED_BODY = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Fields that do not hold for the body once its content coding has been removed."""


def find_head(buffer: bytes | bytearray, limits: Limits, start: int = 0) -> int:
    """Where the head at the front of `buffer` ends: the index just past its CRLFCRLF, or -1 when more is
    needed.

    start: how many bytes of the buffer an earlier call has seen, so that bytes that come one by one are
    looked at once. Raises ProtocolError as soon as the bytes so far cannot become a good head; what it does
    not see, parse_head does, with the same status however the bytes were split. One CRLF before the request
    line is allowed (RFC 9112 section 2.2).
    """
    end = buffer.find(b"\r\n\r\n", start - 3 if start > 3 else 0) + 4
    if 3 < end <= limits.head_bytes:
        return end
    # The slice is a copy, so it is made once, not for each byte of a head that comes slowly.
    _refuse_start(buffer[: limits.head_bytes] if len(buffer) > limits.head_bytes else buffer, limits, start)
    if len(buffer) >= limits.head_bytes:
        raise ProtocolError(431, f"the head is longer than {limits.head_bytes} bytes")
    return -1


class Head:
    """A request head. Treat it as immutable: it may be shared between requests.

    method: as sent. target: as sent. resource: path in normal form (path.py) and query as sent, or `*`.
    minor: 0 or 1. host: authority asked for, ''
    if an HTTP/1.0 request names none. content_length: None if not sent. chunked: the body is chunked.
    keep_alive: the peer wants the connection kept. expect_continue: it waits for 100 before it sends its
    body. line: the request line without CRLF. kept: what a handler worked out from this head alone and keeps
    with it, None at first; a head that comes again and again is parsed once.
    """

    __slots__ = (
        "_first",
        "_lines",
        "_pairs",
        "chunked",
        "content_length",
        "expect_continue",
        "host",
        "keep_alive",
        "kept",
        "line",
        "method",
        "minor",
        "resource",
        "target",
    )

    def __init__(self, line: bytes, fields: Fields) -> None:
        method, target, minor = parse_line(line)
        host = fields.host
        # Nearly all targets are in normal form already. `in` finds that out in 0.1 us, any regex takes longer.
        if target[0] == "/" and not (
            "%" in target
            or "//" in target
            or "/." in target
            or "\\" in target
            or '"' in target
            or "<" in target
            or ">" in target
        ):
            resource = target
        else:
            resource, authority = resource_of(method, target)
            if authority:
                # RFC 9112 section 3.2.2: it wins over Host, which HTTP/1.1 needs all the same.
                host = authority if host is not None or not minor else None
        chunked = fields.chunked
        length = fields.content_length
        if minor:
            if host is None:
                raise ProtocolError(400, "an HTTP/1.1 request needs a Host field, and there is none")
            self.keep_alive = not fields.close
        else:
            if chunked:
                raise ProtocolError(400, "Transfer-Encoding in an HTTP/1.0 request")
            if host is None:
                host = ""
            self.keep_alive = fields.persist and not fields.close
        self.expect_continue = False
        if fields.expect and minor:  # RFC 9110 section 10.1.1: ignored in HTTP/1.0
            for member in fields.expect:
                if member != "100-continue":
                    raise ProtocolError(417, f"Expect of {show(member)}, and only 100-continue is known")
            self.expect_continue = chunked or bool(length)
        self.method = method
        self.target = target
        self.resource = resource
        self.minor = minor
        self.host = host
        self.content_length = length
        self.chunked = chunked
        self.line = line
        self.kept: Any = None
        self._first = fields.first
        self._lines = fields.lines
        self._pairs: tuple[tuple[str, str], ...] | None = None

    def with_fields(self, lines: list[NamedLine], first: dict[str, FieldLine]) -> Head:
        """Return a head of this request line with other fields, of which those that decide on framing are the same.

        lines: all, in order. first: them by their names in lower case, of which none comes twice.
        """
        made = _new(Head)
        made.method = self.method
        made.target = self.target
        made.resource = self.resource
        made.minor = self.minor
        made.host = self.host
        made.content_length = self.content_length
        made.chunked = self.chunked
        made.keep_alive = self.keep_alive
        made.expect_continue = self.expect_continue
        made.line = self.line
        made.kept = made._pairs = None
        made._lines = lines
        made._first = first
        return made

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Names as sent and stripped values (latin-1), in order."""
        pairs = self._pairs
        if pairs is None:  # made when asked for: most handlers need none
            pairs = self._pairs = tuple([line.pair for _, line in self._lines])
        return pairs

    def get(self, name: str) -> str | None:
        """The first value of the field `name` (lower case), or None."""
        line = self._first.get(name)
        return None if line is None else line.value

    def field_line(self, name: str) -> FieldLine | None:
        """The first line of the field `name` (lower case), or None."""
        return self._first.get(name)

    def joined(self, name: str) -> str | None:
        """The values of the field `name` (lower case), joined with commas (RFC 9110 section 5.3), or None."""
        line = self._first.get(name)
        if line is None or len(self._first) == len(self._lines):
            return None if line is None else line.value
        return ", ".join(self.getlist(name))

    def has_any(self, names: Iterable[str]) -> bool:
        """Whether there is any of these fields (lower case)."""
        return not self._first.keys().isdisjoint(names)

    def lines_of(self, names: Iterable[str]) -> tuple[FieldLine | None, ...] | None:
        """The lines of these fields (lower case), None for each that is not there; None if some field comes twice."""
        first = self._first
        return tuple(map(first.get, names)) if len(first) == len(self._lines) else None

    def getlist(self, name: str) -> list[str]:
        """Every value of the field `name` (lower case), in order."""
        if name not in self._first:
            return []
        return [line.value for low, line in self._lines if low == name]

    def recoded(self, content_length: int | None) -> Head:
        """Return the head that goes with the body without its content coding: no Content-Encoding, and the length that
        the body has then, None if that is not known yet (`chunked` stands for that)."""
        made = Head.__new__(Head)
        for name in Head.__slots__:
            setattr(made, name, getattr(self, name))
        made.content_length, made.chunked = content_length, content_length is None
        made._lines = [line for line in self._lines if line[0] not in _OF_CODED_BODY]
        made._first = {low: line for low, line in self._first.items() if low not in _OF_CODED_BODY}
        if content_length is not None:
            length = made._first["content-length"] = FieldLine("Content-Length", str(content_length))
            made._lines.append(("content-length", length))
        made._pairs = made.kept = None
        return made

    def __repr__(self) -> str:
        return f"<Head {self.line!r}, {len(self._lines)} fields>"


def parse_head(block: bytes, limits: Limits) -> Head:
    """Parse a whole head, from its request line (or the CRLF before it) to its CRLFCRLF, both included.

    Raises ProtocolError: 400, 414, 417, 431, 501 or 505. A caller that knows lines or blocks of fields makes a `Head`
    of them itself, and calls this for what is wrong with one that raises.
    """
    end = block.find(b"\r\n")
    if end == 0:
        block = block[2:]
        end = block.find(b"\r\n")
    if end > limits.line_bytes or end < 0 or len(block) > limits.head_bytes:
        _refuse(block, limits)
    try:
        return Head(block[:end], parse_fields(block[end + 2 :], limits))
    except ProtocolError:
        _refuse_start(block, limits, 0)  # of several faults the first counts, as when bytes come one by one
        raise


def _refuse(block: bytes, limits: Limits) -> NoReturn:
    """Raise what is wrong with a whole head."""
    seen = block[: limits.head_bytes]
    _refuse_start(seen, limits, 0)
    if len(block) > limits.head_bytes:
        raise ProtocolError(431, f"the head is longer than {limits.head_bytes} bytes")
    raise ProtocolError(400, "malformed head")


def _refuse_start(seen: bytes | bytearray, limits: Limits, start: int) -> None:
    """Raise if what has been seen of a head cannot begin a good one; what lies before `start` has been looked
    at.

    Looks at every whole line, and at the bytes and length of an unfinished request line.
    """
    first = 2 if seen.startswith(b"\r\n") else 0
    newline = seen.find(b"\n", first, first + limits.line_bytes + 2)
    if newline < 0 or start <= newline:
        line = seen[first:newline] if newline >= 0 else seen[first:]
        if NOT_IN_REQUEST_LINE.search(line, max(start - first, 0), limits.line_bytes):
            raise ProtocolError(400, f"malformed request line {show(line.decode('latin-1'))}")
        if len(line) > limits.line_bytes and line[limits.line_bytes :] != b"\r":
            method = bytes(line[: limits.line_bytes]).decode("latin-1")
            if " " not in method:  # RFC 9112 section 3: 414 is for long targets
                status = 501 if TOKEN.fullmatch(method) else 400
                raise ProtocolError(status, f"the method {show(method)} is longer than {limits.line_bytes} bytes")
            raise ProtocolError(414, f"the request line is longer than {limits.line_bytes} bytes")
        if newline < 0:
            return
        if not line.endswith(b"\r"):
            raise ProtocolError(400, "a bare LF in the request line")
        method, target, _ = parse_line(bytes(line[:-1]))
        resource_of(method, target)
    refuse_lines(seen, limits, newline + 1, start)
