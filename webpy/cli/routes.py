"""`webpy routes`: lists the routes of TARGET, and warns of those that can never answer. `webpy check` prints the same
warnings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from .check import load, names_of
from .errors import warn
from .options import Given, kind_option
from .targets import given_or_default, target_argument

if TYPE_CHECKING:
    from ..target.listing import ListedRoute
    from ..target.target import Target

__all__ = ["routes"]


@click.command(short_help="List the routes of an application, and those that can never answer.")
@target_argument
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON, warnings included.")
@kind_option
@click.option("--chdir", metavar="DIR", help="Load TARGET from this folder.")
@click.option("--config", metavar="FILE", help="Settings file.  [default: webpy.toml, else pyproject.toml]")
def routes(target: str | None, as_json: bool, kind: str | None, chdir: str | None, config: str | None) -> None:
    """List the routes of TARGET in the order in which they are asked; the first that matches answers.

    TARGET is by default the first of app.py, wsgi.py, asgi.py, main.py that exists in the current folder or --chdir.

    A route is a path template (webpy.path) or a regex for path and query. Warnings name routes that match no request,
    routes behind another that matches all that they match, and handlers without methods. The application is loaded;
    nothing is bound or started.

    Exit status: 0, with warnings too; 2 wrong usage or settings, 3 the application does not load.
    """
    from ..target.listing import list_routes

    resolved = Given.of({"config": config, "chdir": chdir}).resolve()
    found = load(given_or_default(target, resolved), kind, resolved)
    table = found.compiled()
    listed, mixins = list_routes(table), names_of(table.mixins)
    if as_json:
        click.echo(_json(found, listed, mixins.split(", ") if mixins else []))
        return
    click.echo(_headline(found, len(listed)) + (f", behind {mixins}" if mixins else ""))
    for line in _table(listed):
        click.echo(line)
    warn(warning for route in listed for warning in route.warnings)


def _headline(found: Target, count: int) -> str:
    """Return the line above the table: what TARGET is."""
    from ..target.target import KINDS

    many = "1 route" if count == 1 else f"{count} routes"
    what = {"routes": many, "server": f"{KINDS['server']} with {many}"}
    return f"{found.name}: {what.get(found.kind) or f'{KINDS[found.kind]}, for all paths'}"


def _table(listed: list[ListedRoute]) -> Iterable[str]:
    """Yield the lines of an aligned table; the column of hosts only if there are any."""
    rows = [("ROUTE", "KIND", "HOST", "HANDLER", "METHODS", "DEFINED")]
    for route in listed:
        methods = "any" if route.methods is None else " ".join(route.methods)
        rows.append((route.route, route.kind, route.host or "any", route.handler, methods, route.defined or "-"))
    shown = [place for place in range(len(rows[0])) if place != 2 or any(route.host for route in listed)]
    widths = [max(len(row[place]) for row in rows) for place in shown]
    for row in rows if listed else []:
        cells = (row[place].ljust(width) for place, width in zip(shown, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _json(found: Target, listed: list[ListedRoute], mixins: list[str]) -> str:
    from dataclasses import asdict

    told = {"target": found.name, "kind": found.kind, "mixins": mixins, "routes": [asdict(each) for each in listed]}
    return json.dumps(told, indent=2)
