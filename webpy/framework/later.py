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
    handler's `response` too. changes: what is made of the result before it is sent; one of an error, given by `fail`,
    stays as it is.

    What a mix-in or the framework ends when the method has returned ends then, before the answer: a session is saved,
    and the lock of an `atomic` handler is given back.
    """

    __slots__ = ("begin", "changes")

    def __init__(self, begin: Callable[[Any], None], changes: tuple[Callable[[Any], Any], ...] = ()) -> None:
        self.begin = begin
        self.changes = changes

    def then(self, change: Callable[[Any], Any]) -> Later:
        """Return the same answer with `change(result)` in its result's place: for a `respond` that looks into results.

        It is called by the thread that answers. What it raises is answered as if the handler had raised it.
        """
        return Later(self.begin, (*self.changes, change))
