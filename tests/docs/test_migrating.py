"""The pages about CherryPy and http.server name what is missing, and nothing that is there."""

from __future__ import annotations

import http.server
import importlib
import pkgutil
import re
from types import ModuleType

import cherrypy
import cherrypy.lib
import cherrypy.process.plugins
import pytest

import webpy.objects
import webpy.objects.process.plugins
import webpy.stdlib
from tests.docs.pages import DOCS

CHERRYPY = (DOCS / "migrating" / "cherrypy.md").read_text()
_OF_LIB = ("auth_basic", "auth_digest", "caching", "cptools", "encoding", "httputil", "jsontools", "sessions", "static")


def names(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def named(text: str) -> set[str]:
    """The last parts of the names in backticks: `process.plugins` is `plugins`."""
    return {name for code in re.findall(r"`([\w.]+)`", text) for name in (code, code.rpartition(".")[2])}


def missing_rows() -> str:
    """What the page says is not there: to the right of a semicolon or of a column, before "not there"."""
    return "\n".join(line for line in CHERRYPY.splitlines() if "not there" in line or "but for" in line)


def test_names_of_cherrypy() -> None:
    theirs = set(cherrypy.__all__)
    missing = theirs - names(webpy.objects)
    assert missing == {"wsgi"}  # which the page says before its table
    assert theirs <= named(CHERRYPY) | {"process"}


@pytest.mark.parametrize("name", ["tools", "engine", "log", "server", "dispatch"])
def test_what_a_part_of_cherrypy_lacks_is_named(name: str) -> None:
    theirs, ours = getattr(cherrypy, name), getattr(webpy.objects, name)
    missing = names(theirs) - names(ours)
    if isinstance(theirs, ModuleType):
        missing = {each for each in missing if getattr(getattr(theirs, each), "__module__", "") == theirs.__name__}
        missing -= {"validate_translator", "test_callable_spec", "getargspec"}  # its own checks
    if name == "server":
        # what a program calls; the rest are settings of CherryPy's own sockets
        missing &= {"start", "stop", "wait", "restart", "httpserver", "instance", "statistics"}
    assert missing <= named(missing_rows()), sorted(missing - named(missing_rows()))


def test_every_tool_is_on_the_page() -> None:
    tools = names(cherrypy.tools) - {"register", "namespace"}  # methods of the toolbox
    assert tools <= named(CHERRYPY), sorted(tools - named(CHERRYPY))


def test_modules_of_lib() -> None:
    theirs = {module.name for module in pkgutil.iter_modules(cherrypy.lib.__path__)}
    for name in theirs:
        there = importlib.util.find_spec(f"webpy.objects.lib.{name}") is not None
        row = next(line for line in CHERRYPY.splitlines() if f"`lib.{name}`" in line)
        assert there == ("| the same" in row), row
    for name in _OF_LIB:
        module = importlib.import_module(f"cherrypy.lib.{name}")
        lacking = names(module) - names(importlib.import_module(f"webpy.objects.lib.{name}"))
        classes = {each for each in lacking if getattr(getattr(module, each), "__module__", "") == module.__name__}
        public = {each for each in classes if each[0].isupper() or each == "decompress"} - {"TRACE"}
        assert public <= named(missing_rows()), sorted(public - named(missing_rows()))


def test_plugins() -> None:
    row = next(line for line in CHERRYPY.splitlines() if line.startswith("| `process.plugins`"))
    there, gone = row.split(";")
    assert named(there) - {"plugins", "process.plugins"} <= names(webpy.objects.process.plugins)
    assert not named(gone) & names(webpy.objects.process.plugins)
    theirs = {each for each in names(cherrypy.process.plugins) if each[0].isupper()}
    assert theirs <= named(row), sorted(theirs - named(row))


def test_names_of_http_server() -> None:
    text = (DOCS / "migrating" / "http-server.md").read_text()
    for name in http.server.__all__:
        assert name in named(text)
        lacking = names(getattr(http.server, name)) - names(getattr(webpy.stdlib, name))
        assert lacking <= named(text), sorted(lacking - named(text))
