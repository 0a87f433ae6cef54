"""Reads the text of TARGET: where the module is, which attribute is meant, and how a factory is called.

`package.module:attribute`, `path/to/file.py:attribute`, either without `:attribute`, or with a call such as
`:create_app()` or `:create_app("production", debug=False)` whose arguments are literals. Imports nothing of the
user's. Called by `target`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

__all__ = ["BadSpec", "Spec", "parse_spec"]


class BadSpec(ValueError):
    """The text is not a TARGET; `str()` says what was got and what was wanted."""


@dataclass(frozen=True, slots=True)
class Spec:
    """The parts of TARGET.

    `place` is a module's name or a file's path; `attribute` a name with dots, None if none was given; `call` the
    positional and keyword arguments of a factory, None if nothing is called.
    """

    place: str
    attribute: str | None
    call: tuple[tuple[Any, ...], dict[str, Any]] | None

    @property
    def name(self) -> str:
        """How messages name the object."""
        called = "" if self.call is None else "()"
        return f"{self.place}:{self.attribute}{called}"


def parse_spec(text: str) -> Spec:
    """Return the parts of TARGET. Raises BadSpec."""
    opening = text.find("(") if text.endswith(")") else -1
    head, arguments = (text, "") if opening < 0 else (text[:opening], text[opening:])
    place, colon, attribute = head.rpartition(":")
    if not colon or "/" in attribute:  # a colon before a slash belongs to a folder's name
        place, attribute = text, ""
    if not place:
        raise BadSpec(f"target: got {text!r}, wanted package.module:attribute or path/to/file.py:attribute")
    if not attribute:
        return Spec(place, None, None)
    if not all(part.isidentifier() for part in attribute.split(".")):
        raise BadSpec(f"{text}: got {attribute!r} after the colon, wanted the name of an attribute")
    return Spec(place, attribute, _call(text, attribute, arguments) if arguments else None)


def _call(text: str, attribute: str, arguments: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the values between the parentheses. Raises BadSpec."""
    wanted = f"wanted literal arguments, such as {attribute}() or {attribute}('name', debug=True)"
    try:
        call = ast.parse(f"_{arguments}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError
        positional = tuple(ast.literal_eval(each) for each in call.args)
        named = {each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg is not None}
        if len(named) != len(call.keywords):
            raise ValueError
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise BadSpec(f"{text}: got {arguments!r}, {wanted}") from None
    return positional, named
