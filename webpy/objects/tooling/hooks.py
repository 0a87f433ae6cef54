"""Owns hooks: callables that are run at certain points of a request, in the order of their priority. Knows no tool.

Each `Request` has a `HookMap`, fills it from its configuration and runs one point at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..messages.errors import HTTPError, HTTPRedirect, InternalRedirect
from ..process.logs import log

__all__ = ["POINTS", "Hook", "HookMap"]

#: In the order in which a request runs them; the last two are run only for unexpected exceptions.
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
    """A callable with its keywords.

    priority: hooks of low priority are run first; failsafe: run it even if an earlier hook raised. Where these are
    None, the callable's attributes of the same names hold, else 50 and False.
    """

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
    """Maps each point to its hooks."""

    @classmethod
    def of_points(cls) -> HookMap:
        """Return a map of all points without hooks."""
        return cls((point, []) for point in POINTS)

    def attach(
        self,
        point: str,
        callback: Callable[..., Any],
        failsafe: bool | None = None,
        priority: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Add a hook that calls `callback` with `kwargs` at `point`: see `Hook`."""
        self[point].append(Hook(callback, failsafe, priority, **kwargs))

    def run(self, point: str) -> None:
        """Run the hooks of `point`. After one has raised, only failsafe hooks are run; then the exception is raised on.

        If several hooks raise, the last exception is the one that is raised.
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
        """Return a copy whose lists are independent."""
        return HookMap((point, list(hooks)) for point, hooks in self.items())


def _log_unexpected(error: Exception) -> None:
    if not isinstance(error, (HTTPError, HTTPRedirect, InternalRedirect)):
        log(traceback=True, severity=40)
