"""What a request may weigh: one frozen record, handed to every parser.

Owns the numbers and their defaults. Must not know where they were configured (webpy.settings fills it).
Called by whoever starts a connection; read by head.py and body.py.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds, each inclusive. What goes over is refused with the status named beside it."""

    line_bytes: int = 8192
    """Request line without its CRLF: 414, or 501 if the method alone takes it all."""
    head_bytes: int = 32768
    """Whole head, its last CRLF included, and, apart from it, the trailers of one body: 431."""
    fields: int = 100
    """Field lines of a head, and, apart from it, of the trailers: 431."""
    body_bytes: int = 1 << 20
    """Decoded body: 413."""
    extension_bytes: int = 4096
    """Chunk extensions of one whole body together: 400."""
