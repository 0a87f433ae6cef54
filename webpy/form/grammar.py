"""Owns the syntax of a form's headers and text: media types, boundaries, charsets, file names. No streams.

Called by `handler` and `reading`; raises HTTPError 400 or 415, which names the bad value.
"""

from __future__ import annotations

import re
from encodings.aliases import aliases

from ..framework.errors import HTTPError
from ..protocol.grammar import TOKEN, media_type, parameters, unquoted

__all__ = [
    "MULTIPART",
    "URLENCODED",
    "brief",
    "file_name",
    "is_form",
    "known_charset",
    "not_a_form",
    "parameter_names",
    "part_charset",
    "part_type",
    "read_boundary",
    "text",
]

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# RFC 2046 section 5.1.1 has fewer characters than that, and the same lengths.
_BOUNDARY = re.compile(r"[ -~]{0,69}[!-~]")
_MEDIA_TYPE = re.compile(f"{TOKEN.pattern}/{TOKEN.pattern}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Charsets that forms come in (WHATWG Encoding, section 4.2), by Python's names; others, such as "idna", cost more or
# mean something else. From a fixed table: `codecs.lookup` remembers every unknown name it was ever asked for.
_CHARSET = re.compile(
    r"utf_(8|16(_[bl]e)?)|ascii|latin_1|iso8859_\d+|cp\d+|koi8_[ru]|mac_\w+"
    r"|shift_jis\w*|euc_\w+|gb\w+|big5\w*|iso2022_\w+"
)
_CODECS = {name for name in {*aliases.values(), "cp874", "koi8_u"} if _CHARSET.fullmatch(name)}


def is_form(content_type: str) -> bool:
    """Return True if a Content-Type is one of the two that forms have."""
    return media_type(content_type) in (URLENCODED, MULTIPART)


def not_a_form(content_type: str) -> HTTPError:
    """Return the 415 for a body whose Content-Type is not a form's, or is missing."""
    accepted = f"{URLENCODED}, {MULTIPART}"
    got = f"got Content-Type {brief(content_type)}" if content_type else "got no Content-Type"
    return HTTPError(415, f"{got}, wanted one of {accepted}\n", headers={"Accept": accepted})


def read_boundary(content_type: str) -> bytes:
    """Return the boundary of a Content-Type (RFC 2046 section 5.1.1). Raises HTTPError 400 for a bad one."""
    # Not only tokens are taken without quotes: Java's mail library and others send `boundary=----=_Part_1`.
    try:
        found = [unquoted(value) for name, value in parameters(content_type) if name == "boundary"]
    except ValueError as error:
        raise HTTPError(400, f"{MULTIPART}: boundary {error}\n") from None
    if len(found) != 1:
        raise HTTPError(400, f"{MULTIPART}: got {len(found) or 'no'} boundaries in Content-Type, wanted one\n")
    if not _BOUNDARY.fullmatch(found[0]):
        raise HTTPError(400, f"{MULTIPART}: got boundary {brief(found[0])}, wanted 1 to 70 printable characters\n")
    return found[0].encode("ascii")


def parameter_names(value: str) -> set[str]:
    """Return the names of a field's parameters, in lower case; text in quotes is skipped (RFC 9110 section 5.6.6)."""
    return {name for name, _ in parameters(value)}


def part_type(stated: str | None) -> str:
    """Return the media type of a file (RFC 7578 section 4.4); text/plain for a bad one too (RFC 2045 section 5.2)."""
    return stated if stated and _MEDIA_TYPE.fullmatch(stated) else "text/plain"


def part_charset(stated: str | None) -> str:
    """Return the charset of a file, known or not; utf-8 if none was sent, or something that is not a token."""
    return stated if stated and TOKEN.fullmatch(stated) else "utf-8"


def known_charset(charset: str) -> str:
    """Return the name of Python's codec for the charset of a form's text. Raises HTTPError 400 for other charsets."""
    name = re.sub(r"[^a-z0-9]+", "_", charset.lower()).strip("_")
    name = re.sub(r"^iso_8859_", "iso8859_", aliases.get(name, name))
    name = aliases.get(name, name)
    if name not in _CODECS:
        raise HTTPError(400, f"got charset {brief(charset)}, wanted one that text is sent in, such as utf-8\n")
    return name


def text(value: bytes | bytearray, charset: str, what: str) -> str:
    """Return `value` decoded. what: its name in the message. Raises HTTPError 400 if it is not in the charset."""
    try:
        return value.decode(charset)
    except UnicodeError:
        raise HTTPError(400, f"{what} is not {charset}\n") from None


def file_name(filename: str) -> str:
    """Return the last component of a path with slashes or backslashes, without control characters; "" for a folder."""
    name = _CONTROLS.sub("", re.split(r"[/\\]", filename)[-1]).strip()
    return "" if name in (".", "..") else name


def brief(value: str) -> str:
    """Return the client's text fit for a message: ASCII, escaped, short."""
    return ascii(value if len(value) <= 60 else value[:60] + "...")
