"""Owns configuration: entries such as `tools.gzip.on`, from dicts and files, and the namespaces that act on them.

`config` is the global one. What the namespaces `server`, `engine`, `log` and `tree` do with an entry is registered by
those that own these things.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable, Mapping
from typing import IO, Any, ClassVar, TypeVar

from .literal import evaluate

__all__ = ["Config", "NamespaceSet", "Source", "config", "merge", "read"]

Source = Mapping[str, Any] | str | os.PathLike[str] | IO[str]
Decorated = TypeVar("Decorated")

_QUIET: dict[str, Any] = {
    "engine.autoreload.on": False,
    "checker.on": False,
    "tools.log_headers.on": False,
    "request.show_tracebacks": False,
    "request.show_mismatched_params": False,
}


class NamespaceSet(dict[str, Any]):
    """Namespaces by name: called with a configuration, gives each of its entries to the namespace of its name.

    A namespace is a callable of the rest of the entry's name and its value, or a context manager that gives one when
    it is entered, and is left when all entries have been seen.
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
        """A copy that changes apart from this one."""
        return NamespaceSet(self)


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


def merge(base: dict[str, dict[str, Any]], source: Source) -> None:
    """Add an application's configuration, of paths to their entries, to `base`. Raises ValueError for entries outside
    of a path."""
    for section, entries in read(source).items():
        if not isinstance(entries, Mapping):
            raise ValueError(
                f"the configuration of an application: got the entry {section!r} beside the paths, wanted it in the "
                f"dict, or the section, of a path: {{'/': {{{section!r}: ...}}}}"
            )
        base.setdefault(section, {}).update(entries)


def read(source: Source) -> dict[str, Any]:
    """A configuration as a dict that may be changed: of a dict, the path of a file, or an open one."""
    if isinstance(source, Mapping):
        return {key: dict(value) if isinstance(value, Mapping) else value for key, value in source.items()}
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    if isinstance(source, (str, bytes, os.PathLike)):
        with open(source) as file:
            parser.read_file(file, os.fsdecode(source))
    else:
        parser.read_file(source)
    return {section: dict(_entries(parser, section)) for section in parser.sections()}


def _entries(parser: configparser.ConfigParser, section: str) -> list[tuple[str, Any]]:
    found = []
    for key, text in parser.items(section):
        try:
            found.append((key, evaluate(text)))
        except Exception as error:
            raise ValueError(
                f"Config error in section: {section!r}, option: {key!r}, value: {text!r}. "
                f"Config values must be valid Python. ({type(error).__name__}: {error})"
            ) from error
    return found
