"""`webpy files`: serves a directory, with lists of what is in it. All of it is `webpy.file`; here are words only."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from .errors import warn
from .options import Given, settings_options

if TYPE_CHECKING:
    from ..worker import Site

__all__ = ["files"]


@click.command(short_help="Serve a directory: static files, listings.")
@click.argument("directory", metavar="[DIR]", default=".")
@settings_options
def files(directory: str, **arguments: Any) -> None:
    """Serve a directory on every core: static files, index.html, lists of what is in a folder.

    DIR is the current folder if not given; a relative one is looked for in the current folder or the one of --chdir.
    Names that begin with a dot are not served, nor are webpy.toml, databases of webpy's own, and links that lead out
    of DIR.

    Exit status: 0 stopped as asked, 2 wrong usage or settings, 3 DIR is no directory, 4 cannot bind, 1 anything else.
    """
    given = Given.of(arguments)
    resolved = given.resolve()
    warn(resolved.warnings)
    problem = _problem(os.path.join(resolved.settings.chdir or "", directory))
    if problem:
        from ..target.errors import TargetError

        raise TargetError(problem)

    from ..serving import serve_site

    sys.exit(serve_site(lambda: _site(directory), given.resolve, f"files {directory}"))


def _problem(directory: str) -> str | None:
    """Why the directory cannot be served, in words; None if it can."""
    if not os.path.exists(directory):
        return f"files: no such directory: {os.path.abspath(directory)!r}"
    if not os.path.isdir(directory):
        return f"files: got {directory!r}, wanted a directory"
    if not os.access(directory, os.R_OK | os.X_OK):
        return f"files: {os.path.abspath(directory)!r} cannot be read: permission denied"
    return None


def _site(directory: str) -> Site:
    """Routes for the directory (in the zygote, in the folder of --chdir)."""
    from ..file import new
    from ..supervisor import LoadError
    from ..worker import Site

    problem = _problem(directory)
    if problem:
        raise LoadError(problem)
    return Site(new(directory, dir_index=True))
