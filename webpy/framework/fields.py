"""Owns what is answered when a field of a form, a query, JSON, a cookie or a head is missing or of the wrong type.

`MissingField` is what those mappings raise for `mapping[name]`, `text_as` reads the text of a field as a number or
anything else. Knows none of the mappings; `webpy.form`, `webpy.query`, `webpy.json`, `webpy.cookies` and `request` call
it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from .errors import HTTPError

__all__ = ["ABSENT", "MissingField", "brief", "text_as", "wrong_type"]

T = TypeVar("T")

#: what stands for a default that was not given
ABSENT: Final[Any] = object()

_INTEGER = re.compile(r"[+-]?[0-9]+")
_SHOWN = 40  # characters of a client's value in a message
_TRUTHS = {
    **dict.fromkeys(("true", "1", "on", "yes"), True),  # a checked box of HTML sends "on"
    **dict.fromkeys(("false", "0", "off", "no"), False),
}


class MissingField(HTTPError, KeyError):
    """The client did not send a field that the handler asked for: an answer of 400 that names it.

    It is a KeyError too, so that `except KeyError`, `in` and `get` work as with every mapping.
    """

    def __init__(self, where: str, name: object) -> None:
        """where: what lacks it, such as "form"; name: of the field, the handler's word for it."""
        super().__init__(400, f"{where}: wanted the field {brief(name)}, which is missing\n")

    def __str__(self) -> str:
        return str(self.message).rstrip()


def wrong_type(where: str, name: object, got: object, wanted: str) -> HTTPError:
    """The error 400 for a field that is there and cannot be used."""
    return HTTPError(400, f"{where}: field {brief(name)}: got {brief(got)}, wanted {wanted}\n")


def text_as(where: str, name: str, text: str, kind: Callable[[str], T]) -> T:
    """What `kind` makes of the text of a field. Raises HTTPError 400, naming the field, where it makes nothing of it.

    int takes decimal digits with a sign and float no NaN and no infinity, unlike Python's; bool takes true, 1, on, yes,
    false, 0, off, no. Any other callable, such as `uuid.UUID` or `datetime.date.fromisoformat`, refuses a text with a
    ValueError or ArithmeticError.
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
    """The value as messages show it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
