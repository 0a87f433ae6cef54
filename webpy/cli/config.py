"""`webpy config`: prints the effective settings as TOML, each with where it came from."""

from __future__ import annotations

from typing import Any

import click

from .errors import warn
from .options import Given, kind_option, settings_options

__all__ = ["config"]


@click.command(short_help="Print the effective settings, each with where it came from.")
@click.argument("target", required=False)
@kind_option
@settings_options
def config(target: str | None, kind: str | None, **arguments: Any) -> None:
    """Print the effective settings as TOML, each with where it came from.

    The output can be used as webpy.toml. If TARGET is given and is an HTTPServer, its keywords count too; the
    application is loaded for that.
    """
    from ..settings import to_toml

    resolved = Given.of(arguments).resolve()
    if target is not None:
        from .check import load

        found = load(target, kind, resolved)
        resolved = resolved.with_keywords(found.settings)
    warn(resolved.warnings)
    click.echo(to_toml(resolved), nl=False)
