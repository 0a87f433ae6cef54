"""Owns the way between the path of a URL and the name of a file: what a client may ask for, and how a name is shown.

Names are bytes, as they are to the kernel: any encoding round-trips. Touches no file.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote_to_bytes

from ..statedir import is_private

__all__ = ["is_hidden", "link_to", "local_name", "shown"]

_WELL_KNOWN = b".well-known"
"""The one name with a dot that is meant for clients, at the top (RFC 8615)."""

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def local_name(path: str) -> bytes | None:
    """The file that a URL's path stands for, relative to the directory that is served; None if it is none's.

    path: percent-encoded, beginning with "/". A name that ends in "/", and the empty one, stand for a directory. Empty
    segments, `.` and `..`, hidden names, and an encoded slash or NUL are nobody's: each file has one path, and none
    leads up.
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
    """Whether a name begins with a dot, or is that of our settings or a database of ours: not served, nor listed."""
    return name[:1] == b"." or is_private(name)


def link_to(name: bytes, is_directory: bool = False) -> str:
    """The relative reference to a name in the same directory, percent-encoded (RFC 3986 section 4.2)."""
    return quote(name, safe="") + ("/" if is_directory else "")


def shown(name: bytes) -> str:
    """The name as text for people: what is no UTF-8, and control characters, become U+FFFD."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", os.fsencode(name).decode("utf-8", "replace"))
