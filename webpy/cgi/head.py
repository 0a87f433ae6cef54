"""Owns the header block of a script's answer and what it means (RFC 3875 section 6).

The grammar of fields is the protocol's; what CGI adds to it is here. Knows no processes and no pipes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..protocol import Limits, ProtocolError
from ..protocol.fields import split_fields

__all__ = ["HEAD_BYTES", "BadHead", "ScriptHead", "find_body", "parse_head"]

HEAD_BYTES = 32768
"""The longest header block of a script."""

_LIMITS = Limits(line_bytes=HEAD_BYTES, head_bytes=2 * HEAD_BYTES, fields=100, body_bytes=0)
_LENGTH_DIGITS = 18
_END = re.compile(rb"(?:\A|\n)\r?\n")
_STATUS = re.compile(r"([2-5][0-9]{2})(?: +(.*))?")
#: fields about the connection, which the server manages (section 6.3.4)
_NOT_THE_SCRIPTS = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_ONCE = ("content-length", "content-type", "location", "status")


class BadHead(ValueError):
    """A script's header block is malformed. The message says why, and shows its bytes escaped and shortened."""


@dataclass(frozen=True, slots=True)
class ScriptHead:
    """A script's header block: status, reason phrase (None for the registered one), and the fields to send."""

    status: int
    reason: str | None
    fields: tuple[tuple[str, str], ...]
    length: int | None
    """The script's Content-Length, which is among the fields too; None without."""


def find_body(data: bytes | bytearray) -> int:
    """Return where the body begins, behind the empty line; -1 if that is not there yet. Lines end in CRLF or LF."""
    found = _END.search(data)
    return found.end() if found else -1


def parse_head(block: bytes) -> ScriptHead:
    """Parse a header block with its empty line. Raises BadHead.

    Without a Status, the status is 200, or 302 with a Location. That includes a Location which begins with "/", which
    the server should follow by itself according to section 6.2.2.
    """
    if block.startswith(b"HTTP/"):
        raise BadHead("it begins with a status line, and scripts that parse no headers (nph-) are not supported")
    try:
        pairs = split_fields(block.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), _LIMITS)
    except ProtocolError as error:
        raise BadHead(str(error)) from None
    said: dict[str, str] = {}
    fields = []
    for name, value in pairs:
        low = name.lower()
        if low in _ONCE:
            if low in said:
                raise BadHead(f"more than one {name} field")
            said[low] = value
        if low != "status" and low not in _NOT_THE_SCRIPTS and not low.startswith("x-cgi-"):
            fields.append((name, value))
    if not said.keys() & {"content-type", "location", "status"}:
        raise BadHead("none of Content-Type, Location and Status (RFC 3875 section 6.3)")
    status, reason = _status(said)
    return ScriptHead(status, reason, tuple(fields), _length(said))


def _status(said: dict[str, str]) -> tuple[int, str | None]:
    if "status" not in said:
        return (302 if "location" in said else 200), None
    found = _STATUS.fullmatch(said["status"])
    if found is None:
        raise BadHead(f"a Status of {said['status'][:60]!a}, wanted a number from 200 to 599 and a reason")
    return int(found[1]), found[2] or None


def _length(said: dict[str, str]) -> int | None:
    value = said.get("content-length")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= _LENGTH_DIGITS):
        raise BadHead(f"a Content-Length of {value[:60]!a}, wanted a number of bytes")
    return int(value)
