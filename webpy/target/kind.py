"""Finds out the kind of the object that TARGET names: routes, a handler, a WSGI application, a factory of one.

Calls nothing of the application. Used by `target`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ..framework.coroutines import is_asgi

__all__ = ["described", "detect", "is_factory"]


def detect(found: Any) -> str | None:
    """Return the kind of `found`, None if it has none.

    The order matters: classes and servers may be callable, and so may objects with exposed methods.
    """
    from http.server import BaseHTTPRequestHandler

    from ..framework.handler import HTTPHandler

    # No HTTPServer can exist before its module is imported, and importing it here would be a circle.
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
    """Return True if `found` can be called, but takes other arguments than a WSGI application (PEP 3333).

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
    except ValueError:  # a built-in function without a signature
        return False
    taken = [each for each in signature.parameters.values() if each.kind <= each.POSITIONAL_OR_KEYWORD]
    return len(taken) >= 2 and all(each.default is not each.empty for each in taken)


def _exposes(found: Any) -> bool:
    """Return True if it or one of its attributes has `exposed` set, as CherryPy marks what clients may call."""
    import inspect

    for value in (found, *(inspect.getattr_static(found, name, None) for name in dir(found) if name[:2] != "__")):
        value = getattr(value, "__func__", value)
        if not isinstance(value, ModuleType) and inspect.getattr_static(value, "exposed", False) is True:
            return True
    return False


def described(found: Any) -> str:
    """Return a short description of the object, for a message."""
    if isinstance(found, type):
        return f"the class {found.__module__}.{found.__qualname__}"
    if isinstance(found, ModuleType):
        return f"the module {found.__name__}"
    return f"{found!r:.60} of type {type(found).__name__}"
