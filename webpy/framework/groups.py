"""Owns `Groups`: what a route's regex or template captured, by number and by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["Groups"]

_new = tuple.__new__


class Groups(tuple[Any, ...]):
    """What a route captured: `groups[0]` is the first group, `groups["name"]` a named one.

    A regex captures str, or None for a group that took no part; a template captures values.
    """

    names: Mapping[str, Any] = MappingProxyType({})

    def __new__(cls, match: re.Match[str]) -> Groups:
        self = super().__new__(cls, match.groups())
        if match.re.groupindex:
            self.names = match.groupdict()
        return self

    @classmethod
    def of(cls, values: tuple[Any, ...], names: tuple[str, ...]) -> Groups:
        """Return what a template captured: values, each with its name."""
        self = _new(cls, values)
        self.names = dict(zip(names, values))  # noqa: B905 - as many
        return self

    def __getitem__(self, key: Any) -> Any:
        return self.names[key] if isinstance(key, str) else super().__getitem__(key)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the named group, or `default` if the regex has no such group or it took no part in the match."""
        value = self.names.get(name)
        return default if value is None else value
