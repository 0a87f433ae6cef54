"""Owns `config`, the global configuration: entries such as `tools.gzip.on`, which act on the namespace of their name.

The functions of the namespaces `server`, `engine`, `log` and `tree` are registered by `webpy.objects` itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from .namespaces import NamespaceSet
from .reading import Source, read

__all__ = ["Config", "config"]

Decorated = TypeVar("Decorated")

_QUIET: dict[str, Any] = {
    "engine.autoreload.on": False,
    "checker.on": False,
    "tools.log_headers.on": False,
    "request.show_tracebacks": False,
    "request.show_mismatched_params": False,
}


class Config(dict[str, Any]):
    """The entries that hold for all applications. Setting one also calls its namespace.

    environments: named sets of entries. The entry `environment` selects one, whose entries hold unless they are set.
    """

    environments: ClassVar[dict[str, dict[str, Any]]] = {
        "staging": _QUIET,
        "production": {**_QUIET, "log.screen": False},
        "embedded": {**_QUIET, "log.screen": False},
        "test_suite": {
            **_QUIET,
            "request.show_tracebacks": True,
            "request.show_mismatched_params": True,
            "log.screen": False,
        },
    }

    def __init__(self) -> None:
        super().__init__()
        self.defaults: dict[str, Any] = {}
        self.namespaces = NamespaceSet()

    def reset(self) -> None:
        """Restore the defaults."""
        self.clear()
        super().update(self.defaults)

    def update(self, source: Source) -> None:  # type: ignore[override]
        """Set the entries of a dict or of a file; only those of its section `global`, if it has one.

        Raises ValueError for a value of a file that is not a Python expression, KeyError for an unknown environment.
        """
        entries = read(source)
        if isinstance(entries.get("global"), dict):
            entries = entries["global"]
        if "tools.staticdir.dir" in entries:
            entries["tools.staticdir.section"] = "global"
        environment = entries.get("environment")
        if environment:
            for key, value in self.environments[environment].items():
                entries.setdefault(key, value)
        super().update(entries)
        self.namespaces(entries)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.namespaces({key: value})

    @staticmethod
    def __call__(**entries: Any) -> Callable[[Decorated], Decorated]:
        """Return a decorator that sets entries for one page handler or class.

        @config(**{"response.timeout": 10})
        """

        def decorate(target: Decorated) -> Decorated:
            own: Any = target
            if not hasattr(own, "_cp_config"):
                own._cp_config = {}
            own._cp_config.update(entries)
            return target

        return decorate


config = Config()
