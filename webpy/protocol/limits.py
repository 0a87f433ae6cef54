"""The limits of a request's size: one frozen record, which every parser is given.

Owns the numbers and their defaults. Must not know where they were configured: the worker makes it from the settings.
Read by head.py, fields.py and body.py.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds, each inclusive. A request beyond one is refused with the status named there."""

    line_bytes: int = 8192
    """Of the request line, without its CRLF: 414, or 501 if the method alone is longer."""
    head_bytes: int = 32768
    """Of a whole head, with its last CRLF; and, counted separately, of the trailers of one body: 431."""
    fields: int = 100
    """Number of field lines of a head; and, counted separately, of the trailers of one body: 431."""
    body_bytes: int = 1 << 20
    """Of the decoded body: 413."""
    extension_bytes: int = 4096
    """Of all chunk extensions of one body together: 400."""
