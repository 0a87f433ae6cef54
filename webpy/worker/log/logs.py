"""Owns where Python's `logging` goes in the processes of the server: into the error log, unless the application says.

The server's own logger, `webpy`, always does. Other records do as well, from the root logger's level on, which is the
setting `log_level`, as long as nothing of the application's handles them: a handler that it adds to a logger, or
`logging.basicConfig` or `dictConfig`, takes the place of ours. Called in the zygote, before and after the application
is loaded; workers inherit it.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

from ...supervisor import log_record

__all__ = ["log_applications_records", "log_own_records"]


class _Level(int):
    """The root logger's level as we have set it: an application that sets the same has a plain number."""


class _ErrorLogHandler(logging.Handler):
    """Puts records into the error log; own: they are the server's."""

    #: not the application's: code that asks whether a logger has a handler looks for this (`objects.process.logs`)
    stands_in = True

    def __init__(self, *, own: bool) -> None:
        super().__init__()
        self._own = own

    def emit(self, record: logging.LogRecord) -> None:
        if not self._own and self._is_handled(record.name):
            return
        try:
            log_record(
                record.levelname.lower(),
                record.getMessage(),
                logger="" if self._own else record.name,
                exception=_exception(record),
                at_s=record.created,
            )
        except Exception:
            self.handleError(record)

    def _is_handled(self, name: str) -> bool:
        """Return whether a handler of the application's takes the records of this logger."""
        logger: logging.Logger | None = logging.getLogger(name) if name != "root" else logging.getLogger()
        while logger is not None:
            if any(each is not self and not isinstance(each, logging.NullHandler) for each in logger.handlers):
                return True
            logger = logger.parent if logger.propagate else None
        return False


def _exception(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(logging.Formatter().formatException(record.exc_info))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def log_own_records(log: logging.Logger, level: str) -> None:
    """Have the server's own logger write to the error log; also after the application's dictConfig switched it off."""
    log.handlers[:] = [_ErrorLogHandler(own=True)]
    log.setLevel(level.upper())
    log.propagate = False
    log.disabled = False


def log_applications_records(level: str) -> None:
    """Have all records that nothing of the application's handles go to the error log."""
    root = logging.getLogger()
    if root.handlers:
        return  # the program that became the server has configured it
    handler = _ErrorLogHandler(own=False)
    before = root.level
    root.addHandler(handler)
    root.setLevel(_Level(logging.getLevelName(level.upper())))
    configure = logging.basicConfig

    @functools.wraps(configure)
    def basic_config(**keywords: Any) -> None:
        # it does nothing where the root logger has a handler, which is not to be ours
        logging.basicConfig = configure
        root.removeHandler(handler)
        if isinstance(root.level, _Level):
            root.setLevel(before)
        logging.basicConfig(**keywords)

    logging.basicConfig = basic_config
