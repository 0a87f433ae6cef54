"""Owns `Later`, the result of a handler whose answer is given after it has returned; no sockets, no threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Answerable", "Later"]


class Answerable(Protocol):
    """A request that waits for its answer. Exactly one of the methods is to be called, once, from any thread."""

    def respond(self, result: Any) -> None:
        """Answer with what a handler would have returned. Raises RuntimeError if it has been answered already."""

    def fail(self, error: BaseException) -> None:
        """Answer as if the handler had raised this. Raises RuntimeError if it has been answered already."""


class Later:
    """Returned by a handler's `respond` in place of a result: the answer comes later, and no thread waits for it.

    begin: called once with an `Answerable`, on a thread that may run handlers. The answer has the fields of the
    handler's `response` too. For hosts of asynchronous applications: mix-ins that look into a result cannot read it.
    """

    __slots__ = ("begin",)

    def __init__(self, begin: Callable[[Any], None]) -> None:
        self.begin = begin
