"""Tests of applications: a client in the process, a real server for a `with` block, and pytest fixtures of both.

    from webpy.testing import Client

    def test_hello():
        client = Client("hello.py")
        answer = client.get("/")
        assert (answer.status, answer.text) == (200, "Hello, World!")

`Client` serves TARGET in the test's process, with the server's own parser, routes, mix-ins, error pages and serializer:
what it sees is what the network would carry. WebSocket is not in this version.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .answer import Answer
    from .client import Client
    from .cookies import Cookies
    from .errors import BrokenAnswer, ReloadError, StartError, TooManyRedirects
    from .outgoing import RequestOptions
    from .server import Server, serve

__all__ = [
    "Answer",
    "BrokenAnswer",
    "Client",
    "Cookies",
    "ReloadError",
    "RequestOptions",
    "Server",
    "StartError",
    "TooManyRedirects",
    "serve",
]

_HOMES = {
    "Answer": ".answer",
    "BrokenAnswer": ".errors",
    "Client": ".client",
    "Cookies": ".cookies",
    "ReloadError": ".errors",
    "RequestOptions": ".outgoing",
    "Server": ".server",
    "StartError": ".errors",
    "TooManyRedirects": ".errors",
    "serve": ".server",
}


def __getattr__(name: str) -> object:
    # each name is imported when it is asked for: pytest imports this package for every run, by the plugin in it
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value
