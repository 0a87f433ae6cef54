"""Field blocks: their lines, and what the fields say about framing, whatever the request line is (RFC 9112 sections 5
and 6).

Owns field syntax, the limits of blocks, and the checks of Host, Content-Length, Transfer-Encoding, Connection and
Expect that need no request line. Must not know request lines. Called by head.py, and by body.py for trailers.
"""

from __future__ import annotations

from typing import Any, NoReturn

from .errors import ProtocolError, show
from .grammar import CODING, FIELD_LINE, FIELD_LINES, FIELD_VALUE, TEXT, TOKEN, token_list
from .limits import Limits
from .line import is_host

__all__ = [
    "FRAMING_FIELDS",
    "FieldLine",
    "Fields",
    "NamedLine",
    "parse_field_line",
    "parse_fields",
    "refuse_lines",
    "split_fields",
]

FRAMING_FIELDS = ("host", "connection", "content-length", "transfer-encoding", "expect")
"""The fields that `Fields` looks at: blocks that have the same lines of these, each once, say the same of framing."""

_LENGTH_DIGITS = 19  # the longest decimal that fits in 64 bits, signed

_find_fields = FIELD_LINES.findall
_match_field = FIELD_VALUE.fullmatch


class FieldLine:
    """A parsed field line. It may be shared between heads, so it is never changed, but for `kept`.

    pair: name as sent, and value. value: stripped (latin-1). kept: what a reader worked out from the value alone and
    keeps with it, None at first. known: whether this very object stands for the line in later heads, too.
    """

    __slots__ = ("kept", "known", "pair", "value")

    def __init__(self, name: str, value: str) -> None:
        self.pair = name, value
        self.value = value
        self.kept: Any = None
        self.known = False


NamedLine = tuple[str, FieldLine]
"""A name in lower case, and a line of it."""


class Fields:
    """What a field block says. Raises ProtocolError (400 or 501) for fields that leave the framing open.

    lines: all, in order. first: the first line by lower-case name. host: None without a Host field. content_length:
    None without that field. chunked: whether the transfer coding is chunked. close, persist: whether Connection names
    `close` and `keep-alive`. expect: the members of Expect, in lower case.
    """

    __slots__ = ("chunked", "close", "content_length", "expect", "first", "host", "lines", "persist")

    def __init__(self, lines: list[NamedLine]) -> None:
        self.lines = lines
        first = dict(lines)
        if len(first) != len(lines):
            first = _first_of_each(lines)
        self.first = first
        self.host = self.content_length = None
        self.chunked = self.close = self.persist = False
        self.expect: tuple[str, ...] = ()
        if "host" in first:
            host = self.host = first["host"].value
            if not is_host(host):
                raise ProtocolError(400, f"malformed Host {show(host)}")
        if "connection" in first:
            connection = first["connection"].value
            if connection == "keep-alive":
                self.persist = True
            elif connection == "close":
                self.close = True
            else:
                options = token_list(connection)
                self.close = "close" in options
                self.persist = "keep-alive" in options
        if "content-length" in first:
            self.content_length = _length(first["content-length"].value)
        if "transfer-encoding" in first:
            # RFC 9112 section 6.3: peers that read these differently see different requests in the same bytes.
            if self.content_length is not None:
                raise ProtocolError(400, "Content-Length together with Transfer-Encoding")
            coding = first["transfer-encoding"].value
            if coding.lower() != "chunked":
                _refuse_coding(coding)
            self.chunked = True
        if "expect" in first:
            self.expect = tuple(token_list(first["expect"].value))


def parse_fields(block: bytes, limits: Limits) -> Fields:
    """Parse a field block, which ends in its empty line, and check the fields that decide on framing.

    The result depends on the arguments only, so it may be cached by `block`. Raises ProtocolError: 400, 431 or 501.
    """
    return Fields([(name.lower(), FieldLine(name, value)) for name, value in split_fields(block, limits)])


def parse_field_line(line: bytes) -> NamedLine:
    """Parse one field line, without its CRLF, as `parse_fields` does a block of them. Raises ProtocolError 400."""
    text = line.decode("latin-1")
    match = _match_field(text)
    if match is None:
        _refuse_line(text + "\r")
        raise ProtocolError(400, f"malformed field line {show(text)}")
    name, value = match.groups()
    return name.lower(), FieldLine(name, value.rstrip(" \t"))


def split_fields(block: bytes, limits: Limits) -> tuple[tuple[str, str], ...]:
    """Return names as sent and stripped values of a field block, which ends in its empty line.

    Raises ProtocolError: 400 or 431.
    """
    text = block.decode("latin-1")
    pairs = _find_fields(text)
    count = len(pairs)
    # A match begins a line and ends with the CRLF of it. So if there is one CRLF more than matches, that of
    # the empty line, and no other control, then the matches are the block.
    if (
        block.translate(None, TEXT) != b"\r\n" * (count + 1)
        or (text[-3:] != "\n\r\n" and text != "\r\n")
        or count > limits.fields
    ):
        _refuse_fields(block, limits)
    if " \r\n" in text or ("\t" in text and "\t\r\n" in text):
        return tuple([(name, value.rstrip(" \t")) for name, value in pairs])
    return tuple(pairs)


def _first_of_each(lines: list[NamedLine]) -> dict[str, FieldLine]:
    """Return the first line of each name, in lower case; the values of the lists that decide on framing and
    persistence are joined (RFC 9110 section 5.3). Raises ProtocolError 400 for a second Host or Content-Length."""
    first: dict[str, FieldLine] = {}
    for low, line in lines:
        if low not in first:
            first[low] = line
        elif low in ("host", "content-length"):
            raise ProtocolError(400, f"more than one {show(line.pair[0])} field")
        elif low in ("connection", "expect", "transfer-encoding"):
            first[low] = FieldLine(line.pair[0], f"{first[low].value}, {line.value}")
    return first


def _length(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= _LENGTH_DIGITS):
        raise ProtocolError(400, f"Content-Length of {show(value)}, wanted at most {_LENGTH_DIGITS} digits")
    return int(value)


def _refuse_coding(value: str) -> NoReturn:
    """Raise ProtocolError for a Transfer-Encoding other than chunked (RFC 9112 sections 6.1 and 6.3).

    It is 501 for unknown codings followed by chunked, which tells where the body ends, and 400 for all others.
    """
    *others, last = [member.strip(" \t") for member in value.lower().split(",")]
    well_formed = last == "chunked" and all(CODING.fullmatch(other) and other != "chunked" for other in others)
    raise ProtocolError(501 if well_formed else 400, f"Transfer-Encoding of {show(value)}, and only chunked is known")


def _refuse_fields(block: bytes, limits: Limits) -> NoReturn:
    """Raise the ProtocolError for a field block that was found malformed or too long."""
    refuse_lines(block, limits, 0, 0)
    raise ProtocolError(400, "malformed field block")


def refuse_lines(seen: bytes | bytearray, limits: Limits, fields: int, start: int) -> None:
    """Raise ProtocolError if a complete line of the field block that begins at `fields` is malformed, or one too many.

    Lines that end before `start` are not looked at.
    """
    newline = seen.find(b"\n", max(start, fields))
    if newline < 0:
        return
    at = max(seen.rfind(b"\n", 0, newline) + 1, fields)
    count = seen.count(b"\n", fields, at)
    while newline >= 0:
        line = seen[at:newline]
        if line == b"\r":
            return
        count += 1
        if count > limits.fields:
            raise ProtocolError(431, f"more than {limits.fields} fields")
        _refuse_line(line.decode("latin-1"))
        at = newline + 1
        newline = seen.find(b"\n", at)


def _refuse_line(line: str) -> None:
    """Raise ProtocolError 400 if a field line, without its LF, is malformed (RFC 9112 section 5)."""
    if not line.endswith("\r"):
        raise ProtocolError(400, f"a bare LF after {show(line)}")
    line = line[:-1]
    if FIELD_LINE.fullmatch(line):
        return
    name, colon, _ = line.partition(":")
    if line[:1] in (" ", "\t"):
        raise ProtocolError(400, f"a line that begins with white space: {show(line)}")
    if not colon:
        raise ProtocolError(400, f"a field without a colon: {show(line)}")
    if not TOKEN.fullmatch(name):
        raise ProtocolError(400, f"malformed field name {show(name)}")
    raise ProtocolError(400, f"a control character in the value of {name[:60]}")
