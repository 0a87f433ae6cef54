"""The grammar of credentials and challenges (RFC 9110 section 11): text in, parts out. Knows no scheme and no user.

Field values are as the framework has them, one character for each byte; `quoted` encodes text as UTF-8.
"""

from __future__ import annotations

import re

__all__ = ["CONTROL", "TOKEN68", "parameters", "quoted", "scheme_and_token", "text_of"]

_TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"

CONTROL = re.compile(r"[\x00-\x1f\x7f]")

TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]++=*+")
"""token68, RFC 9110 section 11.2; b64token, RFC 6750 section 2.1."""

_CREDENTIALS = re.compile(rf"([{_TCHAR}]++)(?:[ \t]++(.*))?", re.DOTALL)

_PARAMETER = re.compile(
    rf"[ \t,]*+([{_TCHAR}]++)[ \t]*+=[ \t]*+"
    rf'(?:([{_TCHAR}]++)|"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~\x80-\xff])*)")[ \t]*+(?:,|\Z)'
)
"""auth-param and the comma after it, RFC 9110 sections 11.2 and 5.6.1 (empty elements are skipped)."""

_EMPTY = re.compile(r"[ \t,]*+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def scheme_and_token(field: str) -> tuple[str, str]:
    """Return the scheme of an Authorization field, in lower case, and what follows it. Raises ValueError."""
    found = _CREDENTIALS.fullmatch(field.strip(" \t"))
    if found is None:
        raise ValueError("wanted a scheme and its credentials")
    return found[1].lower(), found[2] or ""


def parameters(token: str) -> dict[str, str]:
    """The parameters of credentials, names in lower case, values unquoted. Raises ValueError, also for one given
    twice (RFC 9110 section 11.2)."""
    found: dict[str, str] = {}
    place = 0
    while match := _PARAMETER.match(token, place):
        name = match[1].lower()
        if name in found:
            raise ValueError("a parameter is given twice")
        found[name] = match[2] if match[2] is not None else _ESCAPED.sub(r"\1", match[3])
        place = match.end()
    if not found or not _EMPTY.fullmatch(token, place):
        raise ValueError("wanted a list of name=value")
    return found


def quoted(text: str) -> str:
    """Return the text as a quoted-string (RFC 9110 section 5.6.4). Raises ValueError for control characters."""
    if CONTROL.search(text):
        raise ValueError(f"{text!r} holds control characters, wanted text that a header field can hold")
    return '"' + re.sub(r'(["\\])', r"\\\1", text).encode().decode("latin-1") + '"'


def text_of(value: str) -> str:
    """Decode a field's value from UTF-8. Bytes that are not UTF-8 become U+FFFD, which is part of no user's name."""
    return value.encode("latin-1").decode("utf-8", "replace")
