"""Owns `log`: it writes an application's messages to webpy's error log, and to files that the configuration names.

`log.error_log` and `log.access_log` are loggers (`cherrypy.error`, `cherrypy.access`; an application's end with its
id) to which programs may add handlers. The access log of all requests is webpy's.
"""

from __future__ import annotations

import datetime
import logging
import sys
from logging.handlers import WatchedFileHandler
from typing import Any

from ...protocol.grammar import MONTHS
from .serving import serving

__all__ = ["GlobalLog", "Log", "log"]


class _Screen(logging.Handler):
    """Passes records on to webpy's error log, whose lines have the time and the process already.

    min_level: records below this level are dropped.
    """

    def __init__(self) -> None:
        super().__init__()
        self.min_level = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= self.min_level:
            said = getattr(record, "said", None) or record.getMessage()
            logging.getLogger("webpy").log(record.levelno, "%s", said, exc_info=record.exc_info)


class Log:
    """The log of one application, or of the process.

    screen: False leaves only warnings and errors in webpy's error log; error_file, access_file: paths of files to
    append to, empty for none.
    """

    access_log_format = '{h} {l} {u} {t} "{r}" {s} {b} "{f}" "{a}"'

    def __init__(self, appid: int | None = None, logger_root: str = "cherrypy") -> None:
        suffix = "" if appid is None else f".{appid}"
        self.appid = appid
        self.logger_root = logger_root
        self.error_log = logging.getLogger(f"{logger_root}.error{suffix}")
        self.access_log = logging.getLogger(f"{logger_root}.access{suffix}")
        for logger in (self.error_log, self.access_log):
            logger.setLevel(logging.INFO)
            logger.addHandler(logging.NullHandler())
        self._files: dict[logging.Logger, WatchedFileHandler] = {}

    def __call__(self, msg: str = "", context: str = "", severity: int = logging.INFO, traceback: bool = False) -> None:
        """Log a message. context: the part that logs it, in capitals; traceback: add that of the current exception."""
        self.error(msg, context, severity, traceback)

    def error(self, msg: str = "", context: str = "", severity: int = logging.INFO, traceback: bool = False) -> None:
        """See `__call__`."""
        said = f"{context} {msg}".strip()
        line = f"{self.time()} {context} {msg}"
        exc_info = sys.exc_info() if traceback else None
        self.error_log.log(severity, "%s", line, exc_info=exc_info, extra={"said": said or "exception"})

    def access(self) -> None:
        """Log the current request, which has been answered, if the application has a handler on `access_log`."""
        if not self.has_access_log():
            return
        request, response = serving.request, serving.response
        status = "-" if response.output_status is None else response.output_status.partition(b" ")[0].decode("latin-1")
        atoms = {
            "h": request.remote.name or request.remote.ip,
            "l": "-",
            "u": request.login or "-",
            "t": self.time(),
            "r": request.request_line,
            "s": status,
            "b": response.headers.get("Content-Length") or "-",
            "f": request.headers.get("Referer", ""),
            "a": request.headers.get("User-Agent", ""),
            "o": request.headers.get("Host", "-"),
            "i": request.unique_id,
            "z": datetime.datetime.now(datetime.UTC).isoformat("T") + "Z",
        }
        line = self.access_log_format.format(**{name: _safe(str(value)) for name, value in atoms.items()})
        self.access_log.info("%s", line)

    def has_access_log(self) -> bool:
        """Return whether a handler of the application would get the records of `access`.

        webpy's own handler on the root logger does not count, as webpy's access log has a line for each request.
        """
        logger: logging.Logger | None = self.access_log
        while logger is not None:
            for handler in logger.handlers:
                if not isinstance(handler, logging.NullHandler) and not getattr(handler, "stands_in", False):
                    return True
            logger = logger.parent if logger.propagate else None
        return False

    def time(self) -> str:
        """Return the time as log lines have it."""
        now = datetime.datetime.now()
        return f"[{now.day:02}/{MONTHS[now.month - 1]}/{now:%Y:%H:%M:%S}]"

    @property
    def screen(self) -> bool:
        """Whether webpy's error log gets all messages; set it to False for warnings and errors only."""
        handler = self._screen_handler()
        return handler is not None and handler.min_level == logging.NOTSET

    @screen.setter
    def screen(self, wanted: bool) -> None:
        handler = self._screen_handler()
        if handler is None:
            handler = _Screen()
            self.error_log.addHandler(handler)
        handler.min_level = logging.NOTSET if wanted else logging.WARNING

    def _screen_handler(self) -> _Screen | None:
        return next((handler for handler in self.error_log.handlers if isinstance(handler, _Screen)), None)

    @property
    def error_file(self) -> str:
        """The file that messages are appended to; empty for none."""
        return self._file_of(self.error_log)

    @error_file.setter
    def error_file(self, path: str) -> None:
        self._log_to_file(self.error_log, path)

    @property
    def access_file(self) -> str:
        """The file that a line for each request is appended to, beside webpy's access log; empty for none."""
        return self._file_of(self.access_log)

    @access_file.setter
    def access_file(self, path: str) -> None:
        self._log_to_file(self.access_log, path)

    def reopen_files(self) -> None:
        """Open the files again if they have been moved away, as log rotation does."""
        for handler in self._files.values():
            handler.reopenIfNeeded()

    def _file_of(self, logger: logging.Logger) -> str:
        handler = self._files.get(logger)
        return "" if handler is None else handler.baseFilename

    def _log_to_file(self, logger: logging.Logger, path: str) -> None:
        handler = self._files.pop(logger, None)
        if handler is not None:
            logger.removeHandler(handler)
            handler.close()
        if path:
            # It appends, so that lines of several processes stay whole, and reopens a file that has been moved away.
            handler = WatchedFileHandler(path)
            handler.setFormatter(logging.Formatter("%(message)s"))
            logger.addHandler(handler)
            self._files[logger] = handler


def _safe(value: str) -> str:
    """Escape a value that a client sent: it stays on one line and within its quotes."""
    return repr(value.replace('"', '\\"').encode())[2:-1].replace("\\\\", "\\")


class GlobalLog(Log):
    """Passes messages to the log of the application that serves this thread, if there is one."""

    def __call__(self, msg: str = "", context: str = "", severity: int = logging.INFO, traceback: bool = False) -> None:
        app: Any = getattr(serving.request, "app", None)
        (self if app is None else app.log).error(msg, context, severity, traceback)

    def access(self) -> None:
        app: Any = getattr(serving.request, "app", None)
        if app is None:
            super().access()
        else:
            app.log.access()


log = GlobalLog()
log.screen = True
