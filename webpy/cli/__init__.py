"""The command line: `webpy serve`, `dev`, `new`, `files`, `check`, `routes`, `config`, `ctl`: a module for each.

Owns the commands' arguments, messages and exit statuses. A command imports what it needs only when it runs, so that
`--help` is quick and the master of `serve` stays small. Called by the console script `webpy`.
"""

from __future__ import annotations

from typing import Any

import click

from .check import check
from .config import config
from .ctl import ctl
from .dev import dev
from .errors import report_errors
from .files import files
from .new import new
from .routes import routes
from .serve import serve

__all__ = ["main"]


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        with report_errors():
            return super().invoke(ctx)


def _version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("webpy")
    except PackageNotFoundError:
        number = "(not installed)"
    click.echo(f"webpy {number}, Python {platform.python_version()}")
    ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def main() -> None:
    """A web server that runs Python handlers and applications on every core.

    TARGET is package.module:attribute or path/to/file.py:attribute. Without :attribute, the first that exists of
    routes, app, application, handler, server, root is served. Without TARGET, it is the first of app.py, wsgi.py,
    asgi.py, main.py that exists.

    Every option is also a key of webpy.toml (with _ for -), an environment variable WEBPY_... and a keyword of
    HTTPServer. The command line overrides the environment, the environment the file, and the file the default.
    """


for _command in (serve, dev, new, files, check, routes, config, ctl):
    main.add_command(_command)
