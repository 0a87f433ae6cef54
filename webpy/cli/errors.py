"""Turns mistakes of users into messages and exit statuses, without a traceback of webpy.

Used by the command line only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from ..settings import SettingsError

__all__ = ["ABOUT_SETTINGS", "ABOUT_TARGET", "report_errors", "warn"]

# Exit statuses (docs/settings.md): wrong usage or settings, and an application that did not load.
ABOUT_SETTINGS = 2
ABOUT_TARGET = 3


@contextmanager
def report_errors() -> Iterator[None]:
    """End the process with a message and the exit status if the block raises an error of settings or TARGET."""
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
    """Print warnings on stderr, a line each."""
    for sentence in sentences:
        click.echo(f"webpy: warning: {sentence}", err=True)
