"""Owns the points of a request at which tools are called, and the order in which they are; knows no tool.

`Request` keeps one `HookMap`, fills it from its configuration and runs a point at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..messages.errors import HTTPError, HTTPRedirect, InternalRedirect
from ..process.logs import log

__all__ = ["POINTS", "Hook", "HookMap"]

#: In the order a request comes to them; the last two only after an error that nobody expected.
POINTS = (
    "on_start_resource",
    "before_request_body",
    "before_handler",
    "before_finalize",
    "on_end_resource",
    "on_end_request",
    "before_error_response",
    "after_error_response",
)


class Hook:
    """A callable, its keywords, its place among others (`priority`, low first) and whether it is called whatever the
    others raise (`failsafe`). Both are taken from the callable's attributes of these names where they are not given."""

    def __init__(
        self, callback: Callable[..., Any], failsafe: bool | None = None, priority: float | None = None, **kwargs: Any
    ) -> None:
        self.callback = callback
        self.failsafe: bool = getattr(callback, "failsafe", False) if failsafe is None else failsafe
        self.priority: float = getattr(callback, "priority", 50) if priority is None else priority
        self.kwargs = kwargs

    def __call__(self) -> Any:
        return self.callback(**self.kwargs)

    def __lt__(self, other: Hook) -> bool:
        return self.priority < other.priority

    def __repr__(self) -> str:
        return f"Hook({self.callback!r}, failsafe={self.failsafe}, priority={self.priority}, **{self.kwargs!r})"


class HookMap(dict[str, list[Hook]]):
    """Point to its hooks."""

    @classmethod
    def of_points(cls) -> HookMap:
        """All points, without a hook."""
        return cls((point, []) for point in POINTS)

    def attach(
        self,
        point: str,
        callback: Callable[..., Any],
        failsafe: bool | None = None,
        priority: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Call `callback` with `kwargs` at `point`."""
        self[point].append(Hook(callback, failsafe, priority, **kwargs))

    def run(self, point: str) -> None:
        """Call the hooks of `point`. Once one raises, only those that are failsafe are called; then it is raised on.

        What is raised last wins, as it does where an exception handler fails.
        """
        self._run(sorted(self[point]))

    def _run(self, hooks: list[Hook]) -> None:
        for index, hook in enumerate(hooks):
            try:
                hook()
            except Exception as error:
                _log_unexpected(error)
                self._run([later for later in hooks[index + 1 :] if later.failsafe])
                raise

    def copy(self) -> HookMap:
        """A copy whose lists may be added to."""
        return HookMap((point, list(hooks)) for point, hooks in self.items())


def _log_unexpected(error: Exception) -> None:
    if not isinstance(error, (HTTPError, HTTPRedirect, InternalRedirect)):
        log(traceback=True, severity=40)
