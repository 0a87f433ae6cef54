"""The grammar of HTTP/1.1 messages (RFC 9112): request lines, field lines, hosts, codings and chunks.

Patterns only. Used by the parsers of this package.
"""

from __future__ import annotations

import re

from .tokens import CONTROL, QUOTED_STRING, TOKEN

__all__ = [
    "CHUNK_EXTENSION",
    "CHUNK_LINE",
    "CODING",
    "FIELD_LINE",
    "FIELD_LINES",
    "FIELD_VALUE",
    "HOST",
    "NOT_IN_REQUEST_LINE",
    "PLAIN_CHUNK_LINE",
    "SEGMENTS",
    "TEXT",
    "VERSION",
    "VERSIONS_SERVED",
]

_TOKEN = TOKEN.pattern

CODING = re.compile(rf"{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}={_TOKEN})*")
"""transfer-coding, RFC 9112 section 7, but for parameters with quoted strings."""

TEXT = bytes(code for code in range(256) if not CONTROL.match(chr(code)))
"""Every byte but those of CONTROL: bytes.translate deletes them, and leaves line ends and whatever is wrong."""

VERSION = re.compile(r"HTTP/([0-9])\.[0-9]")
"""HTTP-version, RFC 9112 section 2.3: case-sensitive, one digit each."""

VERSIONS_SERVED: dict[str, int] = {f"HTTP/1.{minor}": min(minor, 1) for minor in range(10)}
"""Minor version to speak by the HTTP-version sent; a higher minor is answered as 1.1, RFC 9110 section 2.5."""

NOT_IN_REQUEST_LINE = re.compile(rb"[^\x20-\x7e\r\n]")
"""A byte that no request line holds, RFC 9112 section 3 (its line end apart)."""

FIELD_LINES = re.compile(rf"^({_TOKEN}):[ \t]*+(.*)\r\n", re.MULTILINE)
"""field-line CRLF, RFC 9112 section 5, to be found as often as there are lines. The value still has its
trailing white space, and may hold controls other than LF: `.` is several times quicker than a class, and
CONTROL is looked for apart."""

FIELD_LINE = re.compile(rf"{_TOKEN}:[\t\x20-\x7e\x80-\xff]*+")
"""field-line, RFC 9112 section 5, without its CRLF and with nothing left open: the slow check that says which
line is bad."""

FIELD_VALUE = re.compile(rf"({_TOKEN}):[ \t]*+([\t\x20-\x7e\x80-\xff]*+)")
"""As FIELD_LINE, with name and value, which still has its trailing white space."""

HOST = re.compile(
    r"(\[[0-9A-Fa-f:.]++\]|"  # IP-literal
    r"(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+)"  # reg-name; an IPv4address is one
    r"(?::([0-9]*+))?"
)
"""Host = uri-host [":" port], RFC 9110 section 7.2 and RFC 3986 section 3.2.2; never empty (RFC 9110 section
4.2.1), no IPvFuture, no comma (a sub-delim of RFC 3986, but also what two joined Host fields look like)."""

SEGMENTS = re.compile(r"(?:/[A-Za-z0-9\-._~!$&'()*+,;=:@%]+)*")
"""*( "/" segment-nz ), RFC 3986 section 3.3: a path without empty segments, or nothing. Whether two hex digits follow
each % is not checked here."""

CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})([\t ;][\t\x20-\x7e\x80-\xff]*+)?")
"""chunk-size [chunk-ext], RFC 9112 section 7.1, without its CRLF, or the beginning of one. 16 digits are what
fits in 64 bits. The extensions are only checked for characters here."""

PLAIN_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
"""chunk-size CRLF, RFC 9112 section 7.1: what nearly all chunks begin with."""

CHUNK_EXTENSION = re.compile(
    rf"[ \t]*+;[ \t]*+{_TOKEN}(?:[ \t]*=[ \t]*+(?:{_TOKEN}|{QUOTED_STRING.pattern}))?".encode()
)
"""One BWS ";" BWS chunk-ext-name [BWS "=" BWS chunk-ext-val], RFC 9112 section 7.1.1."""
