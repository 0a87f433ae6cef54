"""Owns `NamespaceSet`: the functions that entries of a configuration are passed to, by the first part of their names.

Knows no namespace: the global ones are registered by `webpy.objects`, those of a request by `objects.namespaces`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NamespaceSet"]


class NamespaceSet(dict[str, Any]):
    """Namespaces by name. Calling it with a configuration passes each entry to the namespace that its name begins with.

    A namespace is a function of the rest of the entry's name and the value, or a context manager that returns such a
    function when it is entered; it is left when all entries have been passed.
    """

    def __call__(self, entries: Mapping[str, Any]) -> None:
        of: dict[str, dict[str, Any]] = {}
        for key, value in entries.items():
            name, dot, rest = key.partition(".")
            if dot:
                of.setdefault(name, {})[rest] = value
        for name, namespace in self.items():
            if hasattr(namespace, "__exit__"):
                with namespace as take:
                    for key, value in of.get(name, {}).items():
                        take(key, value)
            else:
                for key, value in of.get(name, {}).items():
                    namespace(key, value)

    def copy(self) -> NamespaceSet:
        """Return an independent copy."""
        return NamespaceSet(self)
