"""CherryPy's way: objects whose exposed methods are pages, on every core.

    import webpy.objects as cherrypy            # was: import cherrypy

    class Greeter:
        @cherrypy.expose
        def index(self, name="world"):          # /  and  /?name=you
            return f"Hello, {name}!"

    cherrypy.quickstart(Greeter())              # python greeter.py

or, where `root = Greeter()` is in the file, `webpy serve greeter.py:root`. `new(root, "/shop", config)` gives routes,
to be put beside others; mix-ins stand before the pages by `new(root, handler=Private)`, where Private is a subclass of
`ObjectsHandler`. The nine tutorials of CherryPy's documentation are in examples/cherrypy.

Pages, dispatch, configuration, hooks, tools and errors are CherryPy's: a test runs scripts on both and compares the
answers. `server.socket_host`, `.socket_port`, `.socket_file`, `.thread_pool`, `.max_request_body_size` and `.ssl_*` of
the configuration are settings of webpy, all others of which hold too (WEBPY_WORKERS=4 python greeter.py).

What is different, because there are several processes:

- `engine.subscribe("start", ...)` and "stop", "exit": once for the server, in the program's own process, before there
  are workers and after they have ended; not at a reload, and not when a worker is replaced. So what "start" makes
  (a table, a folder) is there once, and connections and threads that it opens are of no use to the workers: open those
  at "start_worker" (once in each worker, before its first page) or "start_thread" (in each thread, likewise).
- Under `webpy serve` "start" runs in each generation before its workers are forked, as its code is new: a listener that
  raises keeps a reload from happening, so create what may be there already ("CREATE TABLE IF NOT EXISTS"). "stop" and
  "exit" run once, when the last worker of the last generation has ended. `quickstart` and `engine.start` only mount
  there, and the address is `--bind`'s.
- Globals and attributes of pages are each worker's own, and so is what a page sets by `config.update`. Sessions are
  shared by all workers, of every kind.
- `engine.exit()` in a page stops the whole program; not `webpy serve`, which `webpy ctl stop` does.

What is different otherwise:

- `request.show_tracebacks` is False unless set: a traceback goes to the error log only.
- `log.screen = False` leaves warnings and errors in the error log; `log.access_file` and `.error_file` are written
  beside webpy's own logs.
- Errors have a page of our own with the same title, message and type, and there is no icon at /favicon.ico.
- A broken multipart body is 400, where CherryPy has 500. Multipart needs the parser: pip install 'webpy[form]'.
- Cookies of sessions are HttpOnly and SameSite=Lax, unless `tools.sessions.httponly` and `.samesite` say otherwise.
- `engine.autoreload` and `engine.signals` do nothing: `--reload`, and INTERFACE.md's signals.
- Paths are in normal form (see the README): `/x/../page` is `/page`, where CherryPy looks for `x`. They are decoded
  once, while CherryPy takes `%252F` for a slash. Beside other routes a path with `%2F` or `%00` is 404. To dispatchers
  `-`, `.` and `_` are one, and `/page/` is `/page`: guard pages by tools, or by handlers before all of the mount.
- There are no XML-RPC controllers, no RoutesDispatcher and no profiler.

`serving` has what a thread serves, `request` and `response` what these are, `dispatch` the way from a path to a page,
`config` and `literal` the configuration, `hooks` and `toolbox` the machinery of `tools`, `tree` the applications,
`engine`, `process` and `program` the bus and what starts the server, `handler` the way from webpy and back.
"""

from __future__ import annotations

from importlib import metadata as _metadata
from types import SimpleNamespace as _SimpleNamespace
from typing import Any as _Any

from . import dispatch, lib, process
from . import tooling as _cptools  # noqa: F401 - as programs name it
from . import tools as _built_in
from .configuration.config import config
from .dispatch.exposing import expose, popargs
from .handler import ObjectsHandler, new
from .messages import errors as _cperror  # noqa: F401 - as programs name it
from .messages.errors import CherryPyException, HTTPError, HTTPRedirect, InternalRedirect, NotFound
from .messages.response import Response
from .messages.urls import url
from .process.engine import engine
from .process.engine import set_engine as _set_engine
from .process.engine import set_server as _set_server
from .process.logs import log
from .process.serving import request, response, serving, session, thread_data
from .process.settings import server
from .program import quickstart
from .request import Request
from .tooling.tool import Tool
from .tooling.toolbox import default_toolbox as _toolbox
from .tree import Application, Tree, tree

__all__ = [
    "Application",
    "CherryPyException",
    "HTTPError",
    "HTTPRedirect",
    "InternalRedirect",
    "NotFound",
    "ObjectsHandler",
    "Request",
    "Response",
    "Tool",
    "Tree",
    "checker",
    "config",
    "dispatch",
    "engine",
    "expose",
    "lib",
    "log",
    "new",
    "popargs",
    "process",
    "quickstart",
    "request",
    "response",
    "server",
    "serving",
    "session",
    "thread_data",
    "tools",
    "tree",
    "url",
]

__version__ = _metadata.version("webpy")

_built_in.register(_toolbox)
tools: _Any = _toolbox


def _set_log(key: str, value: _Any) -> None:
    setattr(log, key, value)


def _set_tree(key: str, value: _Any) -> None:
    for script_name, app in value.items() if isinstance(value, dict) else [(value.script_name, value)]:
        tree.graft(app, script_name)


checker = _SimpleNamespace(on=False)
"""CherryPy's looks for mistakes in its own configuration; here it takes attributes and does nothing."""


def _set_checker(key: str, value: _Any) -> None:
    setattr(checker, key, value)


config.namespaces.update(log=_set_log, server=_set_server, engine=_set_engine, tree=_set_tree, checker=_set_checker)
config.defaults = {
    f"tools.{name}.on": True
    for name in ("log_tracebacks", "log_headers", "trailing_slash", "encode")
    if name in vars(_toolbox)
}
config.reset()
