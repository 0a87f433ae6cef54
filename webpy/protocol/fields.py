"""Field blocks: their lines, and what the fields say about framing, whatever the request line is (RFC 9112 sections 5
and 6).

Owns field syntax, the limits of blocks, and the checks of Host, Content-Length, Transfer-Encoding, Connection and
Expect that need no request line. Must not know request lines. Called by head.py, and by body.py for trailers.
"""

from __future__ import annotations

from typing import NoReturn

from .errors import ProtocolError, show
from .grammar import CODING, FIELD_LINE, FIELD_LINES, TEXT, TOKEN, token_list
from .limits import Limits
from .line import is_host

__all__ = ["Fields", "parse_fields", "refuse_lines", "split_fields"]

_LENGTH_DIGITS = 19  # the longest decimal that fits in 64 bits, signed

_find_fields = FIELD_LINES.findall


class Fields:
    """A parsed field block.

    pairs: names as sent and stripped values, in order. first: the first value by lower-case name. host: None without a
    Host field. content_length: None without that field. chunked: whether the transfer coding is chunked. close,
    persist: whether Connection names `close` and `keep-alive`. expect: the members of Expect, in lower case.
    """

    __slots__ = ("chunked", "close", "content_length", "expect", "first", "host", "pairs", "persist")

    def __init__(
        self, pairs: tuple[tuple[str, str], ...], first: dict[str, str], content_length: int | None, chunked: bool
    ) -> None:
        self.pairs = pairs
        self.first = first
        self.host = first.get("host")
        self.content_length = content_length
        self.chunked = chunked
        connection = first.get("connection")
        if connection is None:
            self.close = self.persist = False
        elif connection == "keep-alive":
            self.close = False
            self.persist = True
        else:
            options = token_list(connection)
            self.close = "close" in options
            self.persist = "keep-alive" in options
        expect = first.get("expect")
        self.expect = () if expect is None else tuple(token_list(expect))


def parse_fields(block: bytes, limits: Limits) -> Fields:
    """Parse a field block, which ends in its empty line, and check the fields that decide on framing.

    The result depends on the arguments only, so it may be cached by `block`. Raises ProtocolError: 400, 431 or 501.
    """
    pairs = split_fields(block, limits)
    first = {}
    for name, value in pairs:
        first[name.lower()] = value
    if len(first) != len(pairs):
        first = _first_of_each(pairs)
    host = first.get("host")
    if host is not None and not is_host(host):
        raise ProtocolError(400, f"malformed Host {show(host)}")
    length = first.get("content-length")
    coding = first.get("transfer-encoding")
    size = None
    if length is not None:
        # RFC 9112 section 6.3: peers that read these differently see different requests in the same bytes.
        if coding is not None:
            raise ProtocolError(400, "Content-Length together with Transfer-Encoding")
        if not (length.isascii() and length.isdigit() and len(length) <= _LENGTH_DIGITS):
            wanted = f"wanted at most {_LENGTH_DIGITS} digits"
            raise ProtocolError(400, f"Content-Length of {show(length)}, {wanted}")
        size = int(length)
    if coding is not None and coding.lower() != "chunked":
        _refuse_coding(coding)
    return Fields(pairs, first, size, coding is not None)


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


def _first_of_each(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the first value of each name, in lower case; the values of the lists that decide on framing and
    persistence are joined (RFC 9110 section 5.3). Raises ProtocolError 400 for a second Host or Content-Length."""
    first: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        if key not in first:
            first[key] = value
        elif key in ("host", "content-length"):
            raise ProtocolError(400, f"more than one {show(name)} field")
        elif key in ("connection", "expect", "transfer-encoding"):
            first[key] += ", " + value
    return first


def _refuse_coding(value: str) -> NoReturn:
    """Raise ProtocolError for a Transfer-Encoding other than chunked (RFC 9112 sections 6.1 and 6.3).

    It is 501 for unknown codings followed by chunked, which tells where the body ends, and 400 for all others.
    """
    *others, last = [member.strip(" \t") for member in value.lower().split(",")]
    well_formed = last == "chunked" and all(CODING.fullmatch(other) and other != "chunked" for other in others)
    raise ProtocolError(
        501 if well_formed else 400, f"Transfer-Encoding of {show(value)}, and only chunked is known"
    )


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
