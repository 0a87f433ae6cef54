"""Where a page's configuration comes from, and which entry wins: the same on CherryPy and on webpy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..sidebyside import Pair

SCRIPT = """
import json
import os

import cherrypy

HERE = os.path.dirname(os.path.abspath(__file__))
seen = []


def remember(key, value):
    seen.append([key, value])


cherrypy.config.namespaces["mine"] = remember


class Deep:
    _cp_config = {"level": "deep", "inherited": "deep"}

    @cherrypy.expose
    @cherrypy.config(level="page", extra=1)
    def page(self):
        return said()

    @cherrypy.expose
    def sibling(self):
        return said()


class Root:
    _cp_config = {"level": "root", "root": True}
    deep = Deep()

    @cherrypy.expose
    def index(self):
        return said()

    @cherrypy.expose
    def any(self, *args):
        return said()

    @cherrypy.expose
    def site(self):
        config = cherrypy.config
        return json.dumps({
            "text": config.get("text"), "number": config["number"], "env": config.get("request.show_tracebacks"),
            "seen": sorted(seen), "in": "text" in config, "kept": config.get("Mixed.Case"), "later": config["later"],
        })

    @cherrypy.expose
    def application(self, path="/", key="level"):
        app = cherrypy.request.app
        return json.dumps([sorted(app.config), app.find_config(path, key, "none"), {
            name: getattr(value, "__name__", value) for name, value in app.config["/typed"].items()}])

    @cherrypy.expose
    def crash(self):
        return 1 // 0

    @cherrypy.expose
    def mismatch(self, a):
        return a


def said():
    names = ("level", "root", "extra", "inherited", "text", "number", "later", "path", "from_ini")
    config = cherrypy.request.config
    return json.dumps({name: config.get(name) for name in names}, sort_keys=True)


cherrypy.config.update(os.path.join(HERE, "site.ini"))
cherrypy.config.update({"number": 3, "mine.one": 1, "mine.two.three": "x"})
cherrypy.config.update({"global": {"later": "global section"}})
cherrypy.config["mine.item"] = "item"
app = cherrypy.tree.mount(Root(), "/", os.path.join(HERE, "app.ini"))
app.merge({"/merged": {"path": "merged"}, "/deep": {"path": "deep merged"}})


class Bad:
    pass


errors = []
for config in ({"no": "sections"}, os.path.join(HERE, "bad.ini"), os.path.join(HERE, "none.ini")):
    try:
        cherrypy.tree.mount(Bad(), "/bad", config)
    except Exception as error:
        errors.append(type(error).__name__)
cherrypy.tree.apps.pop("/bad", None)


class Errors:
    @cherrypy.expose
    def index(self):
        return json.dumps(errors)


cherrypy.tree.mount(Errors(), "/errors")
cherrypy.engine.start()
cherrypy.engine.block()
"""
FILES = {
    "site.ini": """
[global]
environment: "production"
text: "from the file"
number = 1
later = None
Mixed.Case = 'kept'
mine.file = [1, 2]
""",
    "app.ini": """
[/]
level = "ini root"
from_ini = 1 + 1
error_page.404 = "/no/such/page"

[/deep]
path = "deep"
from_ini = {'a': [1, (2, 3)], 'b': None, 'c': True}

[/deep/page]
path = "page"
from_ini = os.path.join('a', 'b')

[/any]
path = "any"
tools.response_headers.on = True
tools.response_headers.headers = [('X-Any', 'any')]

[/any/below]
path = "below any"
tools.response_headers.on = False

[/any/with space]
path = "a space"

[/typed]
a = 'text'
b = 1.5
c = [1, 2] * 2
d = dict(x=1)
e = int
f = os.path.basename
g = -1
h = "%(a)s"
""",
    "bad.ini": "[/]\nvalue = no python at all !\n",
}
PATHS = """
    / /any /any/x /any/below /any/below/x /any/with%20space /deep /deep/ /deep/page /deep/page/ /deep/sibling /merged
    /site /crash /mismatch /errors /errors/ /application?path=/deep/page/x&key=path /application?path=/nothing
    /application?path=&key=from_ini /none
    """


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Pair:
    return pair(SCRIPT, files=FILES)


@pytest.mark.parametrize("path", PATHS.split())
def test_pages(both: Pair, path: str) -> None:
    both.same("GET", path)


def test_production_hides_what_is_wrong(both: Pair) -> None:
    assert "Missing" not in both.same("GET", "/mismatch").text
