"""Answers: bytes of heads, chunks and trailers, and how an answer's body is framed (RFC 9110 section 6.4,
9112 section 6.3).

Owns the encoding and the rules of framing. Must not know handlers, sockets or which fields an answer ought to
have. Called by the connection. Nothing that could split a head gets out: a name, value or reason that is no
such thing is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from .errors import REASONS
from .grammar import CONTROL, TOKEN

__all__ = [
    "LAST_CHUNK",
    "Framing",
    "body_allowed",
    "encode_chunk",
    "encode_head",
    "frame",
]

LAST_CHUNK: Final = b"0\r\n\r\n"

_STATUS_LINES = {status: f"HTTP/1.1 {status} {reason}\r\n" for status, reason in REASONS.items()}
_NAMES_KEPT = 512  # names of an application's own: some dozens
_names: set[str] = set()  # checked before; grows up to _NAMES_KEPT
_find_control = CONTROL.search


def encode_head(status: int, reason: str | None, fields: Iterable[tuple[str, str]], minor: int = 1) -> bytes:
    """The bytes of an answer's head, CRLFCRLF included.

    status: 100 to 999. reason: None for the registered one. fields: names and values, sent in order, latin-1.
    minor: of the HTTP version to say; 1 also to an HTTP/1.0 client (RFC 9110 section 2.5), whose framing is
    what frame() gives. Raises ValueError for a name that is no token, a control character other than HTAB in
    a value or the reason, or a character beyond latin-1.
    """
    line = _STATUS_LINES.get(status) if reason is None and minor == 1 else None
    if line is None:
        line = _status_line(status, reason, minor)
    parts = [line]
    for name, value in fields:
        if name not in _names:
            _check_name(name)
        if not value.isprintable() and _find_control(value):
            raise ValueError(f"value of {name} is {value!r}, wanted no control characters")
        parts.append(f"{name}: {value}\r\n")
    parts.append("\r\n")
    try:
        return "".join(parts).encode("latin-1")
    except UnicodeEncodeError as error:
        bad = error.object[error.start : error.end]
        raise ValueError(f"{bad!r} in an answer's head, wanted latin-1 only") from None


def encode_chunk(data: bytes) -> bytes:
    """One chunk (RFC 9112 section 7.1); b'' for no data, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def body_allowed(status: int, method: str) -> bool:
    """Whether an answer of this status to this method may have a body (RFC 9110 sections 6.4.1, 9.3.2,
    15.3.6)."""
    return status >= 200 and status not in (204, 205, 304) and method != "HEAD"


class Framing(Enum):
    """How the end of an answer's body is told."""

    NONE = "none"
    """there is no body"""
    LENGTH = "length"
    """by Content-Length"""
    CHUNKED = "chunked"
    """by the last chunk"""
    CLOSE = "close"
    """by the end of the connection"""


def frame(
    status: int, method: str, minor: int, keep_alive: bool, length: int | None
) -> tuple[Framing, tuple[tuple[str, str], ...], bool]:
    """How to send an answer's body (RFC 9112 sections 6.3 and 9.3).

    status, method: of the answer and its request. minor: of the request. keep_alive: whether the connection
    is to be kept. length: bytes of the body, or of the one a GET would have had if the method is HEAD or the
    status 304; None if not known. Gives the framing, the fields that say so (Content-Length,
    Transfer-Encoding, Connection), and whether the connection is kept.
    """
    fields: list[tuple[str, str]] = []
    if not body_allowed(status, method):
        framing = Framing.NONE
        if status == 205:
            fields.append(("Content-Length", "0"))
        elif length is not None and status >= 200 and status != 204:
            fields.append(("Content-Length", str(length)))
    elif length is not None:
        framing = Framing.LENGTH
        fields.append(("Content-Length", str(length)))
    elif minor:
        framing = Framing.CHUNKED
        fields.append(("Transfer-Encoding", "chunked"))
    else:
        framing = Framing.CLOSE
        keep_alive = False
    if not keep_alive:
        fields.append(("Connection", "close"))
    elif not minor:
        fields.append(("Connection", "keep-alive"))
    return framing, tuple(fields), keep_alive


def _status_line(status: int, reason: str | None, minor: int) -> str:
    if not 100 <= status <= 999:
        raise ValueError(f"status is {status!r}, wanted 100 to 999")
    if reason is None:
        reason = REASONS.get(status, "")
    elif _find_control(reason):
        raise ValueError(f"reason is {reason!r}, wanted no control characters")
    return f"HTTP/1.{minor:d} {status:d} {reason}\r\n"


def _check_name(name: str) -> None:
    if not TOKEN.fullmatch(name):
        raise ValueError(f"field name is {name!r}, wanted a token")
    if len(_names) < _NAMES_KEPT:
        _names.add(name)
