"""HTTP/1.1 and HTTP/1.0 without I/O (RFC 9110, RFC 9112): bytes in, heads and payload out, and the reverse.

grammar/ has the patterns and the text functions of all field values, limits.py the limits of a request, errors.py the
exception and the reason phrases, head.py request heads, body.py request bodies, forwarded.py what proxies say of their
clients, response.py answers. Imports nothing of webpy outside this folder, and no sockets, clocks or logs. Called by
the worker's connections.
"""

from __future__ import annotations

from .body import BodyReader
from .errors import REASONS, ProtocolError
from .fields import FRAMING_FIELDS, FieldLine, Fields, NamedLine, parse_field_line, parse_fields
from .head import Head, find_head, parse_head
from .limits import Limits
from .response import (
    LAST_CHUNK,
    Framing,
    body_allowed,
    encode_chunk,
    encode_head,
    frame,
)

__all__ = [
    "FRAMING_FIELDS",
    "LAST_CHUNK",
    "REASONS",
    "BodyReader",
    "FieldLine",
    "Fields",
    "Framing",
    "Head",
    "Limits",
    "NamedLine",
    "ProtocolError",
    "body_allowed",
    "encode_chunk",
    "encode_head",
    "find_head",
    "frame",
    "parse_field_line",
    "parse_fields",
    "parse_head",
]
