"""Owns `Tool`: a function that is called at a point of a request where the configuration turns it on.

    @webpy.objects.tools.json_out(handler=mine)       # on for one page handler, with one argument
    config = {"/": {"tools.json_out.on": True}}       # on for a path and everything below it
    webpy.objects.tools.stamp = Tool("before_finalize", stamp)          # a tool of the application's own

A tool's callable works on `webpy.objects.request` and `.response`; the configuration's entries below `tools.NAME.` are
its keywords. `kinds` has other kinds of tools, `toolbox` collects them; the built-in ones are in `webpy.objects.tools`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..process.serving import serving

__all__ = ["Tool"]

Decorated = TypeVar("Decorated")


class Tool:
    """Calls `callable` at the hook point `point`, with the configuration's entries as keywords.

    name: taken from the toolbox's attribute if None; priority: tools of low priority are called first;
    `callable.priority` overrides it, and `tools.NAME.priority` in the configuration overrides both.
    """

    namespace = "tools"

    def __init__(
        self, point: str | None, callable: Callable[..., Any], name: str | None = None, priority: float = 50
    ) -> None:
        self._point = point
        self.callable = callable
        self._name = name
        self._priority = priority
        self.__doc__ = callable.__doc__
        for argument in _names_of_arguments(callable):
            setattr(self, argument, None)

    @property
    def on(self) -> bool:
        """Raises AttributeError: a tool is on for a page handler or a path, not by itself."""
        raise AttributeError("a tool is turned on by the configuration, or as the decorator of a page handler")

    @on.setter
    def on(self, value: bool) -> None:
        raise AttributeError("a tool is turned on by the configuration, or as the decorator of a page handler")

    def __call__(self, *args: Any, **kwargs: Any) -> Callable[[Decorated], Decorated]:
        """Return a decorator that turns the tool on for a page handler or a class. kwargs: the tool's keywords.

        Raises TypeError for positional arguments.
        """
        if args:
            raise TypeError(f"tool {self._name}: got positional arguments {args!r}, wanted keywords only")
        prefix = f"{self.namespace}.{self._name}."

        def decorate(handler: Decorated) -> Decorated:
            config = getattr(handler, "_cp_config", None)
            if config is None:
                config = handler._cp_config = {}  # type: ignore[attr-defined]
            config[prefix + "on"] = True
            config.update((prefix + name, value) for name, value in kwargs.items())
            return handler

        return decorate

    def _merged_args(self, given: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the tool's keywords for the current request: the configuration's entries override `given`."""
        settings = serving.request.toolmaps.get(self.namespace, {}).get(self._name, {})
        merged = {**(given or {}), **settings}
        merged.pop("on", None)
        return merged

    def _setup(self) -> None:
        """Attach the tool to the current request; called for each request for which it is on."""
        self._attach(self.callable)

    def _attach(self, callback: Callable[..., Any]) -> None:
        settings = self._merged_args()
        priority = settings.pop("priority", None)
        if priority is None:
            priority = getattr(self.callable, "priority", self._priority)
        assert self._point is not None
        serving.request.hooks.attach(self._point, callback, priority=priority, **settings)


def _names_of_arguments(callable: Callable[..., Any]) -> Iterator[str]:
    """The names of a tool's arguments, which are set as its attributes (all None), as documentation."""
    try:
        parameters = inspect.signature(callable).parameters.values()
    except (TypeError, ValueError):
        return
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            yield parameter.name
