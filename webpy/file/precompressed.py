"""Owns the choice among a file and its compressed siblings: `NAME.br`, `NAME.zst`, `NAME.gz` beside `NAME`.

Opens nothing: it looks at names only, and whoever opens one looks whether it may.
"""

from __future__ import annotations

import os
import stat

from ..negotiation import best_encoding

__all__ = ["choose"]

_ENDINGS = {"br": b".br", "zstd": b".zst", "gzip": b".gz"}
"""How files of a content coding end, the best coding first (RFC 7932, RFC 8878, RFC 1952)."""


def choose(path: bytes, status: os.stat_result, accepted: str | None) -> tuple[str | None, bytes, bool]:
    """The coding and the path to send for the file at `path`, and whether there are siblings at all.

    accepted: Accept-Encoding, None without one. The coding is None for the file itself. A sibling that is older than
    the file is what the file was once, and does not count.
    """
    there = [coding for coding, ending in _ENDINGS.items() if _stands_for(path + ending, status)]
    coding = best_encoding(accepted, there) if there else None
    if coding is None:
        return None, path, bool(there)
    return coding, path + _ENDINGS[coding], True


def _stands_for(sibling: bytes, status: os.stat_result) -> bool:
    try:
        found = os.stat(sibling)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and int(found.st_mtime) >= int(status.st_mtime)
