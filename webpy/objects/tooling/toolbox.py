"""Owns `Toolbox`, a collection of tools and the namespace of their configuration, and the default one."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from ..process.serving import serving
from .tool import Tool

__all__ = ["Toolbox", "default_toolbox"]


Decorated = TypeVar("Decorated")


class Toolbox:
    """A collection of tools, as attributes, that is set up by the configuration's entries below its `namespace`.

    To add another toolbox to an application: `app.toolboxes["mine"] = Toolbox("mine")`.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tool):
            if value._name is None:
                value._name = name
            value.namespace = self.namespace
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"toolbox {self.__dict__.get('namespace')!r} has no tool {name!r}")

    def __enter__(self) -> Callable[[str, Any], None]:
        """Return a function that takes each entry of a request's configuration: its name below the namespace, and its
        value."""
        toolmap: dict[str, dict[str, Any]] = {}
        serving.request.toolmaps[self.namespace] = toolmap

        def take(key: str, value: Any) -> None:
            name, _, argument = key.partition(".")
            toolmap.setdefault(name, {})[argument] = value

        return take

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Set up the tools that are on for this request."""
        if error is None:
            for name, settings in serving.request.toolmaps.get(self.namespace, {}).items():
                if settings.get("on", False):
                    getattr(self, name)._setup()

    def register(self, point: str, **kwargs: Any) -> Callable[[Decorated], Decorated]:
        """Return a decorator that makes a tool of a function: `@tools.register("before_handler", priority=20)`."""

        def decorate(function: Decorated) -> Decorated:
            name = kwargs.get("name") or function.__name__  # type: ignore[attr-defined]
            setattr(self, name, Tool(point, function, **kwargs))  # type: ignore[arg-type]
            return function

        return decorate


default_toolbox = Toolbox("tools")
