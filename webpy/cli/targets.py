"""The argument TARGET of commands that load an application, and what it is if it is not given.

Owns the names of the files that are looked for. Knows nothing of what is in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..settings import Resolved

__all__ = ["DEFAULT_FILES", "given_or_default", "target_argument"]

_F = TypeVar("_F", bound=Callable[..., Any])

DEFAULT_FILES = ("app.py", "wsgi.py", "asgi.py", "main.py")
"""The first of these that exists is TARGET if none is given."""


def target_argument(command: _F) -> _F:
    """Add `[TARGET]`, which `given_or_default` completes."""
    return click.argument("target", required=False)(command)


def given_or_default(target: str | None, resolved: Resolved) -> str:
    """Return TARGET, or if it is None the first of DEFAULT_FILES in the folder of `--chdir` or the current one; then a
    line on stderr says which. Raises click.UsageError if there is none."""
    if target is not None:
        return target
    folder = resolved.settings.chdir or str(resolved.base)
    names = ", ".join(DEFAULT_FILES)
    for name in DEFAULT_FILES:
        if os.path.isfile(os.path.join(folder, name)):
            click.echo(f"webpy: TARGET is {name}, the first of {names} in {folder}", err=True)
            return name
    raise click.UsageError(f"Missing argument 'TARGET': none of {names} is in {folder}")
