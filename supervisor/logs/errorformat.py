"""The format of the error log's records: lines of text, or one JSON object a line (`--error-format`); for developers at
a terminal, text that is short, with colours or without.

Owns the formats. Knows nothing of where a record goes. Used in the master and, through `childlog`, in its children.

    2026-01-31 12:00:00 +0000 [4711] [error] app.orders: no stock          followed by the lines of a traceback
    {"time": "2026-01-31T12:00:00.123+00:00", "level": "error", "logger": "app.orders", "pid": 4711,
     "role": "worker 0", "message": "no stock", "exception": "Traceback …"}
    error: app.orders: no stock                                            followed by the lines of a traceback
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["FORMS", "LEVELS", "Record", "log_line"]

FORMS = ("text", "json", "short", "colour")
LEVELS = ("debug", "info", "warning", "error", "critical")

#: of the form "colour", ANSI escape sequences (ECMA-48 section 8.3.117) by level; "info" has none
_COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[1;31m", "critical": "\x1b[1;31m"}
_PLAIN = "\x1b[0m"


@dataclass(slots=True)
class Record:
    """One record: `logger` is "" for the server itself, `role` names the process, `exception` is a traceback or ""."""

    level: str
    message: str
    logger: str = ""
    role: str = ""
    exception: str = ""

    def encode(self, form: str, at_s: float | None = None) -> bytes:
        """Return the record in the format `form`, one of FORMS, with a newline at the end.

        `at_s` is Unix time, by default now.
        """
        at_s = time.time() if at_s is None else at_s
        if form in ("short", "colour"):
            text = self._short(_COLOURS.get(self.level, "") if form == "colour" else "")
        else:
            text = self._json(at_s) if form == "json" else self._text(at_s)
        return text.encode("utf-8", "backslashreplace")

    def _short(self, colour: str) -> str:
        level = "" if self.level == "info" else f"{colour}{self.level}:{_PLAIN if colour else ''} "
        name = f"{self.logger}: " if self.logger else ""
        exception = f"\n{self.exception}" if self.exception else ""
        return f"{level}{name}{self.message}{exception}\n"

    def _text(self, at_s: float) -> str:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime(at_s))
        name = f"{self.logger}: " if self.logger else ""
        exception = f"\n{self.exception}" if self.exception else ""
        return f"{stamp} [{os.getpid()}] [{self.level}] {name}{self.message}{exception}\n"

    def _json(self, at_s: float) -> str:
        fields = {
            "time": datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds"),
            "level": self.level,
            "logger": self.logger or "webpy",
            "pid": os.getpid(),
            "role": self.role,
            "message": self.message,
        }
        if self.exception:
            fields["exception"] = self.exception
        return json.dumps(fields).replace("\x7f", "\\u007f") + "\n"  # the one control character that JSON leaves


def log_line(level: str, text: str) -> bytes:
    """Return a record of the server itself in the text format."""
    return Record(level, text).encode("text")
