"""`webpy dev`: serves TARGET to its developer. The work is done by `webpy.dev`."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import click

from .errors import warn
from .options import Given, kind_option, settings_options
from .targets import given_or_default, target_argument

__all__ = ["dev"]


@click.command(short_help="Run an application for its developer: reloads, pages for exceptions.")
@target_argument
@kind_option
@click.option("--locals/--no-locals", "show_locals", default=False, help="Show local variables of exceptions' frames.")
@settings_options
def dev(target: str | None, kind: str | None, show_locals: bool, **arguments: Any) -> None:
    """Run an application on one worker for its developer.

    It is loaded again when a source changes. An exception is shown in the browser with its source lines, for clients on
    this machine only; so is why the application does not load, until it does. A line is printed for each request.

    TARGET is by default the first of app.py, wsgi.py, asgi.py, main.py that exists in the current folder or --chdir.

    Exit status: as of `webpy serve`.
    """
    from ..dev.application import Options
    from ..dev.serving import DEFAULTS, serve
    from ..settings import SettingsError

    given = Given.of(arguments)
    workers = given.cli.get("workers", "1")
    if workers != "1":
        raise SettingsError(f"--workers: got {workers!r}, but webpy dev has one worker; `webpy serve` has many")
    short_lines = not {"access_log", "access_format"} & given.cli.keys()
    given = dataclasses.replace(given, cli={**DEFAULTS, **given.cli})
    resolved = given.resolve()
    warn(resolved.warnings)
    target = given_or_default(target, resolved)
    sys.exit(serve(Options(target, kind, show_locals, short_lines), given.resolve))
