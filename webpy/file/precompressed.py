"""Chooses between a file and its compressed siblings: `NAME.br`, `NAME.zst`, `NAME.gz` beside `NAME`.

Opens no file: the caller opens the chosen one, and checks whether it may be sent.
"""

from __future__ import annotations

import os
import stat

from ..negotiation import best_encoding

__all__ = ["choose"]

_ENDINGS = {"br": b".br", "zstd": b".zst", "gzip": b".gz"}
"""The endings of files in a content coding, the best coding first (RFC 7932, RFC 8878, RFC 1952)."""


def choose(path: bytes, status: os.stat_result, accepted: str | None) -> tuple[str | None, bytes, bool]:
    """Return the coding and path of the file to send for `path`, and whether there are siblings.

    accepted: Accept-Encoding, None without one. The coding is None for the file itself. A sibling that is older than
    the file is out of date and is ignored.
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
