"""The command line options, made from the dataclass of settings.

Values are passed on as the strings that were typed: `settings.resolve` reads them, so that a mistake gets the same
message from any source.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from ..settings import OPTIONS, Option, Resolved, SettingsError, find_config, resolve
from ..settings.aliases import bind_of
from ..settings.toml import shown_default

__all__ = ["Given", "kind_option", "settings_options"]

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Given:
    """The settings that were given on the command line.

    `resolve` may be called repeatedly, for reloads: it reads the file and the environment again, from the folder in
    which the command was started.
    """

    cli: Mapping[str, object]
    config: str | None
    base: Path

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> Given:
        """Return the settings in a click command's arguments.

        Raises SettingsError when --host or --port contradict --bind.
        """
        config, host, port = arguments.pop("config"), arguments.pop("host", None), arguments.pop("port", None)
        if host is not None or port is not None:
            if arguments.get("bind"):
                given = "--port" if port is not None else "--host"
                raise SettingsError(f"{given}: given beside --bind, wanted either --bind or --host and --port")
            arguments["bind"] = (bind_of(host, port),)
        values = {name: value for name, value in arguments.items() if name in OPTIONS and value not in (None, ())}
        return cls(values, config, Path.cwd())

    def resolve(self) -> Resolved:
        """Return the settings of now. Raises SettingsError."""
        file = find_config(self.config, os.environ, self.base)
        return resolve(self.cli, os.environ, file, base=self.base)


def settings_options(command: _F) -> _F:
    """Add `--config`, an option for each setting, and `--host` and `--port`, another way to write `--bind`."""
    for option in reversed(OPTIONS.values()):
        command = _option(option)(command)
    command = click.option("--port", metavar="N", help="Listen on port N of --host, or of 127.0.0.1.")(command)
    command = click.option("--host", metavar="HOST", help="Listen on HOST, with --port or on 8000.")(command)
    default = "[default: webpy.toml, else [tool.webpy] of pyproject.toml]"
    return click.option("--config", metavar="FILE", help=f"Settings file.  {default}")(command)


def kind_option(command: _F) -> _F:
    """Add `--kind`."""
    from ..target.target import KINDS

    text = "How to serve TARGET.  [default: detected]"
    return click.option("--kind", type=click.Choice(list(KINDS)), help=text)(command)


def _option(option: Option) -> Callable[[_F], _F]:
    hidden = not option.ready
    if option.type.flag:
        return click.option(f"{option.flag}/--no-{option.flag[2:]}", default=None, help=option.help, hidden=hidden)
    default = shown_default(option)
    text = f"{option.help}  [default: {default}]" if default else option.help
    metavar = option.type.metavar
    names = (option.flag, option.short) if option.short else (option.flag,)
    return click.option(*names, metavar=metavar, multiple=option.type.many, help=text, hidden=hidden)
