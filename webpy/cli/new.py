"""`webpy new`: makes the files of a new application: code, test, Dockerfile, compose file, systemd unit, README.

Owns what is made, and from which template: those in the folder `project`, in which {{name}} stands for the name of the
application and {{file}} for the file of its code.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

__all__ = ["new"]

_KINDS = ("routes", "wsgi", "asgi")
_APPLICATION = {"routes": "app.py", "wsgi": "wsgi.py"}
_COMMON = {
    "test_app.py": "test_app.py.txt",
    "requirements.txt": "requirements.txt.txt",
    "requirements-dev.txt": "requirements-dev.txt.txt",
    "Dockerfile": "Dockerfile.txt",
    "compose.yaml": "compose.yaml.txt",
    "{{name}}.service": "unit.service.txt",
    "README.md": "README.md.txt",
    ".gitignore": "dot-gitignore.txt",
    ".dockerignore": "dot-dockerignore.txt",
    "wheels/README": "wheels-README.txt",
}


@click.command(short_help="Make the files of a new application.")
@click.argument("directory", metavar="DIR")
@click.option("--kind", type=click.Choice(_KINDS), default="routes", show_default=True, help="What the application is.")
def new(directory: str, kind: str) -> None:
    """Make the files of a new application in DIR: code, test, Dockerfile, compose file, systemd unit and README.

    DIR must not exist or be empty; the application is named after it.

    Exit status: 0 done, 2 wrong usage, 1 anything else.
    """
    if kind not in _APPLICATION:
        wanted = " or ".join(_APPLICATION)
        raise click.UsageError(f"--kind: got {kind!r}, which this version of webpy cannot serve yet, wanted {wanted}")
    folder = Path(os.path.abspath(directory))
    name = _name(directory, folder)
    _refuse_used(directory, folder)
    try:
        made = _write(folder, kind, name)
    except OSError as error:
        raise click.ClickException(f"{error.filename!r} cannot be written: {error.strerror}") from None
    click.echo(f"made in {folder}: {', '.join(made)}")
    go = "" if folder == Path.cwd() else f"cd {directory} && "
    click.echo(f"run it: {go}webpy dev")


def _name(directory: str, folder: Path) -> str:
    """Return the application's name, which is also that of a unit, a user, a service and an image."""
    name = folder.name.lower()
    if not re.fullmatch("[a-z][a-z0-9_-]{0,30}", name):
        wanted = "a letter first, then letters, digits, - and _, at most 31 in all"
        raise click.UsageError(f"DIR: got {directory!r}, which gives the name {folder.name!r}, wanted {wanted}")
    return name


def _refuse_used(directory: str, folder: Path) -> None:
    if folder.is_dir():
        if any(folder.iterdir()):
            raise click.UsageError(f"DIR: got {directory!r}, which is not empty, wanted a new or an empty folder")
    elif os.path.lexists(folder):
        raise click.UsageError(f"DIR: got {directory!r}, which is a file, wanted a new or an empty folder")


def _write(folder: Path, kind: str, name: str) -> list[str]:
    """Write the files, and return their names."""
    file = _APPLICATION[kind]
    from importlib.resources import files  # not needed by other commands

    templates = files(__package__) / "project"
    texts = {file: templates / kind / f"{file}.txt"}
    texts |= {made: templates / "common" / template for made, template in _COMMON.items()}
    names = []
    for made, template in texts.items():
        path = folder / made.replace("{{name}}", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = template.read_text("utf-8").replace("{{name}}", name).replace("{{file}}", file)
        path.write_text(text, encoding="utf-8")
        names.append(str(path.relative_to(folder)))
    return names
