"""Converts between paths of URLs and names of files: which files a client may ask for, and how names are shown.

Names are bytes, as the kernel has them, so that any encoding survives. Touches no file.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote_to_bytes

from ..statedir import is_private

__all__ = ["is_hidden", "link_to", "local_name", "shown"]

_WELL_KNOWN = b".well-known"
"""The one name with a dot that clients may ask for, at the top only (RFC 8615)."""

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def local_name(path: str) -> bytes | None:
    """Return the name of the file for a URL's path, relative to the directory served; None if no file may have it.

    path: percent-encoded, beginning with "/". A name that ends in "/", and the empty one, stand for a directory. No
    file has a path with empty segments, `.` or `..`, hidden names, or an encoded slash or NUL: so each file has one
    path, and no path leads out of the directory.
    """
    if path[:1] != "/":
        return None
    name = unquote_to_bytes(path[1:])
    if b"\0" in name or name.count(b"/") != path.count("/") - 1:
        return None
    parts = name.split(b"/")
    if not parts[-1]:
        parts.pop()
    for place, part in enumerate(parts):
        if not part or (is_hidden(part) and (place or part != _WELL_KNOWN)):
            return None
    return name


def is_hidden(name: bytes) -> bool:
    """Return True for names that are neither sent nor listed: with a dot first, or of our settings or databases."""
    return name[:1] == b"." or is_private(name)


def link_to(name: bytes, is_directory: bool = False) -> str:
    """Return the relative reference to a name in the same directory, percent-encoded (RFC 3986 section 4.2)."""
    return quote(name, safe="") + ("/" if is_directory else "")


def shown(name: bytes) -> str:
    """Return the name as text for people: bytes that are not UTF-8, and control characters, become U+FFFD."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", os.fsencode(name).decode("utf-8", "replace"))
