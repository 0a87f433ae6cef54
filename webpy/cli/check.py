"""`webpy check`: loads everything in this process without binding, and prints what it found or what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from .errors import warn
from .options import Given, kind_option, settings_options
from .targets import given_or_default, target_argument

if TYPE_CHECKING:
    from ..settings import Resolved, Settings
    from ..target.target import Target

__all__ = ["check", "load", "names_of"]


@click.command(short_help="Load the application and check the settings, without serving.")
@target_argument
@kind_option
@settings_options
def check(target: str | None, kind: str | None, **arguments: Any) -> None:
    """Load the application and check the settings, without serving; print what is wrong.

    TARGET is by default the first of app.py, wsgi.py, asgi.py, main.py that exists in the current folder or --chdir.

    Exit status: 0 all is well, 2 wrong usage or settings, 3 the application does not load.
    """
    from ..framework.routing.review import review
    from ..singleworker import refusal, single_worker_names
    from ..target.errors import TargetError

    resolved = Given.of(arguments).resolve()
    warn(resolved.warnings)
    target = given_or_default(target, resolved)
    _tls(resolved)
    found = load(target, kind, resolved)
    table = found.compiled()
    workers = resolved.settings.worker_count()
    if workers > 1 and (names := single_worker_names()):
        raise TargetError(f"{found.name}: {workers} workers: {refusal(names)}")
    if found.settings:
        resolved = resolved.with_keywords(found.settings)
        _tls(resolved)
    warn(warning for warnings in review(table.routes) for warning in warnings)
    count = len(table.routes)
    many = "1 route" if count == 1 else f"{count} routes"
    covers = many if found.kind in ("routes", "server") else "all paths"
    behind = f", behind {names_of(table.mixins)}" if table.mixins else ""
    click.echo(f"ok: {found.name} — {covers} ({found.kind}){behind}")
    click.echo(f"ok: settings — {_summary(resolved.settings)}")


def names_of(mixins: Iterable[type]) -> str:
    """Return the names of the target's mix-ins, in their order."""
    return ", ".join(mixin.__qualname__ for mixin in mixins)


def load(target: str, kind: str | None, resolved: Resolved) -> Target:
    """Return the loaded TARGET, imported from --chdir if that is set. Raises TargetError."""
    from ..framework.renaming import show_warnings
    from ..target.target import load_target

    show_warnings()
    if resolved.settings.chdir is not None:
        os.chdir(resolved.settings.chdir)
    return load_target(target, kind)


def _tls(resolved: Resolved) -> None:
    if resolved.settings.acme:
        from ..acme import require_library

        require_library(resolved)
    if resolved.settings.certfile is None:
        return
    from ..settings import SettingsError
    from ..tls import make_context

    try:
        make_context(resolved.settings, resolved.settings.chdir or resolved.base)
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError(f"{resolved.labels['certfile']}: {error}") from None


def _summary(settings: Settings) -> str:
    workers = settings.worker_count()
    tls = ", TLS" if "https" in settings.schemes() else ""
    return f"{', '.join(settings.bind)}{tls}, {workers} worker{'s' if workers != 1 else ''}, {settings.threads} threads"
