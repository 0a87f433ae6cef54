"""Owns configuration: entries such as `tools.gzip.on`, from dicts and files, and the namespaces that act on them.

`config` is the global one. What the namespaces `server`, `engine`, `log` and `tree` do with an entry is registered by
those that own these things.
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
    """The entries that hold for everything; setting one acts on its namespace.

    `environments` are sets of entries by name, taken for what is not set by itself where `environment` is.
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
        """Back to the defaults."""
        self.clear()
        super().update(self.defaults)

    def update(self, source: Source) -> None:  # type: ignore[override]
        """Take the entries of a dict, or of the section `global` of one that has it, or of such a file.

        Raises ValueError that names a value of a file that is no Python expression, KeyError for an unknown
        environment.
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
        """A decorator that gives a page handler or a class entries of its own.

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
