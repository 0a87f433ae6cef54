"""`webpy serve`: runs TARGET with the settings of the command line, the environment and the file.

Imports nothing of the application: the zygote does, so that no fault in it can end the master.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from .errors import warn
from .options import Given, kind_option, settings_options
from .targets import given_or_default, target_argument

__all__ = ["serve"]


@click.command(short_help="Run an application on every core.")
@target_argument
@kind_option
@settings_options
def serve(target: str | None, kind: str | None, **arguments: Any) -> None:
    """Run an application on every core.

    TARGET is package.module:attribute or path/to/file.py:attribute, relative to the current folder or --chdir. By
    default it is the first of app.py, wsgi.py, asgi.py, main.py that exists there.

    Exit status: 0 stopped as asked, 2 wrong usage or settings, 3 the application did not load, 4 cannot bind,
    1 anything else.
    """
    given = Given.of(arguments)
    resolved = given.resolve()  # a mistake in the settings ends the command here, before anything is started
    warn(resolved.warnings)
    target = given_or_default(target, resolved)

    from ..serving import serve as run

    sys.exit(run(target, given.resolve, kind))
