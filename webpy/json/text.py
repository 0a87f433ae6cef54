"""Reads and writes JSON text, more strictly than the standard library; knows no handler.

`loads` refuses what cannot be sent again, and says where it stands; `dumps` is its opposite. `handler` and `errors`
call them, on the thread of the request.
"""

from __future__ import annotations

import json
import re
import sys
from itertools import accumulate
from typing import Any

from ..framework.errors import HTTPError
from .values import Object

__all__ = ["MAX_DEPTH", "brief", "dumps", "loads"]

MAX_DEPTH = 100
"""How deep arrays and objects may be nested, by default."""

# A string that is not closed reaches to the end of the text: so no quote in it is tried as the start of another.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_STRINGS = re.compile(_STRING, re.DOTALL)
_BRACKETS = re.compile(rf"{_STRING}|([\[{{])|([\]}}])", re.DOTALL)
_LITERALS = re.compile(rf"{_STRING}|([-+.\w]+)", re.DOTALL)
_NOT_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")
_STEPS = bytes.maketrans(b"[]{}", b"\x01\xff\x01\xff")  # of depth: 1 and -1, as signed bytes
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _BadLiteral(ValueError):
    """A number or word that is refused, as it is written in the text."""


class _Duplicate(ValueError):
    """A name that occurs twice in an object."""


def loads(body: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """Return the value of the JSON text `body`. Raises HTTPError 400, which says where and why it is not JSON."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()  # of the error: there it has no byte order mark
        raise _bad(before, len(before), f"byte 0x{error.object[error.start]:02x} is not UTF-8") from None
    _check_depth(text, max_depth)
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_float, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise HTTPError(400, f"JSON: line {error.lineno} column {error.colno}: {error.msg}\n") from None
    except _BadLiteral as error:
        raise _bad(text, _place(text, str(error)), f"{brief(str(error))} is not a number of JSON") from None
    except _Duplicate as error:
        raise HTTPError(400, f"JSON: the name {brief(str(error))} stands twice in an object\n") from None
    except ValueError:  # of int, for its limit (sys.set_int_max_str_digits)
        raise _bad(text, _place(text, None), "an integer has too many digits") from None
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise HTTPError(400, "JSON: a string holds half of a surrogate pair\n") from None
    return value


def dumps(value: Any, default: Any = None) -> bytes:
    """Return the JSON text of `value` in UTF-8; `default(value)` returns what to write for a value of another type.

    Raises TypeError or ValueError for values that cannot be sent: NaN, circular references, other types.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=default).encode()


def _refuse(literal: str) -> Any:
    raise _BadLiteral(literal)


def _float(literal: str) -> float:
    value = float(literal)
    if value in (float("inf"), float("-inf")):
        raise _BadLiteral(literal)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = Object(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Duplicate(json.dumps(name))
            seen.add(name)
    return value


def _check_depth(text: str, max_depth: int) -> None:
    """Raise HTTPError 400 if arrays and objects are nested deeper. Called before parsing, which recurses."""
    if text.count("[") + text.count("{") <= max_depth:
        return
    steps = _STRINGS.sub("", text).encode().translate(_STEPS, _NOT_BRACKETS)
    if max(accumulate(memoryview(steps).cast("b")), default=0) <= max_depth:  # a third of the time of a loop
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        depth += bool(match[1]) - bool(match[2])
        if depth > max_depth:
            raise _bad(text, match.start(), f"arrays and objects go deeper than {max_depth}")


def _place(text: str, literal: str | None) -> int:
    """Return where the first literal outside of strings begins so or, for None, has too many digits for an int."""
    for match in _LITERALS.finditer(text):
        if match[1] is None:
            continue
        if literal is None:
            if len(match[1].lstrip("-")) > sys.get_int_max_str_digits() and match[1].lstrip("-").isdigit():
                return match.start()
        elif match[1].startswith(literal):
            return match.start()
    return 0


def _bad(text: str, place: int, what: str) -> HTTPError:
    line = text.count("\n", 0, place) + 1
    column = place - text.rfind("\n", 0, place)
    return HTTPError(400, f"JSON: line {line} column {column}: {what}\n")


def brief(text: str) -> str:
    """Return at most 60 characters of the client's text, for a message."""
    return text if len(text) <= 60 else text[:57] + "..."
