"""The normal form of paths (RFC 3986 section 6.2.2): one spelling for what many spellings mean.

Owns what a path may hold and what is done to it before anybody looks at it, so that routes, handlers and hosts all
see the same path. Must not know targets, routes or handlers. Called by line.py for request targets, by whatever
mounts something at a path, and by the route table, which asks how else a path could have been spelled.
"""

from __future__ import annotations

import re

from .errors import ProtocolError, show

__all__ = ["decoded", "escaped", "hides_separator", "is_normal", "normal_path"]

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"  # RFC 3986 section 2.3
_NEVER = re.compile(r"[^!$-;=?-\[\]-~]")
"""What no path holds raw: controls, spaces, `"`, `#`, `<`, `>`, `\\`, and anything beyond ASCII. Browsers escape all of
them (URL standard, path percent-encode set) or, as `\\`, never send them; `{ } | ^ [ ]` and the grave accent pass."""
_ESCAPE = re.compile("%(?:[0-9A-Fa-f]{2})?")
_PLAIN = {f"%{ord(char):02X}": char for char in _UNRESERVED}

_EITHER = "!$&'()*+,:;=@[]^`{|}"
"""Characters that stand raw or escaped in a path, and mean the same to whoever decodes it."""
_EITHER_RAW = re.compile(f"[{re.escape(_EITHER)}]")
_EITHER_ESCAPED = re.compile("%(?:" + "|".join(f"{ord(char):02X}" for char in _EITHER) + ")")


def normal_path(path: str) -> str:
    """The normal form of a path that begins with "/", without its query.

    Escaped unreserved characters are decoded and the hex digits of other escapes are made upper case, once: %2570
    stays what it is. Then empty segments are merged and dot segments removed. Raises ProtocolError 400 for a character
    that no path holds, a "%" without two hex digits behind it, and a path that climbs above the root.
    """
    bad = _NEVER.search(path)
    if bad is not None:
        raise ProtocolError(400, f"{show(bad[0])} in the path {show(path)}, wanted it percent-encoded")
    if "%" in path:
        path = _ESCAPE.sub(_normal_escape, path)
    if "//" not in path and "/." not in path:
        return path
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if not kept:
                raise ProtocolError(400, f"the path {show(path)} leads above the root")
            kept.pop()
        elif segment and segment != ".":
            kept.append(segment)
    is_directory = path.endswith(("/", "/.", "/.."))
    return "/" + "/".join(kept) + ("/" if is_directory and kept else "")


def is_normal(path: str) -> bool:
    """Whether a path is in normal form."""
    try:
        return path[:1] == "/" and normal_path(path) == path
    except ProtocolError:
        return False


def hides_separator(path: str) -> bool:
    """Whether a path in normal form has an escaped "/" or NUL: decoded, it would be another path, or cut short."""
    return "%2F" in path or "%00" in path


def decoded(path: str) -> str:
    """A path in normal form with the escapes decoded of all characters that may stand raw: an equal path to whoever
    decodes paths."""
    return _EITHER_ESCAPED.sub(lambda escape: chr(int(escape[0][1:], 16)), path) if "%" in path else path


def escaped(path: str) -> str:
    """A path in normal form with all characters but the unreserved ones and "/" escaped: an equal path to whoever
    decodes paths."""
    return _EITHER_RAW.sub(lambda char: f"%{ord(char[0]):02X}", path)


def _normal_escape(escape: re.Match[str]) -> str:
    text = escape[0].upper()
    if len(text) < 3:
        raise ProtocolError(400, f"a % without two hex digits behind it in the path {show(escape.string)}")
    return _PLAIN.get(text, text)
