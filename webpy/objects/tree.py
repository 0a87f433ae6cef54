"""Owns `Application`, an object tree at a path with its configuration, and `Tree`, the applications of a server."""

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
    """The pages below `root`, mounted at `script_name`: a path without a slash at its end, or "".

    config: paths, from `script_name` on, to their entries; of a file too. toolboxes: by their namespaces. Raises
    ValueError for entries outside of a path.
    """

    exposed = True  # so that TARGET is known as one
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
        """Add a configuration to the application's."""
        merge(self.config, config)
        self.namespaces(self.config.get("/", {}))

    def find_config(self, path: str, key: str, default: Any = None) -> Any:
        """An entry as it holds for `path`: of the path itself, or of the nearest above it that has one."""
        trail = path or "/"
        while trail:
            entries = self.config.get(trail, {})
            if key in entries:
                return entries[key]
            above = trail.rpartition("/")[0]
            trail = "/" if not above and trail != "/" and "/" in trail else above
        return default

    def get_serving(self, local: Host, remote: Host, scheme: str, protocol: str) -> tuple[Any, Any]:
        """The request and response that this thread serves from now on."""
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
        """The answer has been sent: call what waits for that, and serve nothing."""
        try:
            engine.publish("after_request")
            serving.request.close()
        except Exception:
            log(traceback=True, severity=40)
        finally:
            serving.clear()


class Tree:
    """Applications by their script names; `graft` puts a WSGI application among them."""

    exposed = True  # so that TARGET is known as one

    def __init__(self) -> None:
        self.apps: dict[str, Any] = {}

    def mount(self, root: Any, script_name: str = "", config: Source | None = None) -> Application:
        """Serve the pages of `root` below `script_name`; gives the application. root: may be an application itself.

        Raises TypeError for no script name, ValueError for another than an application's own.
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
        """The script name of the application that answers `path`, the request's if None; None if there is none."""
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
