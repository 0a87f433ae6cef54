"""Finds coroutine functions where plain ones are needed: this version runs no coroutines of applications.

An `async def` that is called like a plain function gives a coroutine object, which is no answer: the application would
load and then answer 500 to every request. Called while TARGET and routes are loaded, never per request.
"""

from __future__ import annotations

import inspect

__all__ = ["coroutine_method", "is_asgi"]


def is_asgi(found: object) -> bool:
    """Whether `found` is what ASGI calls an application: a coroutine function, or an object whose `__call__` is one."""
    if isinstance(found, type) or not callable(found):
        return False
    return inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(type(found).__call__)


def coroutine_method(kind: type, *prefixes: str) -> str | None:
    """The name of the first method of `kind` that begins with one of `prefixes` and is an `async def`, or None."""
    for name in dir(kind):
        if name.startswith(prefixes):
            method = inspect.getattr_static(kind, name, None)
            method = getattr(method, "__func__", method)
            if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
                return name
    return None
