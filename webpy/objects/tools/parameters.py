"""The tool `params`: converts parameters from text by the annotations of the page handler."""

from __future__ import annotations

from ..messages.errors import HTTPError
from ..process.serving import request

__all__ = ["convert_params"]


def convert_params(
    exception: type[BaseException] | tuple[type[BaseException], ...] = ValueError, error: int = 400
) -> None:
    """Call the annotation of each parameter with its text. If that raises `exception`, answer with status `error`."""
    types = getattr(request.handler.callable, "__annotations__", {})
    params = request.params
    try:
        for name in set(types).intersection(params):
            params[name] = types[name](params[name])
    except exception as problem:
        raise HTTPError(error, str(problem)) from problem
