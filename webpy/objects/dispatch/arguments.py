"""Owns the check whether a page can be called with a request's arguments, and which status says that it cannot."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..messages.errors import HTTPError
from ..process.serving import serving

__all__ = ["check_arguments", "test_callable_spec"]


def check_arguments(callable: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> None:
    """Check whether a page can be called with these arguments; called when the call raised TypeError.

    Returns None if they fit, so that the page itself raised. Raises HTTPError 404 if arguments from the URL do not fit,
    400 if arguments from the body do not.
    """
    try:
        spec = inspect.getfullargspec(callable)
    except TypeError:
        callable = callable.__call__  # type: ignore[operator]
        spec = inspect.getfullargspec(callable)
    # the first is the object itself: pages are methods
    names = spec.args[1:] if spec.args and (inspect.ismethod(callable) or hasattr(callable, "__call__")) else spec.args  # noqa: B004
    given = dict.fromkeys(names, 0)
    for name in names[: len(args)]:
        given[name] += 1
    unexpected = set()
    for name in kwargs:
        if name in given:
            given[name] += 1
        else:
            unexpected.add(name)
    for name in names[len(names) - len(spec.defaults or ()) :]:
        given[name] = given[name] or 1
    in_body = set(serving.request.body.params or ())
    in_query = set(kwargs) - in_body

    missing = [name for name, count in given.items() if count == 0]
    if missing:
        raise _mismatch(404, "Missing parameters", ",".join(missing))
    if len(args) > len(names) and not spec.varargs:
        raise HTTPError(404)
    multiple = [name for name, count in given.items() if count > 1]
    if multiple:
        status = 404 if in_query.intersection(multiple) else 400
        raise _mismatch(status, "Multiple values for parameters", ",".join(multiple))
    if unexpected and not spec.varkw:
        if in_query & unexpected:
            raise _mismatch(404, "Unexpected query string parameters", ", ".join(in_query & unexpected))
        if in_body & unexpected:
            raise _mismatch(400, "Unexpected body parameters", ", ".join(in_body & unexpected))


test_callable_spec = check_arguments  # CherryPy's name


def _mismatch(status: int, what: str, names: str) -> HTTPError:
    shown = getattr(serving.request, "show_mismatched_params", False)
    return HTTPError(status, f"{what}: {names}" if shown else None)
