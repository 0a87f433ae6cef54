"""Owns how sessions keep values that JSON does not have: tuples, sets, bytes, dates, decimals, complex numbers.

Nothing is pickled, so that somebody who can write to the store cannot run code here. A value that JSON has stays as it
is; an object of a subclass is kept as one of its base class. Any other value becomes an object with one key, such as
"$tuple"; so does a dictionary with keys that are not str or begin with "$".
"""

from __future__ import annotations

import base64
import datetime
import decimal
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

__all__ = ["from_json", "to_json"]

_PLAIN = (str, int, float, bool, type(None))

_TEXT: dict[type, tuple[str, Callable[[Any], str], Callable[[str], Any]]] = {
    bytes: ("$bytes", lambda value: base64.b64encode(value).decode("ascii"), base64.b64decode),
    datetime.datetime: ("$datetime", datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    datetime.date: ("$date", datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.time: ("$time", datetime.time.isoformat, datetime.time.fromisoformat),
    decimal.Decimal: ("$decimal", str, decimal.Decimal),
    complex: ("$complex", str, complex),
    uuid.UUID: ("$uuid", str, uuid.UUID),
}
_GROUPS: dict[type[Collection[Any]], str] = {tuple: "$tuple", set: "$set", frozenset: "$frozenset"}
_FROM_TEXT = {name: read for name, _, read in _TEXT.values()}
_FROM_GROUPS: dict[str, Callable[[Any], Any]] = {name: kind for kind, name in _GROUPS.items()}


def to_json(value: Any) -> Any:
    """Return the value in the form that JSON can keep. Raises TypeError for objects that cannot be kept."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        if all(isinstance(name, str) and not name.startswith("$") for name in value):
            return {name: to_json(item) for name, item in value.items()}
        return {"$dict": [[to_json(name), to_json(item)] for name, item in value.items()]}
    for group, name in _GROUPS.items():
        if isinstance(value, group):
            return {name: [to_json(item) for item in value]}
    for kind, (name, write, _) in _TEXT.items():
        if isinstance(value, kind):
            return {name: write(value)}
    if isinstance(value, datetime.timedelta):
        return {"$timedelta": [value.days, value.seconds, value.microseconds]}
    raise TypeError(
        f"a session cannot keep an object of type {type(value).__name__}; it keeps what JSON has, tuples, sets, bytes, "
        "dates, times, decimals and UUIDs"
    )


def from_json(value: Any) -> Any:
    """Return the value that `to_json` was given. Raises ValueError, TypeError for what it did not return."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1:
        (name, inside), *_ = value.items()
        if name == "$dict":
            return {from_json(key): from_json(item) for key, item in inside}
        if name == "$timedelta":
            return datetime.timedelta(*inside)
        if name in _FROM_GROUPS:
            return _FROM_GROUPS[name](from_json(item) for item in inside)
        if name in _FROM_TEXT:
            return _FROM_TEXT[name](inside)
    return {name: from_json(item) for name, item in value.items()}
