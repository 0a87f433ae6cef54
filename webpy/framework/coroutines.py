"""Finds coroutine functions where plain functions are needed, as this version does not run applications' coroutines.

Calling an `async def` like a plain function returns a coroutine object, which is not an answer: the application would
load, and then answer every request with 500. Called while TARGET and routes are loaded, never for a request.
"""

from __future__ import annotations

import inspect

__all__ = ["coroutine_method", "is_asgi"]


def is_asgi(found: object) -> bool:
    """Return whether `found` is an ASGI application: a coroutine function, or an object with one as `__call__`."""
    if isinstance(found, type) or not callable(found):
        return False
    return inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(type(found).__call__)


def coroutine_method(kind: type, *prefixes: str) -> str | None:
    """Return the first name in `kind` that is an `async def` and begins with one of `prefixes`, or None."""
    for name in dir(kind):
        if name.startswith(prefixes):
            method = inspect.getattr_static(kind, name, None)
            method = getattr(method, "__func__", method)
            if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
                return name
    return None
