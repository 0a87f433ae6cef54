"""The grammar of credentials (RFC 9110 section 11): text in, parts out. Knows no scheme and no user.

Field values are as the framework has them, one character for each byte.
"""

from __future__ import annotations

import re

from ..protocol.grammar import AUTH_PARAMETER, TOKEN, members, unquoted

__all__ = ["parameters", "scheme_and_token", "text_of"]

_CREDENTIALS = re.compile(rf"({TOKEN.pattern})(?:[ \t]++(.*))?", re.DOTALL)


def scheme_and_token(field: str) -> tuple[str, str]:
    """Return the scheme of an Authorization field, in lower case, and what follows it. Raises ValueError."""
    found = _CREDENTIALS.fullmatch(field.strip(" \t"))
    if found is None:
        raise ValueError("wanted a scheme and its credentials")
    return found[1].lower(), found[2] or ""


def parameters(token: str) -> dict[str, str]:
    """Return the parameters of credentials, names in lower case, values unquoted.

    Raises ValueError for text that is not a list of parameters, and for a parameter that is given twice (RFC 9110
    section 11.2).
    """
    found: dict[str, str] = {}
    for member in members(token):
        parameter = AUTH_PARAMETER.fullmatch(member)
        if parameter is None:
            raise ValueError("wanted a list of name=value")
        name = parameter[1].lower()
        if name in found:
            raise ValueError("a parameter is given twice")
        found[name] = unquoted(parameter[2])
    if not found:
        raise ValueError("wanted a list of name=value")
    return found


def text_of(value: str) -> str:
    """Decode a field's value from UTF-8. Bytes that are not UTF-8 become U+FFFD, which is part of no user's name."""
    return value.encode("latin-1").decode("utf-8", "replace")
