"""webpy: RESTful handlers on every core, from one command.

    import webpy

    class Hello(webpy.HTTPHandler):
        def do_get(self):
            return 200, "Hello, World!"

    routes = {"/": Hello}

and `webpy serve hello.py`. The names here are what applications use; each is imported when first asked for, so that the
command line and the master load no more than they need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .framework.errorhandler import HTTPErrorHandler
    from .framework.errors import HTTPError
    from .framework.handler import HTTPHandler
    from .framework.headers import HTTPHeaders
    from .framework.routing.hosts import host
    from .framework.routing.templates import path
    from .server import HTTPServer

__all__ = [
    "HTTPError",
    "HTTPErrorHandler",
    "HTTPHandler",
    "HTTPHeaders",
    "HTTPServer",
    "__version__",
    "host",
    "path",
]

__version__ = "0.1.0"

_HOMES = {
    "HTTPError": ".framework.errors",
    "HTTPErrorHandler": ".framework.errorhandler",
    "HTTPHandler": ".framework.handler",
    "HTTPHeaders": ".framework.headers",
    "HTTPServer": ".server",
    "host": ".framework.routing.hosts",
    "path": ".framework.routing.templates",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'webpy' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
