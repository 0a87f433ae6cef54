"""Lists and parameters (RFC 9110 sections 5.6.1 and 5.6.6): values of fields, taken apart.

A separator within a quoted string separates nothing. A string that is not closed reaches to the end of the value.
"""

from __future__ import annotations

import re

from .tokens import QUOTED_STRING, TOKEN

__all__ = ["AUTH_PARAMETER", "PARAMETER", "media_type", "members", "parameters", "split_list", "token_list"]

PARAMETER = re.compile(rf"({TOKEN.pattern})=({TOKEN.pattern}|{QUOTED_STRING.pattern})")
"""parameter, RFC 9110 section 5.6.6: no white space around the `=`."""

AUTH_PARAMETER = re.compile(rf"({TOKEN.pattern})[ \t]*+=[ \t]*+({TOKEN.pattern}|{QUOTED_STRING.pattern})")
"""auth-param, RFC 9110 section 11.2: white space is allowed around the `=`."""

# A string that is not closed is taken to the end, so that no quote in it is tried as the beginning of another.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*"?'
_CUTS = {separator: re.compile(f"{_STRING}|({separator})", re.DOTALL) for separator in (",", ";")}


def split_list(value: str, separator: str = ",") -> list[str]:
    """Return the pieces between the separators outside of quoted strings, with their white space; also empty ones.

    separator: "," or ";".
    """
    if '"' not in value:
        return value.split(separator)
    pieces, start = [], 0
    for found in _CUTS[separator].finditer(value):
        if found[1] is not None:
            pieces.append(value[start : found.start()])
            start = found.end()
    pieces.append(value[start:])
    return pieces


def members(value: str) -> list[str]:
    """Return the members of a comma-separated list, without the white space around them. Empty ones are left out (RFC
    9110 section 5.6.1.2)."""
    return [member for piece in split_list(value) if (member := piece.strip(" \t"))]


def token_list(value: str) -> list[str]:
    """Return the tokens of a comma-separated list that holds nothing else, such as Connection or Vary, in lower case.

    A quote has no meaning there, so none can hide a comma (RFC 9110 section 5.6.1).
    """
    return [stripped for token in value.lower().split(",") if (stripped := token.strip(" \t"))]


def parameters(value: str) -> list[tuple[str, str]]:
    """Return names, in lower case, and values, as sent, of the parameters after the first `;` of a member (RFC 9110
    section 5.6.6).

    More is accepted than the RFC allows, as clients send more: white space around the `=`, and values that should have
    been quoted. Parts without a `=` are left out. `unquoted` gives the text of a value; `PARAMETER` is the strict form.
    """
    found = []
    for part in split_list(value, ";")[1:]:
        name, equals, said = part.partition("=")
        if equals:
            found.append((name.strip(" \t").lower(), said.strip(" \t")))
    return found


def media_type(value: str) -> str:
    """Return the media type of a Content-Type, in lower case, without its parameters (RFC 9110 section 8.3.1)."""
    return value.partition(";")[0].strip(" \t").lower()
