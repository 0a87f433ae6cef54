"""Owns how a worker writes to its error log: a logger never raises here, and never runs while its thread leads.

The logger may be the application's own (`HTTPServer(log=...)`), or have handlers of the application's, and those may
block or raise like anything else of the application's. So a line of the leader's is emitted once it has left the lead.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

__all__ = ["ErrorLog"]


class ErrorLog:
    """Has the methods of a logger, for any thread.

    leader: the ident of the thread that leads, whose lines are handed to `defer`, as a task of the pool. `now` is the
    same log without that, for code that does not hold the lead.
    """

    __slots__ = ("_defer", "_logger", "leader", "now")

    def __init__(self, logger: logging.Logger, defer: Callable[[tuple[Any, ...]], None] | None = None) -> None:
        self._logger = logger
        self._defer = defer
        self.leader = 0
        self.now: ErrorLog = self if defer is None else ErrorLog(logger)

    @property
    def name(self) -> str:
        """The logger's name."""
        return self._logger.name

    def debug(self, message: str, *args: object) -> None:
        if self._logger.isEnabledFor(logging.DEBUG):
            self._say(logging.DEBUG, message, args, None)

    def info(self, message: str, *args: object) -> None:
        self._say(logging.INFO, message, args, None)

    def warning(self, message: str, *args: object) -> None:
        self._say(logging.WARNING, message, args, None)

    def error(self, message: str, *args: object, exc_info: BaseException | None = None) -> None:
        """Log an error; exc_info: an exception, whose stack is logged too."""
        self._say(logging.ERROR, message, args, exc_info)

    def critical(self, message: str, *args: object, exc_info: BaseException | None = None) -> None:
        """Log what should never happen; otherwise as `error`."""
        self._say(logging.CRITICAL, message, args, exc_info)

    def log(self, level: int, message: str, *args: object) -> None:
        """Log at a level of `logging`."""
        self._say(level, message, args, None)

    def _say(self, level: int, message: str, args: tuple[object, ...], error: BaseException | None) -> None:
        if self._defer is not None and threading.get_ident() == self.leader:
            self._defer((self._emit, level, message, args, error))
        else:
            self._emit(None, level, message, args, error)

    def _emit(
        self, _activity: object, level: int, message: str, args: tuple[object, ...], error: BaseException | None
    ) -> None:
        try:
            self._logger.log(level, message, *args, exc_info=error)
        except BaseException as failure:
            _say_to_stderr(message, args, error, failure)


def _say_to_stderr(
    message: str, args: tuple[object, ...], error: BaseException | None, failure: BaseException
) -> None:
    """Write what the logger could not, and why, to standard error; or nothing, if that fails too."""
    with contextlib.suppress(BaseException):
        text = message % args if args else message
        for title, each in (("", error), ("the log raised:\n", failure)):
            if each is not None:
                text += f"\n{title}" + "".join(traceback.format_exception(each))
        os.write(2, text.encode("utf-8", "backslashreplace"))
