"""Owns page handlers, which dispatchers set as `request.handler`: a page and the arguments it is called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..messages.errors import HTTPError
from ..process.serving import serving
from .arguments import check_arguments

__all__ = ["LateParamPageHandler", "PageHandler"]


class PageHandler:
    """A page and its arguments. Tools may read and change them as `request.args` and `request.kwargs`."""

    def __init__(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.callable = callable
        self.args = args
        self.kwargs = kwargs

    @property
    def args(self) -> Any:
        """The positional arguments: the segments of the path that are left."""
        return serving.request.args

    @args.setter
    def args(self, args: Any) -> None:
        serving.request.args = args

    @property
    def kwargs(self) -> Any:
        """The keyword arguments: the parameters of query and body."""
        return serving.request.kwargs

    @kwargs.setter
    def kwargs(self, kwargs: Any) -> None:
        serving.request.kwargs = kwargs

    def __call__(self) -> Any:
        args, kwargs = self.args, self.kwargs
        try:
            return self.callable(*args, **kwargs)
        except TypeError as error:
            try:
                check_arguments(self.callable, args, kwargs)
            except HTTPError as mismatch:
                raise mismatch from error
            except Exception:
                raise error from None
            raise


class LateParamPageHandler(PageHandler):
    """A page handler whose keywords are read when it is called, so that they include the parameters of the body."""

    _own: dict[str, Any]

    @property
    def kwargs(self) -> Any:
        """The request's parameters, overridden by those that were set here."""
        return {**serving.request.params, **self._own}

    @kwargs.setter
    def kwargs(self, kwargs: Any) -> None:
        serving.request.kwargs = kwargs
        self._own = kwargs or {}
