"""Which certificate a client gets, by the name of the server that it asks for (RFC 6066 section 3, RFC 6125)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["ServerNames"]

T = TypeVar("T")


class ServerNames(Generic[T]):
    """Maps names to what was added for them; `default` is for all others."""

    __slots__ = ("_exact", "_wildcards", "default")

    def __init__(self, default: T) -> None:
        self.default = default
        self._exact: dict[str, T] = {}
        self._wildcards: dict[str, T] = {}

    def add(self, names: Iterable[str], item: T) -> None:
        """Have these names lead to `item`, but for those that lead elsewhere already. "*.example.org" stands for one
        label before ".example.org"; any other "*" is nothing special."""
        for name in names:
            if name.startswith("*."):
                self._wildcards.setdefault(name[2:], item)
            else:
                self._exact.setdefault(name, item)

    def find(self, name: str | None) -> T:
        """Return what a name leads to; a wildcard counts only if the name itself was not added."""
        if not name:
            return self.default
        name = name.lower().rstrip(".")
        found = self._exact.get(name)
        if found is None:
            label, _, parent = name.partition(".")
            found = self._wildcards.get(parent) if label else None
        return self.default if found is None else found
