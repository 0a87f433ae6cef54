"""`webpy files`: serves a directory with listings. The work is done by `webpy.file`."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from ..settings import SettingsError
from .errors import warn
from .options import Given, settings_options

if TYPE_CHECKING:
    from ..worker import Site

__all__ = ["files"]


@click.command(short_help="Serve a directory: static files, listings.")
@click.argument("directory", metavar="[DIR]", default=".")
@click.option("--immutable", metavar="REGEX", help="Paths of files that never change, for clients to keep for a year.")
@settings_options
def files(directory: str, immutable: str | None, **arguments: Any) -> None:
    """Serve a directory on every core: static files, index.html, listings of folders.

    DIR is the current folder by default; a relative DIR is taken from the current folder or --chdir. Not served are
    names that begin with a dot, webpy.toml, webpy's own databases, and links that lead out of DIR.

    Exit status: 0 stopped as asked, 2 wrong usage or settings, 3 DIR is not a directory, 4 cannot bind,
    1 anything else.
    """
    if immutable is not None:
        try:
            re.compile(immutable)
        except re.error as error:
            raise SettingsError(f"--immutable: got {immutable!r}, wanted a regex: {error}") from None
    given = Given.of(arguments)
    resolved = given.resolve()
    warn(resolved.warnings)
    problem = _problem(os.path.join(resolved.settings.chdir or "", directory))
    if problem:
        from ..target.errors import TargetError

        raise TargetError(problem)

    from ..serving import serve_site

    sys.exit(serve_site(lambda: _site(directory, immutable or False), given.resolve, f"files {directory}"))


def _problem(directory: str) -> str | None:
    """Return why the directory cannot be served, None if it can."""
    if not os.path.exists(directory):
        return f"files: no such directory: {os.path.abspath(directory)!r}"
    if not os.path.isdir(directory):
        return f"files: got {directory!r}, wanted a directory"
    if not os.access(directory, os.R_OK | os.X_OK):
        return f"files: {os.path.abspath(directory)!r} cannot be read: permission denied"
    return None


def _site(directory: str, immutable: str | bool) -> Site:
    """Return the site for the directory (called in the zygote, in the folder of --chdir). Raises LoadError."""
    from ..file import new
    from ..supervisor import LoadError
    from ..worker import Site

    problem = _problem(directory)
    if problem:
        raise LoadError(problem)
    return Site(new(directory, dir_index=True, immutable=immutable))
