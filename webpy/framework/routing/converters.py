"""Owns the converters of path templates: what `{id:int}` matches in a path, the value it becomes, and the way back.

Knows one capture at a time and no template. Called by `templates`, when a template is made, for each request that has
its shape, and by `PathTemplate.url`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from ...protocol.path import hides_separator

__all__ = ["CONVERTERS", "Converter"]


class Converter(NamedTuple):
    """One kind of capture.

    shape: a regex, without groups, for the capture as it stands in a path in normal form. read: returns the value of
    text of this shape; raises ValueError if it has none. write: returns the text, percent-encoded, for a value; raises
    ValueError if the converter has no text for it. wanted: what `write` takes, for messages.
    """

    name: str
    shape: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    wanted: str


def _read_text(text: str) -> str:
    if "%" not in text:
        return text
    if hides_separator(text):  # decoded, it would be another path: "..%2F.." leads out of a directory
        raise ValueError(text)
    return unquote(text, errors="strict")


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):  # 400 digits
        raise ValueError(text)
    return value


def _read_uuid(text: str) -> Any:
    from uuid import UUID  # for the few applications that use it

    return UUID(text)


def _text_of(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(value)
    return value


def _write_str(value: Any) -> str:
    text = _text_of(value)
    if "/" in text:
        raise ValueError(value)
    return quote(text, safe="")


def _write_path(value: Any) -> str:
    return quote(_text_of(value), safe="/")


def _write_int(value: Any) -> str:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(value)
    return str(int(value))


def _write_float(value: Any) -> str:
    from decimal import Decimal

    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    return format(Decimal(repr(_read_float(str(value)))), "f")  # never with an exponent


def _write_uuid(value: Any) -> str:
    return str(_read_uuid(str(value)))


_HEX = "[0-9A-Fa-f]"

#: by the name that a template gives after the colon
CONVERTERS = {
    each.name: each
    for each in (
        Converter("str", "[^/?]+", _read_text, _write_str, "a str with characters in it, but no '/' and no NUL"),
        Converter("int", "[0-9]+", int, _write_int, "an int, 0 or more"),
        Converter("float", r"-?[0-9]+(?:\.[0-9]+)?", _read_float, _write_float, "a finite number"),
        Converter("uuid", f"{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}", _read_uuid, _write_uuid, "a uuid.UUID"),
        Converter("path", "[^?]+", _read_text, _write_path, "a str with characters in it, but no NUL"),
    )
}
