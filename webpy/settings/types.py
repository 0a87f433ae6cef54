"""The types of values that settings have: how a value is read from any source, and how it is shown in TOML.

A type reads strings of the command line and the environment, the types of TOML and the objects of Python keywords in
the same way. It knows neither settings by name nor sources. Each function here returns a type; used by `schema`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "InvalidValue",
    "SettingType",
    "access_format",
    "choice",
    "count",
    "flag",
    "octal",
    "path",
    "paths",
    "regex",
    "seconds",
    "size",
    "switch",
    "text",
]


class InvalidValue(Exception):
    """The value is not valid for the type; an argument, if any, says more precisely what was wanted."""


@dataclass(frozen=True, slots=True)
class SettingType:
    """A type of values: `metavar` is for the help, `wanted` for messages.

    `read` returns the value for what was given, or raises `InvalidValue`; `show` returns what TOML holds for a value.
    `many` is for options that may be repeated, `flag` for --NAME and --no-NAME.
    """

    metavar: str
    wanted: str
    read: Callable[[object], object]
    many: bool = False
    flag: bool = False
    show: Callable[[object], object] = lambda value: value


def _whole(given: object) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str) and re.fullmatch(r"[0-9]{1,18}", given.strip(), re.ASCII):
        return int(given)
    raise InvalidValue


def count(minimum: int, maximum: int | None = None, *, auto: bool = False) -> SettingType:
    """A whole number, or the word auto."""

    def read(given: object) -> object:
        if auto and isinstance(given, str) and given.strip().lower() == "auto":
            return "auto"
        number = _whole(given)
        if number < minimum:
            raise InvalidValue
        if maximum is not None and number > maximum:
            raise InvalidValue(f"at most {maximum}")
        return number

    wanted = f"a whole number of {minimum} or more" + (", or auto" if auto else "")
    return SettingType("N|auto" if auto else "N", wanted, read)


def _number(given: object) -> float:
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return float(given) if abs(given) < 1e12 else math.inf
    if isinstance(given, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{0,9})?|\.[0-9]{1,9}", given.strip(), re.ASCII):
        return float(given)
    raise InvalidValue


def seconds(*, zero: bool = True) -> SettingType:
    """A time in seconds, as a float."""

    def read(given: object) -> object:
        number = _number(given)
        if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
            raise InvalidValue
        return number

    def show(value: object) -> object:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return SettingType("SECONDS", "seconds, 0 or more" if zero else "seconds, more than 0", read, show=show)


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def size(minimum: int) -> SettingType:
    """A number of bytes; K, M and G are powers of 1024."""

    def read(given: object) -> object:
        if isinstance(given, str):
            match = re.fullmatch(r"([0-9]{1,12})([KMG]?)", given.strip().upper(), re.ASCII)
            if match is None:
                raise InvalidValue
            number = int(match[1]) * _UNITS[match[2]]
        else:
            number = _whole(given)
        if number < minimum:
            raise InvalidValue
        return number

    def show(value: object) -> object:
        assert isinstance(value, int)
        for unit in "GMK":
            if value and value % _UNITS[unit] == 0:
                return f"{value // _UNITS[unit]}{unit}"
        return value

    return SettingType("SIZE", f"bytes, {minimum} or more, such as 4096, 64K, 1M or 2G", read, show=show)


def choice(*names: str) -> SettingType:
    """One of some words, in any case."""

    def read(given: object) -> object:
        if isinstance(given, str) and given.strip().lower() in names:
            return given.strip().lower()
        raise InvalidValue

    return SettingType("|".join(names), "one of " + ", ".join(names), read)


def flag() -> SettingType:
    """On or off, as --NAME and --no-NAME."""
    return SettingType("", "true or false", _on_or_off, flag=True)


def switch() -> SettingType:
    """On or off, as --NAME on and --NAME off."""
    return SettingType("off|on", "on or off", _on_or_off, show=lambda value: "on" if value else "off")


def _on_or_off(given: object) -> object:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.strip().lower() in words:
        return words[given.strip().lower()]
    raise InvalidValue


def text(metavar: str, *, optional: bool = True) -> SettingType:
    """Any string without control characters; an empty one means no value. Numbers are read as their digits."""

    def read(given: object) -> object:
        if isinstance(given, int) and not isinstance(given, bool):
            given = str(given)
        if not isinstance(given, str) or re.search(r"[\x00-\x1f\x7f]", given):
            raise InvalidValue
        if not given and not optional:
            raise InvalidValue
        return given or None

    return SettingType(metavar, "a string" if optional else "a string that is not empty", read)


def path(*words: str, optional: bool = False, metavar: str = "PATH") -> SettingType:
    """A path (`~` is the home folder), or one of some words such as `-` and `off`."""

    def read(given: object) -> object:
        if isinstance(given, os.PathLike):
            given = os.fspath(given)
        if not isinstance(given, str) or "\0" in given or (not given and not optional):
            raise InvalidValue
        if given in words:
            return given
        return os.path.expanduser(given) or None

    return SettingType("|".join((metavar, *words)), " or ".join(("a path", *words)), read)


def paths() -> SettingType:
    """A path as a string, or several as a tuple; several in one string are separated by commas, those of a list are as
    they are."""
    one = path(optional=True)

    def read(given: object) -> object:
        if isinstance(given, str):
            items: list[object] = [item.strip() for item in given.split(",")]
        else:
            items = list(given) if isinstance(given, (tuple, list)) else [given]
        found = tuple(value for value in map(one.read, items) if value is not None)
        return found if len(found) > 1 else next(iter(found), None)

    def show(value: object) -> object:
        if isinstance(value, str):
            return [value] if "," in value else value
        return list(value) if isinstance(value, tuple) else value

    return SettingType("PATH", "a path, or several", read, many=True, show=show)


def regex() -> SettingType:
    """A regular expression."""

    def read(given: object) -> object:
        if not isinstance(given, str):
            raise InvalidValue
        try:
            re.compile(given)
        except re.error as error:
            raise InvalidValue(f"a regular expression; this is none: {error}") from None
        return given or None

    return SettingType("REGEX", "a regular expression", read)


def octal(what: str, example: str) -> SettingType:
    """A file mode or mask: octal digits in a string (022 or 0o22), or a number as it is (0o22 in TOML)."""

    def read(given: object) -> object:
        if isinstance(given, str) and not given.strip():
            return None
        if isinstance(given, str):
            if not re.fullmatch(r"(0o)?[0-7]{1,4}", given.strip().lower(), re.ASCII):
                raise InvalidValue
            given = int(given.strip().lower().removeprefix("0o"), 8)
        if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= 0o777:
            raise InvalidValue
        return given

    def show(value: object) -> object:
        return f"{value:03o}" if isinstance(value, int) else value

    return SettingType("OCTAL", f"an octal {what} of 000 to 777, such as {example}", read, show=show)


def access_format(*names: str) -> SettingType:
    """The name of an access-log format, or a template of atoms."""

    def read(given: object) -> object:
        if not isinstance(given, str) or "\n" in given or "\0" in given:
            raise InvalidValue
        if given.strip().lower() in names:
            return given.strip().lower()
        if "%(" not in given:
            raise InvalidValue
        return given

    wanted = "one of " + ", ".join(names) + ", or a template such as '%(h)s \"%(r)s\" %(s)s'"
    return SettingType("|".join((*names, "TEMPLATE")), wanted, read)
