"""Lists whose members have weights (RFC 9110 section 12.4.2): Accept, Accept-Encoding, Accept-Language, TE."""

from __future__ import annotations

import re
from functools import lru_cache

from .lists import PARAMETER, split_list
from .tokens import TOKEN

__all__ = ["weigh"]

_NAME = re.compile(rf"{TOKEN.pattern}(?:/{TOKEN.pattern})?")
_WEIGHT = re.compile(r"0(?:\.[0-9]*)?|1(?:\.0*)?")  # more digits than the three of the RFC do no harm
_CACHED_CHARACTERS = 256  # what browsers send is shorter; longer values must not fill the memory


def weigh(value: str) -> list[tuple[str, float]]:
    """Return the members of a weighted list with their weights, 0.0 to 1.0, in their order (RFC 9110 section 12.4.2).

    A member is in lower case except for the values of its parameters, which follow as `;name=value` without spaces.
    Members that do not follow the grammar are left out.
    """
    return list(_weigh_cached(value) if len(value) <= _CACHED_CHARACTERS else _weigh(value))


def _weigh(value: str) -> tuple[tuple[str, float], ...]:
    found = (_member(element) for element in split_list(value))
    return tuple(member for member in found if member is not None)


_weigh_cached = lru_cache(256)(_weigh)


def _member(element: str) -> tuple[str, float] | None:
    """Return the member and its weight; None for an element that is empty or against the grammar."""
    name, *parts = (part.strip(" \t") for part in split_list(element, ";"))
    if not _NAME.fullmatch(name):
        return None
    member, weight = name.lower(), None
    for part in filter(None, parts):
        parameter = PARAMETER.fullmatch(part)
        if parameter is None:
            return None
        if weight is not None:
            continue  # what follows the weight were extensions of Accept, which RFC 9110 dropped
        if parameter[1] in "qQ":
            if not _WEIGHT.fullmatch(parameter[2]):
                return None
            weight = float(parameter[2])
        else:
            member += f";{parameter[1].lower()}={parameter[2]}"
    return member, 1.0 if weight is None else weight
