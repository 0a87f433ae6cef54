"""Tokens, quoted strings and controls (RFC 9110 section 5.6): what field values are made of.

Text is as fields have it, one character for each byte (latin-1). Patterns are composed of others by their `pattern`.
"""

from __future__ import annotations

import re

__all__ = ["CONTROL", "CTL", "QUOTED_STRING", "TOKEN", "TOKEN68", "extended_value", "quoted", "unquoted"]

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++")
"""token = 1*tchar, RFC 9110 section 5.6.2: methods, field names, media types and much else."""

TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]++=*+")
"""token68, RFC 9110 section 11.2; b64token, RFC 6750 section 2.1."""

QUOTED_STRING = re.compile(r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~\x80-\xff])*"')
"""quoted-string, RFC 9110 section 5.6.4."""

CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What a field value or a reason phrase never holds, RFC 9110 section 5.5: any control but HTAB. obs-text is
allowed."""

CTL = re.compile(r"[\x00-\x1f\x7f]")
"""CTL, RFC 5234 appendix B.1: any control, HTAB too; user names and passwords hold none (RFC 7617 section 2)."""

_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_TO_BE_ESCAPED = re.compile(r'(["\\])')


def quoted(text: str) -> str:
    """Return the quoted-string of a text, in UTF-8 with one character for each byte (RFC 9110 section 5.6.4).

    Raises ValueError for text with control characters, which a field cannot hold.
    """
    if CTL.search(text):
        raise ValueError(f"{text!r} holds control characters, wanted text that a header field can hold")
    return '"' + _TO_BE_ESCAPED.sub(r"\\\1", text).encode().decode("latin-1") + '"'


def unquoted(value: str) -> str:
    """Return the text of a quoted-string, or the value itself if it has no quotes (RFC 9110 section 5.6.4).

    Raises ValueError for any other value with quotes, such as a string that is not closed.
    """
    if '"' not in value:
        return value
    if not QUOTED_STRING.fullmatch(value):
        raise ValueError(f"{value[:60]!a} is not a quoted string")
    return _QUOTED_PAIR.sub(r"\1", value[1:-1])


def extended_value(value: str) -> tuple[str, str]:
    """Return charset, in lower case, and text, still percent-encoded, of a value such as `UTF-8''na%C3%AFve`.

    (RFC 8187 section 3.2.1.) Raises ValueError for a value of another form.
    """
    parts = value.split("'")
    if len(parts) != 3 or not parts[0]:
        raise ValueError(f"{value[:60]!a}, wanted CHARSET'LANGUAGE'TEXT")
    return parts[0].lower(), parts[2]
