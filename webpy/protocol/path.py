"""The normal form of paths (RFC 3986 section 6.2.2): one spelling for all equivalent spellings.

Owns the characters of a path and its normalization, which is done first, so that routes, handlers and hosts all see the
same path. Must not know targets, routes or handlers. Called by line.py for request targets, by everything that mounts
something at a path, and by the route table, to get other spellings of a path.
"""

from __future__ import annotations

import re

from .errors import ProtocolError, show

__all__ = ["decoded", "escaped", "hides_separator", "is_normal", "normal_path"]

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"  # RFC 3986 section 2.3
_NEVER = re.compile(r"[^!$-;=?-\[\]-~]")
"""Characters that must not stand in a path unescaped: controls, spaces, `"`, `#`, `<`, `>`, `\\`, and all beyond ASCII.
Browsers escape them (URL standard, path percent-encode set) or, as `\\`, never send them. `{ } | ^ [ ]` and the grave
accent are allowed."""
_ESCAPE = re.compile("%(?:[0-9A-Fa-f]{2})?")
_PLAIN = {f"%{ord(char):02X}": char for char in _UNRESERVED}

_EITHER = "!$&'()*+,:;=@[]^`{|}"
"""Characters that may stand in a path raw or escaped, which is the same path to anyone who decodes it."""
_EITHER_RAW = re.compile(f"[{re.escape(_EITHER)}]")
_EITHER_ESCAPED = re.compile("%(?:" + "|".join(f"{ord(char):02X}" for char in _EITHER) + ")")


def normal_path(path: str) -> str:
    """Return the normal form of a path, which begins with "/" and has no query.

    Escaped unreserved characters are decoded, once (%2570 stays as it is), and the hex digits of other escapes are made
    upper case. Then empty segments and dot segments are removed. Raises ProtocolError 400 for a character that must be
    escaped, a "%" without two hex digits after it, and a path that leads above the root.
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
    """Return whether a path is in normal form."""
    try:
        return path[:1] == "/" and normal_path(path) == path
    except ProtocolError:
        return False


def hides_separator(path: str) -> bool:
    """Return whether a path in normal form has an escaped "/" or NUL, which would change it if decoded."""
    return "%2F" in path or "%00" in path


def decoded(path: str) -> str:
    """Return a path in normal form with the characters decoded that need no escape: the same path to anyone who decodes
    it."""
    return _EITHER_ESCAPED.sub(lambda escape: chr(int(escape[0][1:], 16)), path) if "%" in path else path


def escaped(path: str) -> str:
    """Return a path in normal form with all characters escaped but unreserved ones and "/": the same path to anyone who
    decodes it."""
    return _EITHER_RAW.sub(lambda char: f"%{ord(char[0]):02X}", path)


def _normal_escape(escape: re.Match[str]) -> str:
    text = escape[0].upper()
    if len(text) < 3:
        raise ProtocolError(400, f"a % without two hex digits behind it in the path {show(escape.string)}")
    return _PLAIN.get(text, text)
