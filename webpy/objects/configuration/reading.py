"""Owns the reading of configurations: dicts, and files with a section for each path."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from typing import IO, Any

from .literal import evaluate

__all__ = ["Source", "merge", "read"]


Source = Mapping[str, Any] | str | os.PathLike[str] | IO[str]


def merge(base: dict[str, dict[str, Any]], source: Source) -> None:
    """Add an application's configuration, which maps paths to entries, to `base`. Raises ValueError for entries that
    are not below a path."""
    for section, entries in read(source).items():
        if not isinstance(entries, Mapping):
            raise ValueError(
                f"the configuration of an application: got the entry {section!r} beside the paths, wanted it in the "
                f"dict, or the section, of a path: {{'/': {{{section!r}: ...}}}}"
            )
        base.setdefault(section, {}).update(entries)


def read(source: Source) -> dict[str, Any]:
    """Return a configuration as a new dict. source: a mapping, the path of a file, or an open file.

    Raises ValueError for a value of a file that is not a Python expression, OSError if the file cannot be read.
    """
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
