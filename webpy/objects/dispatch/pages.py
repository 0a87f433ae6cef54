"""Owns page handlers, which dispatchers set as `request.handler`: a page and the arguments it is called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..messages.errors import HTTPError
from ..process.serving import serving
from .arguments import check_arguments

__all__ = ["LateParamPageHandler", "PageHandler"]


class PageHandler:
    """A page with its arguments, which tools may look at and change as `request.args` and `request.kwargs`."""

    def __init__(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.callable = callable
        self.args = args
        self.kwargs = kwargs

    @property
    def args(self) -> Any:
        """Positional arguments: what is left of the path."""
        return serving.request.args

    @args.setter
    def args(self, args: Any) -> None:
        serving.request.args = args

    @property
    def kwargs(self) -> Any:
        """Keyword arguments: the parameters."""
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
    """One whose keywords are the parameters at the time of the call, with those of the body."""

    _own: dict[str, Any]

    @property
    def kwargs(self) -> Any:
        """The request's parameters, and over them what was set here."""
        return {**serving.request.params, **self._own}

    @kwargs.setter
    def kwargs(self, kwargs: Any) -> None:
        serving.request.kwargs = kwargs
        self._own = kwargs or {}
