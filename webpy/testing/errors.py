"""The exceptions of `webpy.testing`. Knows nothing of where they are raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .answer import Answer

__all__ = ["BrokenAnswer", "ReloadError", "StartError", "TooManyRedirects"]


class StartError(Exception):
    """TARGET could not be loaded, a setting is wrong, or the server did not start; `str()` says why."""


class ReloadError(Exception):
    """A server goes on as it was, as its reload failed; `str()` says why."""


class BrokenAnswer(ConnectionError):
    """The connection ended in the middle of an answer. `answer` is what there is of it; None if not even a head."""

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.answer = answer


class TooManyRedirects(Exception):
    """A request was redirected again and again. `answer` is the last one."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer
