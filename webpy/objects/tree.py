"""Owns `Application`, the pages mounted at a path and their configuration, and `Tree`, all applications of a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .configuration.namespaces import NamespaceSet
from .configuration.reading import Source, merge
from .messages.fields import Host
from .messages.response import Response
from .messages.urls import join
from .process.engine import engine
from .process.logs import Log, log
from .process.serving import serving
from .request import Request
from .tooling.toolbox import Toolbox, default_toolbox

__all__ = ["Application", "Tree", "tree"]


class Application:
    """The pages of the object `root`, mounted at the path `script_name`.

    script_name: without a slash at its end; empty for the top. config: maps paths below `script_name` to entries; a
    dict or a file. toolboxes: by namespace. Raises ValueError for entries that are not below a path.
    """

    exposed = True  # so that a TARGET of this class is detected as `objects`
    relative_urls: bool | str = False
    request_class = Request
    response_class = Response
    toolboxes: Mapping[str, Toolbox] = {"tools": default_toolbox}
    namespaces = NamespaceSet()
    config: Any = MappingProxyType({})

    def __init__(self, root: Any, script_name: str | None = "", config: Source | None = None) -> None:
        self.root = root
        self.script_name = (script_name or "").rstrip("/")
        self.log = Log(id(self), log.logger_root)
        self.namespaces = self.namespaces.copy()
        self.namespaces["log"] = self._set_log
        self.toolboxes = dict(self.toolboxes)
        self.config = {path: dict(entries) for path, entries in type(self).config.items()}
        if config:
            self.merge(config)

    def __repr__(self) -> str:
        return f"Application({self.root!r}, {self.script_name!r})"

    def _set_log(self, name: str, value: Any) -> None:
        setattr(self.log, name, value)

    def merge(self, config: Source) -> None:
        """Add a configuration to the application's. Raises ValueError for entries that are not below a path."""
        merge(self.config, config)
        self.namespaces(self.config.get("/", {}))

    def find_config(self, path: str, key: str, default: Any = None) -> Any:
        """Return the entry `key` of `path`, or of the nearest path above it that has one; else `default`."""
        trail = path or "/"
        while trail:
            entries = self.config.get(trail, {})
            if key in entries:
                return entries[key]
            above = trail.rpartition("/")[0]
            trail = "/" if not above and trail != "/" and "/" in trail else above
        return default

    def get_serving(self, local: Host, remote: Host, scheme: str, protocol: str) -> tuple[Any, Any]:
        """Make a request and a response, which this thread serves from now on, and return both."""
        request = self.request_class(local, remote, scheme, protocol)
        request.app = self
        for name, toolbox in self.toolboxes.items():
            request.namespaces[name] = toolbox
        response = self.response_class()
        serving.load(request, response)
        engine.acquire_thread()
        engine.publish("before_request")
        return request, response

    def release_serving(self) -> None:
        """End the request this thread serves, as its answer has been sent: run the hooks and listeners for that."""
        try:
            engine.publish("after_request")
            serving.request.close()
        except Exception:
            log(traceback=True, severity=40)
        finally:
            serving.clear()


class Tree:
    """Applications by script name. `graft` adds a WSGI application."""

    exposed = True  # so that a TARGET of this class is detected as `objects`

    def __init__(self) -> None:
        self.apps: dict[str, Any] = {}

    def mount(self, root: Any, script_name: str = "", config: Source | None = None) -> Application:
        """Mount the pages of `root` at `script_name` and return the application. root: an object, or an Application.

        Raises TypeError if the script name is None, ValueError if it differs from a given application's own.
        """
        if script_name is None:
            raise TypeError("The 'script_name' argument may not be None.")
        script_name = script_name.rstrip("/")
        if isinstance(root, Application):
            app = root
            if script_name not in ("", app.script_name):
                raise ValueError("Cannot specify a different script name and pass an Application instance to mount")
        else:
            app = Application(root, script_name)
        if config:
            app.merge(config)
        self.apps[app.script_name] = app
        return app

    def graft(self, wsgi_callable: Callable[..., Any], script_name: str = "") -> None:
        """Serve a WSGI application below `script_name`."""
        self.apps[script_name.rstrip("/")] = wsgi_callable

    def script_name(self, path: str | None = None) -> str | None:
        """Return the script name of the application that answers `path` (None: the request's); None if none does."""
        if path is None:
            request = serving.request
            if request.app is None:
                return None
            path = join(request.script_name, request.path_info)
        while path not in self.apps:
            if not path:
                return None
            path = path.rpartition("/")[0]
        return path


tree = Tree()
