"""Owns the templates of Jinja2 (the extra `page`): an environment for each folder. Knows no handlers.

Everything is escaped, whatever the ending of the file's name, as every page is HTML. Errors are Jinja2's own: their
tracebacks name the template and the line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

__all__ = ["check_installed", "folder_beside", "render_file", "render_text"]

Prepare = Callable[["jinja2.Environment"], None]

_MAX_TEXTS = 256


def check_installed(name: str) -> None:
    """Raise ImportError, which says what to install for the class `name`, if Jinja2 is missing."""
    try:
        found = find_spec("jinja2")
    except ValueError:  # sys.modules has None for it: it is hidden
        found = None
    if found is None:
        raise ImportError(f"{name}: page_engine = 'jinja2' needs Jinja2: pip install 'webpy[page]'")


def folder_beside(module: str, folder: str | os.PathLike[str]) -> str:
    """Return the absolute path of `folder`, relative to where the file of `module` is."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return os.path.join(os.path.dirname(os.path.abspath(file)) if file else os.getcwd(), folder)


def render_file(folder: str, prepare: Prepare, name: str, values: Mapping[str, Any]) -> str:
    """Return the filled template of the file `name` in `folder`. Raises jinja2.TemplateError, and what its code does.

    prepare: called with the environment when it is made.
    """
    return _environment(folder, prepare).get_template(name).render(values)


def render_text(folder: str, prepare: Prepare, text: str, values: Mapping[str, Any]) -> str:
    """Do as `render_file` does with the template `text`, which may extend and include those of `folder`."""
    return _compiled(folder, prepare, text).render(values)


@lru_cache
def _environment(folder: str, prepare: Prepare) -> jinja2.Environment:
    from jinja2 import Environment, FileSystemLoader

    # A template is compiled once: what changes on the disk is served after a reload, as code is.
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, auto_reload=False)
    prepare(environment)
    return environment


@lru_cache(_MAX_TEXTS)
def _compiled(folder: str, prepare: Prepare, text: str) -> jinja2.Template:
    return _environment(folder, prepare).from_string(text)
