"""Users' mistakes become messages and exit statuses here, at the edge: no traceback of webpy's own.

Used by the command line only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from ..settings import SettingsError

__all__ = ["ABOUT_SETTINGS", "ABOUT_TARGET", "report_errors", "warn"]

# Exit statuses (INTERFACE.md): wrong usage or settings, and an application that did not load.
ABOUT_SETTINGS = 2
ABOUT_TARGET = 3


@contextmanager
def report_errors() -> Iterator[None]:
    """Ends the process with the status and the words for a mistake in settings or TARGET raised inside."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            click.echo(f"webpy: {problem}", err=True)
        sys.exit(ABOUT_SETTINGS)
    except Exception as error:
        from ..target.errors import TargetError

        if not isinstance(error, TargetError):
            raise
        click.echo(f"webpy: {error}", err=True)
        sys.exit(ABOUT_TARGET)


def warn(sentences: Iterable[str]) -> None:
    """Warnings on stderr, a line each."""
    for sentence in sentences:
        click.echo(f"webpy: warning: {sentence}", err=True)
