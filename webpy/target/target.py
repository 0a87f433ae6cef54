"""Loads TARGET, what the user asks to be served, and says what it is.

The attribute that `spec` reads from TARGET decides the kind, or what it gives when TARGET calls it as a factory.
Knows nothing of settings, sockets and processes. Called in the zygote of each generation and by `webpy check`, never
in the master.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from ..framework.coroutines import coroutine_method, is_asgi
from ..statedir import user_name
from .kind import described, detect, is_factory
from .spec import BadSpec, Spec, parse_spec

__all__ = ["ATTRIBUTES", "KINDS", "Target", "TargetError", "load_target", "loading"]

# Looked for in this order when TARGET names no attribute.
ATTRIBUTES = ("routes", "app", "application", "handler", "server", "root")

# What each kind is, in words for messages.
KINDS = {
    "routes": "a dict of regex to handler",
    "handler": "a subclass of webpy.HTTPHandler",
    "server": "a webpy.HTTPServer",
    "stdlib": "a subclass of http.server.BaseHTTPRequestHandler",
    "objects": "an object with exposed methods",
    "wsgi": "a WSGI application",
}

_loading = False


class TargetError(Exception):
    """TARGET cannot be served. `str()` says why; where the user's code failed it ends with the traceback of that
    code, also in `traceback`, without webpy's own frames."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(f"{message}\n{traceback}".rstrip())
        self.message = message
        self.traceback = traceback


@dataclass(frozen=True, slots=True)
class Target:
    """What TARGET is. `name` is what the user typed with the attribute found, `module` where the object came from."""

    kind: str
    object: Any
    name: str
    module: ModuleType

    @property
    def routes(self) -> Mapping[str, Any]:
        """Its routes, regex to handler; not compiled. What is not routes itself answers every path."""
        match self.kind:  # what is not served is not imported
            case "handler":
                return {"(/.*)": self.object}
            case "server":
                routes: Mapping[str, Any] = self.object.routes
                return routes
            case "objects":
                from ..objects import handler as objects

                return objects.new(self.object)
            case "stdlib":
                from ..stdlib import handler as stdlib

                if method := coroutine_method(self.object, "do_", "handle"):
                    raise TargetError(f"{self.name}: its {method} is an async def, wanted def")
                return stdlib.new(self.object)
            case "wsgi":
                from .. import wsgi

                return wsgi.new(self.object)
        routes = self.object
        return routes

    @property
    def error_routes(self) -> Mapping[str, Any]:
        """A server's error routes; of routes or a handler, what their module calls `error_routes`."""
        found = getattr(self.object if self.kind == "server" else self.module, "error_routes", None)
        return found if isinstance(found, Mapping) else {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """The keywords a server was made with; none for other kinds."""
        found: Mapping[str, Any] = self.object.settings if self.kind == "server" else {}
        return found

    def warm_up(self) -> None:
        """Call what its module defines as `warm_up`, if it does, before any worker is forked. Raises TargetError."""
        function = getattr(self.module, "warm_up", None)
        if callable(function):
            try:
                function()
            except BaseException as error:
                raise _failure(self.name, error, "in its warm_up()") from None
        if "webpy.objects" in sys.modules:  # as TARGET or beside other handlers
            from ..objects.generation import begin

            begin()


def loading() -> bool:
    """Whether `load_target` is running the user's module now: a server must not be started meanwhile."""
    return _loading


def load_target(spec: str, kind: str | None = None) -> Target:
    """Imports what `spec` names and finds its kind, or takes `kind` and checks that it fits. Raises TargetError.

    Changes sys.path: the file's folder, or the current one for a module, comes first. A file is always executed
    anew, a module only if it is not imported yet.
    """
    global _loading
    if kind is not None and kind not in KINDS:
        raise TargetError(f"kind: got {kind!r}, wanted one of {', '.join(KINDS)}")
    try:
        wanted = parse_spec(spec)
    except BadSpec as error:
        raise TargetError(str(error)) from None
    place = wanted.place
    _loading = True
    try:
        is_file = place.endswith(".py") or "/" in place
        module = _load_file(spec, Path(place)) if is_file else _load_module(spec, place)
        found, path = _find(spec, place, module, wanted.attribute)
        if wanted.call is not None:
            found = _called(wanted, found)
    finally:
        _loading = False
    name = f"{place}:{path}" if wanted.call is None else wanted.name
    detected = _kind_of(name, found) if kind is None else _checked(name, found, kind)
    if detected == "server" and found.is_running():
        raise TargetError(f"{name}: the server is started already, wanted one not yet started")
    return Target(detected, found, name, module)


def _called(spec: Spec, factory: Any) -> Any:
    """What the factory gives for the arguments that TARGET holds."""
    import inspect

    assert spec.call is not None
    positional, named = spec.call
    if not callable(factory):
        raise TargetError(f"{spec.name}: got {described(factory)}, wanted a function to call")
    if inspect.iscoroutinefunction(factory):
        raise TargetError(f"{spec.name}: {spec.attribute} is an async def, wanted a plain function")
    try:
        inspect.signature(factory).bind(*positional, **named)
    except TypeError as error:
        raise TargetError(f"{spec.name}: wrong arguments: {error}") from None
    except ValueError:
        pass  # something built in, whose arguments nobody knows before the call
    try:
        return factory(*positional, **named)
    except BaseException as error:
        raise _failure(spec.name, error, "while it was called") from None


def _load_file(spec: str, path: Path) -> ModuleType:
    try:
        if not path.exists():
            raise TargetError(f"{spec}: no such file: {str(path.absolute())!r}")
        if path.is_dir():
            raise TargetError(f"{spec}: {str(path)!r} is a folder, wanted a Python file")
        if path.suffix != ".py":
            raise TargetError(f"{spec}: got {path.name!r}, wanted a file whose name ends in .py")
        path = Path(os.path.abspath(path))
        package, root = _package_of(path)
        path.open("rb").close()
    except OSError as error:
        place = str(path.absolute())
        raise TargetError(f"{spec}: user {user_name(os.geteuid())} cannot read {place!r}: {error.strerror}") from None
    for folder in dict.fromkeys((str(root), str(path.parent))):
        _path_first(folder)
    name = ".".join((*package, path.stem)) if path.stem != "__init__" else ".".join(package) or "__init__"
    if package:
        _forget(name, path)
        return _import(spec, name)
    known = sys.modules.get(name)
    if (known is not None and _file_of(known) != path) or name in sys.stdlib_module_names or not name.isidentifier():
        name = f"webpy_target_{name}"  # its own name is taken
    module_spec = importlib.util.spec_from_file_location(name, path)
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        raise _failure(spec, error) from None
    return sys.modules.get(name, module)


def _package_of(path: Path) -> tuple[list[str], Path]:
    """The names of the packages around a file, outermost first, and the folder that the outermost is imported from."""
    names: list[str] = []
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        names.insert(0, folder.name)
        folder = folder.parent
    return names, folder


def _path_first(folder: str) -> None:
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(os.path.abspath(file)) if isinstance(file, str) else None


def _forget(name: str, path: Path) -> None:
    """Makes room for `path` under `name`, and for its packages if others of their names were imported before."""
    known = sys.modules.get(name)
    if known is not None and _file_of(known) == path:
        del sys.modules[name]
        return
    root = name.partition(".")[0]
    folder = path.parents[name.count(".")] if path.stem != "__init__" else path.parents[name.count(".") + 1]
    top = sys.modules.get(root)
    if top is not None and _file_of(top) not in (folder / "__init__.py", folder / root / "__init__.py"):
        for other in [other for other in sys.modules if other == root or other.startswith(root + ".")]:
            del sys.modules[other]


def _load_module(spec: str, name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        hint = f", did you mean {name}.py?" if Path(name + ".py").is_file() else ""
        raise TargetError(f"{spec}: got {name!r}, wanted package.module or a path that ends in .py{hint}")
    folder = os.getcwd()
    _path_first(folder)
    module = _import(spec, name)
    local = Path(folder, *name.split(".")).with_suffix(".py")
    if local.is_file() and _file_of(module) != local:
        raise TargetError(f"{spec}: is {_file_of(module)} to Python; to serve ./{name}.py name that file")
    return module


def _import(spec: str, name: str) -> ModuleType:
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except BaseException as error:
        if (
            isinstance(error, ModuleNotFoundError)
            and error.name is not None
            and f"{name}.".startswith(f"{error.name}.")
        ):
            raise TargetError(f"{spec}: no module named {error.name!r} (looked in {os.getcwd()} too)") from None
        raise _failure(spec, error) from None


def _failure(spec: str, error: BaseException, when: str = "while it was imported") -> BaseException:
    """The TargetError for what the user's code raised; a stop by the user stays what it is."""
    if isinstance(error, KeyboardInterrupt):
        return error
    import traceback

    message = f"{spec}: {type(error).__name__} {when}"
    if isinstance(error, SystemExit):
        message = f"{spec}: called sys.exit({error.code!r}) {when}"
    folder = os.path.dirname(__file__)
    if isinstance(error, ImportError) and not os.access(folder, os.R_OK | os.X_OK):  # with `--user`
        message += f": user {user_name(os.geteuid())} cannot read {folder!r}, where webpy is installed"
    text = traceback.format_exception(type(error), error, _users_part(error.__traceback__))
    return TargetError(message, "".join(text))


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame on that is neither ours nor the import system's."""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file not in (__file__, importlib.__file__) and not file.startswith("<frozen importlib"):
            break
        trace = trace.tb_next
    return trace


def _find(spec: str, place: str, module: ModuleType, attribute: str | None) -> tuple[Any, str]:
    if attribute is None:
        for name in ATTRIBUTES:
            if hasattr(module, name):
                return getattr(module, name), name
        raise TargetError(f"{spec}: has none of {', '.join(ATTRIBUTES)}{_candidates(place, module)}")
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise TargetError(f"{spec}: no attribute {part!r}{_candidates(place, module, attribute)}") from None
        except Exception as error:
            raise _failure(spec, error) from None
    return found, attribute


def _candidates(place: str, module: ModuleType, wanted: str = "") -> str:
    """What of the module could be meant, in words."""
    import difflib

    names = [name for name, value in vars(module).items() if not name.startswith("_") and detect(value) is not None]
    own = [name for name in names if getattr(getattr(module, name), "__module__", module.__name__) == module.__name__]
    near = difflib.get_close_matches(wanted, own, n=1)
    if near:
        return f", did you mean {place}:{near[0]}?"
    shown = [f"{name} ({detect(getattr(module, name))})" for name in own[:8]]
    for name, value in vars(module).items():
        if name.startswith(("create_", "make_")) and getattr(value, "__module__", "") == module.__name__:
            return f"; if {name} makes the application, write {place}:{name}()"
    return f"; it has {', '.join(shown)}" if shown else ""


def _kind_of(name: str, found: Any) -> str:
    kind = detect(found)
    if kind is None and is_asgi(found):
        raise TargetError(f"{name}: got {described(found)}, an ASGI application: this version serves WSGI, not ASGI")
    if kind is None and is_factory(found):
        raise TargetError(
            f"{name}: got {described(found)}, which takes no environ and start_response as a WSGI application does; "
            f"if it makes the application, write {name}()"
        )
    if kind is None:
        wanted = ", ".join(KINDS.values())
        raise TargetError(f"{name}: got {described(found)}, wanted one of: {wanted}")
    return kind


def _checked(name: str, found: Any, kind: str) -> str:
    detected = detect(found)
    if detected is None and callable(found):
        _kind_of(name, found)  # raises: its words say more
    fits = detected == kind or (kind == "wsgi" and callable(found)) or (kind == "objects" and detected == "wsgi")
    if not fits:
        raise TargetError(f"{name}: got {described(found)}, wanted {KINDS[kind]} (kind {kind})")
    return kind
