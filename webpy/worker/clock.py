"""Owns what is computed once a second and read on every request: the Date field and the log's time stamp.

The leader calls `tick` once per poll; every thread of the worker reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate

from ..protocol import REASONS, body_allowed

__all__ = ["SERVER", "TEXT", "Clock"]

SERVER = "webpy"
#: a str body without a Content-Type of the handler's own: named, so that no browser takes it for HTML
TEXT = "text/plain; charset=utf-8"


class Prefixes(dict[int, bytes | None]):
    """Status to the answer's head up to the Content-Length's number, in one piece; None where a body is not plain."""

    __slots__ = ("_date", "_type")

    def __init__(self, date: str, content_type: str) -> None:
        self._date = date
        self._type = f"Content-Type: {content_type}\r\n" if content_type else ""

    def __missing__(self, status: int) -> bytes | None:
        reason = REASONS.get(status) if type(status) is int and status >= 200 else None
        if reason is None or not body_allowed(status, "GET"):
            return None
        head = f"HTTP/1.1 {status} {reason}\r\nServer: {SERVER}\r\nDate: {self._date}\r\n{self._type}Content-Length: "
        self[status] = prefix = head.encode("ascii")
        return prefix


class Clock:
    """The present second, in the shapes that answers and log records want."""

    __slots__ = ("_make_stamp", "date", "due_s", "plain", "stamp", "text")

    def __init__(self, make_stamp: Callable[[float], bytes]) -> None:
        """make_stamp: the access log's time stamp of a time in seconds since the epoch."""
        self._make_stamp = make_stamp
        self.tick(time.monotonic())

    def tick(self, now_s: float) -> None:
        """Move on to the present second; `due_s` is then the monotonic time of the next one."""
        wall_s = time.time()
        self.due_s = now_s + 1.0 - wall_s % 1.0
        self.date = formatdate(wall_s, usegmt=True)
        self.stamp = self._make_stamp(wall_s)
        self.text = Prefixes(self.date, TEXT)
        self.plain = Prefixes(self.date, "")
