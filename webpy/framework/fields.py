"""Owns the 400 for a missing or unusable field of a form, a query, a JSON object, a cookie or the headers.

These mappings raise `MissingField` for `mapping[name]`; `text_as` reads the text of a field as a number or another
type. Does not know the mappings: `webpy.form`, `webpy.query`, `webpy.json`, `webpy.cookies` and `request` call it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from .errors import HTTPError

__all__ = ["ABSENT", "MissingField", "brief", "text_as", "wrong_type"]

T = TypeVar("T")

#: the default of a parameter `default` where None would be a value
ABSENT: Final[Any] = object()

_INTEGER = re.compile(r"[+-]?[0-9]+")
_SHOWN = 40  # characters of a client's value in a message
_TRUTHS = {
    **dict.fromkeys(("true", "1", "on", "yes"), True),  # a checked box of HTML sends "on"
    **dict.fromkeys(("false", "0", "off", "no"), False),
}


class MissingField(HTTPError, KeyError):
    """The client did not send a field that the handler asked for; the answer is 400 and names the field.

    It is also a KeyError, so `except KeyError`, `in` and `get` work as with every mapping.
    """

    def __init__(self, where: str, name: object) -> None:
        """where: what the field is missing from, such as "form"; name: the field's."""
        super().__init__(400, f"{where}: wanted the field {brief(name)}, which is missing\n")

    def __str__(self) -> str:
        return str(self.message).rstrip()


def wrong_type(where: str, name: object, got: object, wanted: str) -> HTTPError:
    """Return the error 400 for a field that was sent but cannot be used."""
    return HTTPError(400, f"{where}: field {brief(name)}: got {brief(got)}, wanted {wanted}\n")


def text_as(where: str, name: str, text: str, kind: Callable[[str], T]) -> T:
    """Return `kind(text)`. Raises HTTPError 400, naming the field, if the text is not of this kind.

    Stricter than Python's own: int takes decimal digits with or without a sign, float neither NaN nor infinity, bool
    true, 1, on, yes, false, 0, off, no. Any other callable, such as `uuid.UUID` or `datetime.date.fromisoformat`,
    refuses a text by a ValueError or an ArithmeticError.
    """
    value: Any
    try:
        if kind is bool:
            value = _TRUTHS.get(text.lower())
        elif kind is int:
            value = int(text) if _INTEGER.fullmatch(text) else None  # or ValueError: too many digits
        else:
            value = kind(text)
            if kind is float and not math.isfinite(value):
                value = None
        if value is not None or kind not in (bool, int, float):
            return value  # type: ignore[no-any-return]
    except (ValueError, ArithmeticError):
        pass
    raise wrong_type(where, name, text, _NAMES.get(kind) or str(getattr(kind, "__name__", kind)))


_NAMES: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number"}


def brief(value: object) -> str:
    """Return the value's repr, shortened, for a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
