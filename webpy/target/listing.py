"""Owns the list of a target's routes for people: what each matches, who answers, and where that is defined.

Reads source files to find lines, and calls nothing of the application. Used by `webpy routes`.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import os
import sys
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..framework.handler import HTTPHandler
from ..framework.routing.review import review
from ..framework.routing.routes import Route, RouteTable
from ..framework.routing.templates import PathTemplate

__all__ = ["ListedRoute", "list_routes"]

#: where libraries are: the class of an application that one of them offers says nothing of the application
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))


@dataclass(frozen=True, slots=True)
class ListedRoute:
    """A route as people see it.

    route: the regex or template; kind: "regex" or "path"; host: None if requests for any host may have it; handler: the
    name of the handler, or what it hosts; methods: None if it may answer any; defined: file and line, None if unknown.
    """

    route: str
    kind: str
    host: str | None
    handler: str
    methods: tuple[str, ...] | None
    defined: str | None
    warnings: tuple[str, ...]


def list_routes(table: RouteTable) -> list[ListedRoute]:
    """Return the routes of a table in their order."""
    return [_listed(route, warnings) for route, warnings in zip(table.routes, review(table.routes), strict=True)]


def _listed(route: Route, warnings: list[str]) -> ListedRoute:
    handler = route.handler
    is_template = isinstance(route.key, PathTemplate)
    what, hosted = _hosted(handler)
    return ListedRoute(
        route=str(route.key) if is_template else route.pattern.pattern,
        kind="path" if is_template else "regex",
        host=route.host,
        handler=f"{what} {_name(hosted)}" if what else handler.__qualname__.replace("<locals>.", ""),
        methods=None if handler.any_method else tuple(handler.methods()),
        defined=(_place(hosted) if what else None) or _place_of_handler(handler),
        warnings=tuple(warnings),
    )


#: the classes that run or send what is not a webpy handler
_HOSTING = frozenset(
    {
        "webpy.cgi.handler.CGIHandler",
        "webpy.file.handlers.FileHandler",
        "webpy.file.handlers.PathHandler",
        "webpy.objects.handler.ObjectsHandler",
        "webpy.stdlib.handler.StdlibHandler",
        "webpy.wsgi.handler.WSGIHandler",
    }
)


def _hosted(handler: Any) -> tuple[str, Any]:
    """Return what a handler hosts: the kind of that, and the thing itself; "" and the handler for one of its own."""
    host = _hosting_class(handler)
    if host == "webpy.wsgi.handler.WSGIHandler":
        return "WSGI application", handler.app
    if host == "webpy.objects.handler.ObjectsHandler":
        if handler.grafted is not None:
            return "WSGI application", handler.grafted.app
        apps = [app for app in handler.tree.apps.values() if hasattr(app, "root")]
        return "objects", apps[0].root if len(apps) == 1 else handler.tree
    if host == "webpy.stdlib.handler.StdlibHandler":
        return "http.server handler", handler.kind
    if host == "webpy.cgi.handler.CGIHandler":
        return "CGI scripts of", Path(handler.directory)
    if host == "webpy.file.handlers.PathHandler":
        return "files of", Path(handler.file_local)
    if host == "webpy.file.handlers.FileHandler":
        return "file", Path(handler.file_path)
    return "", handler


def _hosting_class(handler: type[HTTPHandler]) -> str:
    """Return the name of the class that runs or sends what is hosted; it is not imported for this."""
    for cls in handler.__mro__:
        name = f"{cls.__module__}.{cls.__name__}"
        known = sys.modules.get(cls.__module__)
        if name in _HOSTING and getattr(known, cls.__name__, None) is cls:
            return name
    return ""


def _name(thing: Any) -> str:
    if isinstance(thing, Path):
        return os.fspath(thing)
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return str(named.__qualname__).replace("<locals>.", "")


def _place_of_handler(handler: type[HTTPHandler]) -> str | None:
    """Return where the handler is defined: the nearest class with a place that is the application's own."""
    for cls in handler.__mro__:
        if cls.__module__.partition(".")[0] != "webpy" and (found := _place(cls)) is not None:
            return found
    return None


def _place(thing: Any) -> str | None:
    """Return file and line of a class or function, or of the class of an object that is the application's own; None if
    they cannot be known."""
    if isinstance(thing, Path):
        return None
    try:
        code = inspect.unwrap(thing).__code__
    except (AttributeError, ValueError):
        cls = thing if isinstance(thing, type) else type(thing)
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        if file is None or (cls is not thing and file.startswith(_INSTALLED)):
            return None
        line = _lines(file).get(cls.__qualname__)
        return None if line is None else f"{_shown(file)}:{line}"
    return f"{_shown(code.co_filename)}:{code.co_firstlineno}"


@lru_cache(maxsize=64)
def _lines(file: str) -> dict[str, int]:
    """Return the lines of a file's classes by their qualified names. (`inspect` reads the file once for each class.)"""
    found: dict[str, int] = {}

    def visit(node: ast.AST, before: str) -> None:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.ClassDef):
                found.setdefault(before + inner.name, inner.lineno)
                visit(inner, f"{before}{inner.name}.")
            elif isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                visit(inner, f"{before}{inner.name}.<locals>.")
            else:
                visit(inner, before)

    with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):  # then no line is known
        visit(ast.parse(Path(file).read_bytes()), "")
    return found


def _shown(file: str) -> str:
    """Return the path relative to the current folder, if it is below it."""
    path = os.path.abspath(file)
    here = os.getcwd().rstrip("/") + "/"
    return path.removeprefix(here)
