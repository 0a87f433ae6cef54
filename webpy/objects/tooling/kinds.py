"""Owns the kinds of `Tool` that answer requests or errors themselves, or wrap the page handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..messages.errors import NotFound
from ..process.serving import serving
from .tool import Tool

__all__ = ["ErrorTool", "HandlerTool", "HandlerWrapperTool"]


class HandlerTool(Tool):
    """A tool that may answer by itself: if its callable returns true, the page handler is not called."""

    def __init__(self, callable: Callable[..., Any], name: str | None = None) -> None:
        super().__init__("before_handler", callable, name)

    def handler(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Return the tool as a page handler with these arguments; it answers 404 if its callable returns false."""

        def handle(*path: Any, **params: Any) -> Any:
            if not self.callable(*args, **self._merged_args(kwargs)):
                raise NotFound()
            return serving.response.body

        handle.exposed = True  # type: ignore[attr-defined]
        return handle

    def _setup(self) -> None:
        self._attach(self._wrapper)

    def _wrapper(self, **kwargs: Any) -> None:
        if self.callable(**kwargs):
            serving.request.handler = None


class HandlerWrapperTool(Tool):
    """Wraps the page handler: `newhandler(next_handler, *args, **kwargs)` returns the body."""

    def __init__(
        self,
        newhandler: Callable[..., Any],
        point: str = "before_handler",
        name: str | None = None,
        priority: float = 50,
    ) -> None:
        self.newhandler = newhandler
        self._point = point
        self._name = name
        self._priority = priority
        self.__doc__ = newhandler.__doc__
        self.callable = self._wrap

    def _wrap(self, *args: Any, **kwargs: Any) -> None:
        inner = serving.request.handler

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return self.newhandler(inner, *args, **kwargs)

        serving.request.handler = wrapped


class ErrorTool(Tool):
    """Replaces `request.error_response`: answers unexpected exceptions."""

    def __init__(self, callable: Callable[..., Any], name: str | None = None) -> None:
        super().__init__(None, callable, name)

    def _setup(self) -> None:
        serving.request.error_response = self._wrapper

    def _wrapper(self) -> None:
        self.callable(**self._merged_args())
