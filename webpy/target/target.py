"""Loads TARGET, the application that the user wants to serve, and finds out its kind.

`spec` reads TARGET's text, `importing` imports its module; the attribute that it names, or what that returns if TARGET
calls it as a factory, decides the kind (`kind`). Knows nothing of settings, sockets and processes. Called in the zygote
of each generation and by `webpy check`, never in the master.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from ..framework.coroutines import coroutine_method, is_asgi
from ..framework.routing.routes import RouteTable, compile_routes
from .errors import TargetError, failure
from .importing import load_module
from .kind import described, detect, is_factory
from .spec import BadSpec, Spec, parse_spec

__all__ = ["ATTRIBUTES", "KINDS", "Target", "TargetError", "load_target", "loading", "target_of"]

# The attributes that are tried, in this order, if TARGET names none.
ATTRIBUTES = ("routes", "app", "application", "handler", "server", "root")

# A description of each kind, for messages.
KINDS = {
    "routes": "a dict of regex to handler",
    "handler": "a subclass of webpy.HTTPHandler",
    "server": "a webpy.HTTPServer",
    "stdlib": "a subclass of http.server.BaseHTTPRequestHandler",
    "objects": "an object with exposed methods",
    "wsgi": "a WSGI application",
}

_loading = False


@dataclass(frozen=True, slots=True)
class Target:
    """A loaded TARGET: its kind, the object, what the user typed with the attribute found, and the object's module.

    more_error_routes: in front of its own.
    """

    kind: str
    object: Any
    name: str
    module: ModuleType
    more_error_routes: Mapping[Any, Any] = field(default_factory=dict)

    @property
    def routes(self) -> Mapping[Any, Any]:
        """The routes, regex to handler, not compiled. An object that is not a dict of routes answers every path."""
        match self.kind:  # import only what is served
            case "handler":
                return {"(/.*)": self.object}
            case "server":
                routes: Mapping[Any, Any] = self.object.routes
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
        """The error routes: a server's own, or for other kinds what their module calls `error_routes`."""
        found = getattr(self.object if self.kind == "server" else self.module, "error_routes", None)
        own = found if isinstance(found, Mapping) else {}
        return {**self.more_error_routes, **own, **self.more_error_routes}

    @property
    def mixins(self) -> Any:
        """What stands before every answer: a server's own mix-ins, or for other kinds what their module calls `mixins`.

        Raises TargetError if they stand beside a server that was not given them.
        """
        found = getattr(self.module, "mixins", ())
        if isinstance(found, ModuleType):  # some package's `mixins`, which the module imports
            found = ()
        if self.kind != "server":
            return found
        if found and not self.object.mixins:
            raise TargetError(f"{self.name}: mixins beside a server do nothing: write HTTPServer(…, mixins=mixins)")
        return self.object.mixins

    def with_error_routes(self, more: Mapping[Any, Any]) -> Target:
        """Return this target with error routes that come before its own."""
        return replace(self, more_error_routes=more)

    def compiled(self) -> RouteTable:
        """Return the table of the routes. Raises TargetError that names a bad one, or a bad mix-in."""
        try:
            return compile_routes(self.routes, dict(self.error_routes), self.mixins)
        except ValueError as error:
            raise TargetError(f"{self.name}: {error}") from None

    @property
    def settings(self) -> Mapping[str, Any]:
        """The keywords that a server was made with; empty for other kinds."""
        found: Mapping[str, Any] = self.object.settings if self.kind == "server" else {}
        return found

    def warm_up(self, *, alone: bool = False) -> Callable[[], None] | None:
        """Call `warm_up` of the object's module, if it has one, before any worker is forked. Raises TargetError.

        alone: this process serves by itself, without workers. What is returned then, if anything, is to be called when
        it has done so.
        """
        function = getattr(self.module, "warm_up", None)
        if callable(function):
            try:
                function()
            except BaseException as error:
                raise failure(self.name, error, "in its warm_up()") from None
        if "webpy.objects" in sys.modules:  # as TARGET, or beside other handlers
            from ..objects.generation import begin, end

            begin(alone=alone)
            return end
        return None


def loading() -> bool:
    """Return True while `load_target` runs the user's module: no server must be started then."""
    return _loading


def target_of(found: Any, kind: str | None = None) -> Target:
    """Return what an object in this process is as a TARGET: a module, or what an attribute of one would be.

    Of a module the first of `ATTRIBUTES` is taken, and its `error_routes`, `mixins` and `warm_up` count; any other
    object stands for itself. Raises TargetError.
    """
    _check_kind(kind)
    if isinstance(found, ModuleType):
        place, module = found.__name__, found
        found, path = _find(place, place, module, None)
        return _identified(f"{place}:{path}", found, module, kind)
    return _identified(described(found), found, ModuleType("webpy_target"), kind)


def load_target(spec: str, kind: str | None = None) -> Target:
    """Import what `spec` names and find out its kind, or check that `kind` fits. Raises TargetError.

    See `importing.load_module` for what happens to sys.path and sys.modules.
    """
    global _loading
    _check_kind(kind)
    try:
        wanted = parse_spec(spec)
    except BadSpec as error:
        raise TargetError(str(error)) from None
    place = wanted.place
    _loading = True
    try:
        module = load_module(spec, place)
        found, path = _find(spec, place, module, wanted.attribute)
        if wanted.call is not None:
            found = _called(wanted, found)
    finally:
        _loading = False
    name = f"{place}:{path}" if wanted.call is None else wanted.name
    return _identified(name, found, module, kind)


def _check_kind(kind: str | None) -> None:
    if kind is not None and kind not in KINDS:
        raise TargetError(f"kind: got {kind!r}, wanted one of {', '.join(KINDS)}")


def _identified(name: str, found: Any, module: ModuleType, kind: str | None) -> Target:
    detected = _kind_of(name, found) if kind is None else _checked(name, found, kind)
    if detected == "server" and found.is_running():
        raise TargetError(f"{name}: the server was started already, wanted one not yet started")
    return Target(detected, found, name, module)


def _called(spec: Spec, factory: Any) -> Any:
    """Return what the factory returns for the arguments in TARGET."""
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
        pass  # a built-in function without a signature
    try:
        return factory(*positional, **named)
    except BaseException as error:
        raise failure(spec.name, error, "while it was called") from None


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
            raise failure(spec, error) from None
    return found, attribute


def _candidates(place: str, module: ModuleType, wanted: str = "") -> str:
    """Return a hint at what in the module could be meant, for the end of a message; "" if nothing could."""
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
        raise TargetError(
            f"{name}: got {described(found)}, an ASGI application: this version of webpy serves WSGI applications and "
            "cannot serve ASGI ones yet"
        )
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
        _kind_of(name, found)  # raises TargetError with a better message
    fits = detected == kind or (kind == "wsgi" and callable(found)) or (kind == "objects" and detected == "wsgi")
    if not fits:
        raise TargetError(f"{name}: got {described(found)}, wanted {KINDS[kind]} (kind {kind})")
    return kind
