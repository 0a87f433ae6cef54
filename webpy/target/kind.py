"""Finds out what an object is that TARGET names: routes, a handler, a WSGI application, a function that makes one.

Called by `target` only, which says it in words. Calls nothing of the application's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ..framework.coroutines import is_asgi

__all__ = ["described", "detect", "is_factory"]


def detect(found: Any) -> str | None:
    """The kind, or None. The order matters: classes and servers may be callable, and so may objects with methods."""
    from http.server import BaseHTTPRequestHandler

    from ..framework.handler import HTTPHandler

    # No object of it can exist before its module is imported; importing it here would be a circle.
    server = sys.modules.get("webpy.server")
    if isinstance(found, type):
        if issubclass(found, HTTPHandler):
            return "handler"
        if issubclass(found, BaseHTTPRequestHandler):
            return "stdlib"
    if server is not None and isinstance(found, server.HTTPServer):
        return "server"
    if isinstance(found, Mapping):
        return "routes"
    if isinstance(found, ModuleType):
        return None
    if _exposes(found):
        return "objects"
    return "wsgi" if callable(found) and not is_asgi(found) and not is_factory(found) else None


def is_factory(found: Any) -> bool:
    """Return whether it can be called, but takes other arguments than a WSGI application does (PEP 3333).

    An application gets two: environ and start_response. A factory takes none, other numbers, or two that have defaults.
    """
    import inspect

    if not callable(found):
        return False
    try:
        signature = inspect.signature(found)
        signature.bind({}, None)
    except TypeError:
        return True
    except ValueError:  # something built in, whose arguments nobody knows
        return False
    taken = [each for each in signature.parameters.values() if each.kind <= each.POSITIONAL_OR_KEYWORD]
    return len(taken) >= 2 and all(each.default is not each.empty for each in taken)


def _exposes(found: Any) -> bool:
    """Whether it, or something of it, has `exposed` set, as CherryPy marks what may be called from outside."""
    import inspect

    for value in (found, *(inspect.getattr_static(found, name, None) for name in dir(found) if name[:2] != "__")):
        value = getattr(value, "__func__", value)
        if not isinstance(value, ModuleType) and inspect.getattr_static(value, "exposed", False) is True:
            return True
    return False


def described(found: Any) -> str:
    """Return what it is in a few words, for a message."""
    if isinstance(found, type):
        return f"the class {found.__module__}.{found.__qualname__}"
    if isinstance(found, ModuleType):
        return f"the module {found.__name__}"
    return f"{found!r:.60} of type {type(found).__name__}"
