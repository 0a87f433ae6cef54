"""Makes the page of the command line, from the commands' own help. Called by `generate`."""

from __future__ import annotations

import inspect

import click

from webpy.__main__ import main as module_main
from webpy.cli import main
from webpy.settings import OPTIONS

__all__ = ["page"]

_INTRODUCTION = """\
# Command line

This page is made from the commands' own help. `webpy COMMAND --help` prints the same. The options of `serve`, `files`,
`check` and `config` that are settings stand on the page of [settings](settings.md).
"""
_SETTINGS = set(OPTIONS) | {"config", "host", "port"}


def _text(help_: str | None) -> str:
    """Return the help of a command in Markdown: it is wrapped text, in which options are written as they are."""
    return inspect.cleandoc((help_ or "").partition("\f")[0])


def _arguments(command: click.Command, context: click.Context) -> str:
    rows = []
    for parameter in command.params:
        if not isinstance(parameter, click.Option) or parameter.name in _SETTINGS or parameter.hidden:
            continue
        record = parameter.get_help_record(context)
        if record is not None:
            rows.append(f"| `{record[0].replace('|', chr(92) + '|')}` | {record[1]} |")
    return "\n".join(["| option | |", "|---|---|", *rows]) if rows else ""


def _usage(name: str, command: click.Command) -> tuple[str, click.Context]:
    context = click.Context(command, info_name=name)
    return " ".join([name, *command.collect_usage_pieces(context)]), context


def _part(name: str, command: click.Command, level: int) -> list[str]:
    usage, context = _usage(name, command)
    parts = [f"{'#' * level} {name}", f"```text\n{usage}\n```", _text(command.help), _arguments(command, context)]
    if isinstance(command, click.Group):
        for each in command.commands.values():
            if not each.hidden:
                parts += _part(f"{name} {each.name}", each, level + 1)
    return parts


def page() -> str:
    """Return the page: a part for each command, and `python -m webpy`."""
    parts = [_INTRODUCTION, _text(main.help)]
    for command in main.commands.values():
        if not command.hidden:
            parts += _part(f"webpy {command.name}", command, 2)
    parts += _part("python -m webpy", module_main, 2)
    return "\n\n".join(part for part in parts if part) + "\n"
