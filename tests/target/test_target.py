"""TARGET: real files and modules, each in a folder and with names of its own; every kind; every message."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import webpy
from webpy.framework.routing.routes import compile_routes
from webpy.target.errors import TargetError
from webpy.target.target import ATTRIBUTES, KINDS, Target, load_target, loading

HANDLER = """
import webpy
class Hello(webpy.HTTPHandler):
    def do_get(self):
        return 200, 'hello'
"""
# One module with everything that can be meant, by kind.
ALL = (
    HANDLER
    + """
import http.server
hello = Hello
routes = {'/': Hello}
httpd = webpy.HTTPServer(('127.0.0.1', 0), {'/': Hello, '/a': Hello}, {'404': webpy.HTTPErrorHandler}, threads=3)
class Standard(http.server.SimpleHTTPRequestHandler): pass
def app(environ, start_response): return []
class App:
    def __call__(self, environ, start_response): return []
instance = App()
class Tree:
    def index(self): return ''
    index.exposed = True
tree = Tree()
class Rest:
    exposed = True
rest = Rest()
class Outer: pass
outer = Outer()
outer.inner = rest
number = 3
import json as module
"""
)


@pytest.fixture(autouse=True)
def own_imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Loading changes sys.path and sys.modules: put both back."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
    sys.modules.update({name: module for name, module in before.items() if name in sys.modules})


def write(path: str, text: str = "") -> None:
    """A file below the current folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def refused(spec: str, kind: str | None = None) -> TargetError:
    with pytest.raises(TargetError) as caught:
        load_target(spec, kind)
    assert (caught.value.__cause__ is None and caught.value.__suppress_context__) or caught.value.__context__ is None
    return caught.value


class TestKinds:
    @pytest.fixture(autouse=True)
    def module(self) -> None:
        write("everything.py", ALL)

    @pytest.mark.parametrize(
        ("attribute", "kind"),
        [("routes", "routes"), ("Hello", "handler"), ("hello", "handler"), ("httpd", "server"), ("Standard", "stdlib"),
         ("app", "wsgi"), ("instance", "wsgi"), ("tree", "objects"), ("Tree", "objects"),
         ("rest", "objects"), ("outer", "objects")],
    )  # fmt: skip
    @pytest.mark.parametrize("place", ["everything", "everything.py", "./everything.py"])
    def test_served(self, place: str, attribute: str, kind: str) -> None:
        target = load_target(f"{place}:{attribute}")
        assert (target.kind, target.name) == (kind, f"{place}:{attribute}")
        assert target.object is getattr(target.module, attribute)
        assert load_target(f"{place}:{attribute}", kind).kind == kind

    @pytest.mark.parametrize(
        ("attribute", "words"), [("number", "got 3 of type int"), ("module", "got the module json")]
    )
    def test_nothing_that_can_be_served(self, attribute: str, words: str) -> None:
        message = refused(f"everything:{attribute}").message
        assert message.startswith(f"everything:{attribute}: {words}, wanted one of: ") and KINDS["routes"] in message

    @pytest.mark.parametrize(
        ("attribute", "kind", "words"),
        [("routes", "handler", "got {'/': "), ("Hello", "server", "got the class everything.Hello"),
         ("app", "routes", "got <function app")],
    )  # fmt: skip
    def test_a_kind_that_does_not_fit(self, attribute: str, kind: str, words: str) -> None:
        message = refused(f"everything:{attribute}", kind).message
        assert (
            message.startswith(f"everything:{attribute}: {words}") and f"wanted {KINDS[kind]} (kind {kind})" in message
        )

    def test_an_unknown_kind(self) -> None:
        assert refused("everything", "asgi").message.startswith("kind: got 'asgi', wanted one of routes, handler")

    def test_what_each_kind_gives(self) -> None:
        routes, handler, server = (load_target(f"everything:{name}") for name in ("routes", "Hello", "httpd"))
        assert list(routes.routes) == ["/"] and not routes.error_routes and not routes.settings
        assert list(handler.routes.values()) == [handler.object]
        assert list(server.routes) == ["/", "/a"] and list(server.error_routes) == ["404"]
        assert server.settings["threads"] == 3

    def test_a_handler_alone_answers_every_path(self) -> None:
        table = compile_routes(load_target("everything:Hello").routes)
        for resource in ("/", "/a/b?c=d", "//"):
            assert table.resolve(resource)[0].handler.__name__ == "Hello"


def test_error_routes_of_the_module() -> None:
    write("errors.py", HANDLER + "routes = {'/': Hello}\nerror_routes = {'404': webpy.HTTPErrorHandler}\n")
    assert list(load_target("errors.py").error_routes) == ["404"]


def test_webpys_own_handler_class_can_be_served() -> None:
    write("imported.py", "from webpy import HTTPHandler as handler")
    assert load_target("imported").object is webpy.HTTPHandler


ASYNC = """
import functools, webpy
async def bare(scope, receive, send): pass
class Application:
    async def __call__(self, scope, receive, send): pass
starlette = Application()
partial = functools.partial(bare)
class Handler(webpy.HTTPHandler):
    async def do_get(self): return 200, b""
routes = {"/": Handler}
from http.server import BaseHTTPRequestHandler
class Standard(BaseHTTPRequestHandler):
    async def do_GET(self): pass
"""


class TestCoroutines:
    """What would load and then answer 500 to every request is refused at once, by name."""

    @pytest.mark.parametrize("kind", [None, "wsgi"])
    @pytest.mark.parametrize("attribute", ["bare", "starlette", "partial"])
    def test_asgi(self, attribute: str, kind: str | None) -> None:
        write("site.py", ASYNC)
        message = refused(f"site.py:{attribute}", kind).message
        assert message.startswith(f"site.py:{attribute}: got ")
        assert message.endswith("this version of webpy serves WSGI applications and cannot serve ASGI ones yet")

    @pytest.mark.parametrize("attribute", ["routes", "Handler"])
    def test_handlers(self, attribute: str) -> None:
        write("site.py", ASYNC)
        with pytest.raises(ValueError, match=r"Handler\.do_get is an async def, wanted def"):
            compile_routes(load_target(f"site.py:{attribute}").routes)

    def test_handlers_of_the_standard_library(self) -> None:
        write("site.py", ASYNC)
        with pytest.raises(TargetError, match=r"site\.py:Standard: its do_GET is an async def, wanted def"):
            _ = load_target("site.py:Standard").routes


FACTORIES = """
made = []
def create_app(name="plain", *, debug=False):
    made.append((name, debug))
    def application(environ, start_response): pass
    application.name = name, debug
    return application
def broken(): raise RuntimeError("no database")
def number(): return 3
async def slow(): pass
class Sub: create_app = staticmethod(create_app)
def application(environ, start_response): pass
class Classic:
    def __init__(self, environ, start_response): pass
class Callable:
    def __call__(self, environ, start_response): pass
def anything(*args): pass
builtin = dict.fromkeys
def make_app(name="plain", debug=False): return application
"""


class TestFactories:
    @pytest.fixture(autouse=True)
    def module(self) -> None:
        write("site.py", FACTORIES)

    @pytest.mark.parametrize(
        ("call", "made"),
        [
            ("create_app()", ("plain", False)),
            ("create_app('a:b', debug=True)", ("a:b", True)),
            ('create_app(name="x/y(z)")', ("x/y(z)", False)),
            ("Sub.create_app( )", ("plain", False)),
        ],
    )
    def test_called_once(self, call: str, made: object) -> None:
        target = load_target(f"site.py:{call}")
        assert (target.kind, target.object.name, target.module.made) == ("wsgi", made, [made])
        assert target.name == f"site.py:{call.partition('(')[0]}()"

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            ("create_app(1, 2, 3)", "site.py:create_app(): wrong arguments: too many positional arguments"),
            ("create_app(x=1)", "site.py:create_app(): wrong arguments: got an unexpected keyword argument 'x'"),
            ("create_app(os.sep)", "site.py:create_app(os.sep): got '(os.sep)', wanted literal arguments, such as "),
            ("create_app()()", "site.py:create_app()(): got '()()', wanted literal arguments"),
            ("create_app(*'ab')", "site.py:create_app(*'ab'): got \"(*'ab')\", wanted literal arguments"),
            ("create_app(**{'a': 1})", "site.py:create_app(**{'a': 1}): got "),
            ("create_app(", "site.py:create_app(: got 'create_app(' after the colon"),
            ("made()", "site.py:made(): got [] of type list, wanted a function to call"),
            ("slow()", "site.py:slow(): slow is an async def, wanted a plain function"),
            ("Callable", "site.py:Callable: got the class webpy_target_site.Callable, which takes no environ and "),
            ("number()", "site.py:number(): got 3 of type int, wanted one of: "),
            ("gone()", "site.py:gone(): no attribute 'gone'"),
        ],
    )
    def test_wrong_calls(self, call: str, words: str) -> None:
        assert refused(f"site.py:{call}").message.startswith(words)

    def test_what_it_raises_is_shown(self) -> None:
        error = refused("site.py:broken()")
        assert error.message == "site.py:broken(): RuntimeError while it was called"
        assert error.traceback.endswith("RuntimeError: no database\n") and "target.py" not in error.traceback

    @pytest.mark.parametrize("kind", [None, "wsgi"])
    def test_one_that_is_not_called_is_told_how(self, kind: str | None) -> None:
        for name in ("create_app", "make_app"):
            message = refused(f"site.py:{name}", kind).message
            assert message.endswith(f"; if it makes the application, write site.py:{name}()")

    def test_one_that_is_not_named_is_found(self) -> None:
        write("alone.py", "import os\n\ndef create_app(): pass\n")
        message = refused("alone.py").message
        assert message.endswith("; if create_app makes the application, write alone.py:create_app()")

    @pytest.mark.parametrize("attribute", ["application", "Classic", "anything", "builtin"])
    def test_what_takes_two_arguments_is_an_application(self, attribute: str) -> None:
        assert load_target(f"site.py:{attribute}").kind == "wsgi"


class TestAttribute:
    @pytest.mark.parametrize("first", range(len(ATTRIBUTES)))
    def test_the_first_that_exists(self, first: int) -> None:
        lines = [f"{name} = {{'/{name}': Hello}}" for name in reversed(ATTRIBUTES[first:])]
        write("several.py", HANDLER + "\n".join(lines))
        target = load_target("several.py")
        assert target.name == f"several.py:{ATTRIBUTES[first]}" and list(target.routes) == [f"/{ATTRIBUTES[first]}"]

    def test_dotted(self) -> None:
        write("dotted.py", HANDLER + "class Site:\n    routes = {'/': Hello}\n")
        assert load_target("dotted:Site.routes").kind == "routes"

    def test_none_of_them(self) -> None:
        write("none.py", HANDLER + "urls = {'/': Hello}\nimport json\n_hidden = {}\n")
        assert refused("none.py").message == (
            "none.py: has none of routes, app, application, handler, server, root; "
            "it has Hello (handler), urls (routes)"
        )

    def test_a_wrong_one(self) -> None:
        write("wrong.py", HANDLER + "routes = {'/': Hello}\n")
        assert (
            refused("wrong.py:route").message == "wrong.py:route: no attribute 'route', did you mean wrong.py:routes?"
        )
        assert refused("wrong:qqqqq").message == (
            "wrong:qqqqq: no attribute 'qqqqq'; it has Hello (handler), routes (routes)"
        )

    def test_one_that_raises(self) -> None:
        write("raising.py", "def __getattr__(name):\n    raise RuntimeError('no ' + name)\n")
        error = refused("raising:routes")
        assert error.message.startswith("raising:routes: RuntimeError") and "no routes" in error.traceback

    @pytest.mark.parametrize("spec", ["", ":routes"])
    def test_no_place(self, spec: str) -> None:
        assert "wanted package.module:attribute or path/to/file.py:attribute" in refused(spec).message

    @pytest.mark.parametrize("spec", ["m.py:a b", "m.py:a b()", "m.py:3", "m.py:.a"])
    def test_no_name(self, spec: str) -> None:
        assert "after the colon, wanted the name of an attribute" in refused(spec).message


class TestFiles:
    def test_its_module_has_its_name_and_its_siblings_import(self) -> None:
        write("site/main.py", HANDLER + "import own_sibling\nroutes = own_sibling.make(Hello)\n")
        write("site/own_sibling.py", "def make(handler): return {'/': handler}\n")
        target = load_target("site/main.py")
        assert target.module.__name__ == "main" and sys.modules["main"] is target.module
        assert sys.path[0] == str(Path("site").absolute())
        assert target.object["/"].__module__ == "main"  # so it can be pickled, and named in a log

    def test_a_file_of_a_package_is_imported_as_such(self) -> None:
        write("shop/__init__.py")
        write("shop/web/__init__.py")
        lines = "from . import parts\nfrom shop.web import parts as same\nassert parts is same\n"
        write("shop/web/main.py", HANDLER + lines + "routes = parts.make(Hello)\n")
        write("shop/web/parts.py", "def make(handler): return {'/': handler}\n")
        target = load_target("shop/web/main.py:routes")
        assert target.module.__name__ == "shop.web.main"

    def test_loaded_again_it_is_executed_again(self) -> None:
        write("again.py", HANDLER + "routes = {'/1': Hello}\n")
        first = load_target("again.py")
        write("again.py", HANDLER + "routes = {'/2': Hello, '/3': Hello}\n")
        second = load_target("again.py")
        assert list(first.routes) == ["/1"] and list(second.routes) == ["/2", "/3"]

    @pytest.mark.parametrize("name", ["json", "pytest", "with-dash", "__main__"])
    def test_a_name_that_is_taken(self, name: str) -> None:
        taken = sys.modules.get(name)
        write(f"here/{name}.py", HANDLER + "routes = {'/': Hello}\n")
        target = load_target(f"here/{name}.py")
        assert target.kind == "routes" and target.module.__name__ == f"webpy_target_{name}"
        assert sys.modules.get(name) is taken

    def test_two_files_of_one_name(self) -> None:
        write("a/same.py", HANDLER + "routes = {'/a': Hello}\n")
        write("b/same.py", HANDLER + "routes = {'/b': Hello}\n")
        assert [list(load_target(f"{folder}/same.py").routes) for folder in "ab"] == [["/a"], ["/b"]]

    def test_an_absolute_path_with_a_colon(self, tmp_path: Path) -> None:
        write("a:b/main.py", HANDLER + "routes = {'/': Hello}\n")
        assert load_target(f"{tmp_path}/a:b/main.py:routes").kind == "routes"
        assert load_target(f"{tmp_path}/a:b/main.py").kind == "routes"

    def test_no_such_file(self, tmp_path: Path) -> None:
        assert refused("gone.py:routes").message == f"gone.py:routes: no such file: '{tmp_path}/gone.py'"

    def test_a_folder(self) -> None:
        Path("folder").mkdir()
        assert refused("./folder").message == "./folder: 'folder' is a folder, wanted a Python file"

    def test_no_python_file(self) -> None:
        Path("notes.txt").touch()
        assert refused("./notes.txt").message == "./notes.txt: got 'notes.txt', wanted a file whose name ends in .py"


class TestModules:
    def test_the_current_folder_is_on_the_path(self, tmp_path: Path) -> None:
        write("pkg/site.py", HANDLER + "routes = {'/': Hello}\n")
        target = load_target("pkg.site:routes")
        assert target.module.__name__ == "pkg.site" and sys.path[0] == str(tmp_path)

    def test_none_of_the_name(self, tmp_path: Path) -> None:
        write("some/thing.py", "")
        for spec, name in [("gone_away", "gone_away"), ("some.gone:x", "some.gone"), ("gone_away.too", "gone_away")]:
            assert refused(spec).message == f"{spec}: no module named {name!r} (looked in {tmp_path} too)"

    def test_a_name_of_the_standard_library(self) -> None:
        write("json.py", HANDLER)
        message = refused("json:routes").message
        assert message.startswith("json:routes: Python finds /")
        assert message.endswith("; to serve ./json.py, name that file")

    def test_no_name_of_a_module(self) -> None:
        write("my-site.py")
        assert refused("my-site:x").message.endswith("a path that ends in .py, did you mean my-site.py?")


class TestFailures:
    """The user's code fails: its traceback is kept, without frames of webpy and importlib."""

    def check(self, spec: str, text: str, *wanted: str) -> TargetError:
        error = refused(spec)
        for line in (text, *wanted):
            assert line in error.traceback, error.traceback
        assert error.message in str(error) and error.traceback.rstrip() in str(error)
        assert "webpy/target/" not in str(error) and "importlib" not in str(error)
        return error

    @pytest.mark.parametrize("spec", ["bad.py:routes", "bad:routes", "bad"])
    def test_an_exception(self, spec: str) -> None:
        write("bad.py", "def deep():\n    1 / 0\n\ndeep()\n")
        error = self.check(spec, "ZeroDivisionError: division by zero", 'bad.py", line 4', 'bad.py", line 2, in deep')
        assert error.message == f"{spec}: ZeroDivisionError while it was imported"
        assert "bad" not in sys.modules

    @pytest.mark.parametrize("spec", ["syntax.py", "syntax"])
    def test_a_syntax_error(self, spec: str) -> None:
        write("syntax.py", "routes = {\n")
        self.check(spec, "SyntaxError: '{' was never closed", 'syntax.py", line 1')

    @pytest.mark.parametrize("spec", ["missing.py", "missing"])
    def test_an_import_of_its_own(self, spec: str) -> None:
        write("missing.py", "import not_there_at_all\n")
        self.check(spec, "ModuleNotFoundError: No module named 'not_there_at_all'", 'missing.py", line 1')

    def test_in_a_package(self) -> None:
        write("broken/__init__.py", "raise KeyError('why')\n")
        write("broken/main.py", "routes = {}\n")
        for spec in ("broken/main.py", "broken.main"):
            self.check(spec, "KeyError: 'why'", 'broken/__init__.py", line 1')

    def test_sys_exit(self) -> None:
        write("leaving.py", "import sys\nsys.exit(7)\n")
        assert refused("leaving.py").message == "leaving.py: called sys.exit(7) while it was imported"

    def test_control_c_is_not_an_error_of_the_code(self) -> None:
        write("stopped.py", "raise KeyboardInterrupt\n")
        with pytest.raises(KeyboardInterrupt):
            load_target("stopped.py")


def test_loading_says_whether_code_is_being_loaded() -> None:
    write("asking.py", HANDLER + "from webpy.target.target import loading\nseen = loading()\nroutes = {'/': Hello}\n")
    assert not loading()
    assert load_target("asking.py").module.seen is True
    assert not loading()
    write("failing.py", "1/0")
    refused("failing.py")
    assert not loading()


def test_a_server_that_is_started_already() -> None:
    write("running.py", HANDLER + "class Running(webpy.HTTPServer):\n    def is_running(self): return True\n"
          "server = Running(('127.0.0.1', 0), {'/': Hello})\n")  # fmt: skip
    assert (
        refused("running.py").message == "running.py:server: the server was started already, wanted one not yet started"
    )


def test_a_target_is_immutable() -> None:
    with pytest.raises(AttributeError):
        Target("routes", {}, "x", ModuleType("x")).kind = "wsgi"  # type: ignore[misc]


def test_a_file_that_changes_within_a_second_is_loaded_anew(tmp_path: Path) -> None:
    path = tmp_path / "quick.py"
    load = f"from webpy.target.target import load_target; print(load_target({str(path)!r}).module.version)"
    for version in ("1", "2"):
        path.write_text(HANDLER + f"routes = {{'/': Hello}}\nversion = {version}\n")
        os.utime(path, (1e9, 1e9))
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        done = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, env=environment, check=True)
        assert done.stdout.strip() == version


@pytest.mark.parametrize("target", ["app.py", "app"])
def test_a_module_that_changes_within_a_second_is_loaded_anew(tmp_path: Path, target: str) -> None:
    """What TARGET imports, too: the load after a change within the same second, of a file of the same size."""
    (tmp_path / "app.py").write_text(HANDLER + "from text import TEXT\nroutes = {'/': Hello}\n")
    load = f"from webpy.target.target import load_target; print(load_target({target!r}).module.TEXT)"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    second = int(time.time())
    for version in ("1", "2"):
        path = tmp_path / "text.py"
        path.write_text(f"TEXT = {version}\n")
        os.utime(path, (second, second))
        done = subprocess.run(
            [sys.executable, "-c", load], capture_output=True, text=True, env=environment, check=True, cwd=tmp_path
        )
        assert done.stdout.strip() == version


def test_bytecode_of_files_that_did_not_change_lately_is_kept(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HANDLER + "from text import TEXT\nroutes = {'/': Hello}\n")
    (tmp_path / "text.py").write_text("TEXT = 1\n")
    os.utime(tmp_path / "text.py", (1e9, 1e9))
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    load = "from webpy.target.target import load_target; load_target('app.py')"
    subprocess.run([sys.executable, "-c", load], env=environment, check=True, cwd=tmp_path)
    assert [path.name.partition(".")[0] for path in (tmp_path / "__pycache__").iterdir()] == ["text"]
