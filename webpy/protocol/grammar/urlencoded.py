"""application/x-www-form-urlencoded (WHATWG URL section 5.1): the text of forms and of queries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

__all__ = ["BAD_ESCAPE", "urlencoded_pairs"]

BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
"""A "%" without two hex digits behind it, which is no percent-encoding (RFC 3986 section 2.1)."""


def urlencoded_pairs(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and values of a form or a query, decoded to bytes, in order.

    Pairs are parted by "&", empty ones left out; "+" is a space; a name without "=" has the value b""; a "%" without
    two hex digits behind it is itself. The caller counts, decodes the bytes to text, and refuses what it does not want.
    """
    for piece in text.split(b"&"):
        if piece:
            name, _, value = piece.replace(b"+", b" ").partition(b"=")
            yield unquote_to_bytes(name), unquote_to_bytes(value)
