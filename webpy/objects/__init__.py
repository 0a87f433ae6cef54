"""CherryPy's way: objects whose exposed methods are pages, on every core.

    import webpy.objects as cherrypy            # was: import cherrypy

    class Greeter:
        @cherrypy.expose
        def index(self, name="world"):          # /  and  /?name=you
            return f"Hello, {name}!"

    cherrypy.quickstart(Greeter())              # python greeter.py

or, where `root = Greeter()` is in the file, `webpy serve greeter.py:root`. `new(root, "/shop", config)` returns routes
that can be put beside others. To put mix-ins in front of the pages, pass a subclass of `ObjectsHandler`:
`new(root, handler=Private)`. The nine tutorials of CherryPy's documentation are in examples/cherrypy.

Pages, dispatch, configuration, hooks, tools and errors behave as in CherryPy: a test runs scripts on both and compares
the answers. The entries `server.socket_host`, `.socket_port`, `.socket_file`, `.thread_pool`, `.max_request_body_size`
and `.ssl_*` of the configuration become settings of webpy; its other settings are set as usual
(WEBPY_WORKERS=4 python greeter.py).

What is different, because there are several processes:

- Listeners of "start", "stop" and "exit" (`engine.subscribe`) are called once for the whole server, in the program's
  own process: "start" before the workers are forked, the others when all workers have ended. They are not called at a
  reload, nor when a worker is replaced. Workers cannot use connections and threads that "start" opens: open those at
  "start_worker" (called once in each worker, before its first page) or "start_thread" (once in each thread).
- Under `webpy serve`, "start" is called for each generation, before its workers are forked. A listener that raises
  makes the reload fail, so write listeners that can run twice ("CREATE TABLE IF NOT EXISTS"). "stop" and "exit" are
  called once, when the last worker of the last generation has ended. `quickstart` only mounts the application there,
  `engine.start` does nothing, and the address comes from `--bind`.
- Each worker has its own copy of globals, of pages' attributes and of what a page sets with `config.update`. Sessions
  of every kind are shared by all workers.
- `engine.exit()` in a page stops the whole program, but not `webpy serve`: use `webpy ctl stop`.

Other differences:

- `request.show_tracebacks` is False unless set: tracebacks go to the error log only.
- `log.screen = False` still logs warnings and errors; `log.access_file` and `.error_file` are written beside webpy's
  own logs.
- The error page looks different, with the same title, message and media type; nothing is served at /favicon.ico.
- A broken multipart body is answered with 400, where CherryPy answers 500. Multipart bodies need a parser:
  pip install 'webpy[form]'.
- Session cookies are HttpOnly and SameSite=Lax, unless `tools.sessions.httponly` and `.samesite` say otherwise.
- `engine.autoreload` and `engine.signals` do nothing: use `--reload` and the signals of webpy's master.
- Paths are in normal form (docs/normal-form.md): `/x/../page` is `/page`, where CherryPy looks for `x`. They are
  decoded once, while CherryPy decodes `%252F` to a slash. Beside other routes, a path with `%2F` or `%00` is answered
  with 404. Dispatchers treat `-`, `.` and `_` alike, and `/page/` like `/page`: protect pages with tools, or with a
  handler in front of the whole mount.
- There are no XML-RPC controllers, no RoutesDispatcher and no profiler.

A request goes through these files, from the top: `handler` makes a CherryPy request of webpy's and a webpy answer of
the response; `tree` finds the application; `request` runs the hooks and calls the page that `dispatch/` finds.
`messages/` has fields, bodies, statuses and errors of requests and responses; `configuration/` reads the entries that
`namespaces` applies; `tooling/` is the machinery of tools, `tools/` the built-in ones, `lib/` CherryPy's names for
them. `process/` has what exists once in a process (bus, log, server settings) or once in a thread (`serving`).
`program` and `generation` start and stop the bus, in a script and under `webpy serve`.
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
"""CherryPy's checker of configurations. Here it accepts attributes and does nothing."""


def _set_checker(key: str, value: _Any) -> None:
    setattr(checker, key, value)


config.namespaces.update(log=_set_log, server=_set_server, engine=_set_engine, tree=_set_tree, checker=_set_checker)
config.defaults = {
    f"tools.{name}.on": True
    for name in ("log_tracebacks", "log_headers", "trailing_slash", "encode")
    if name in vars(_toolbox)
}
config.reset()
