"""Owns what is computed once a second and read on every request: the Date field and the log's time stamp.

The leader calls `tick` once per poll; every thread of the worker reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...framework.answer import BYTES_TYPE, NO_SNIFFING, OURS, TEXT_TYPE
from ...protocol import REASONS, body_allowed, encode_head
from ...protocol.grammar import http_date

if TYPE_CHECKING:
    from ...framework.response import Response

__all__ = ["SERVER", "Clock"]

Fields = tuple[tuple[str, str, str], ...]

SERVER = "webpy"


class Prefixes(dict[int, bytes | None]):
    """Maps a status to the answer's head, up to the number of its Content-Length; to None if it has no plain body."""

    __slots__ = ("_date", "_type")

    def __init__(self, date: str, content_type: str) -> None:
        self._date = date
        self._type = f"Content-Type: {content_type}\r\n{': '.join(NO_SNIFFING)}\r\n"

    def __missing__(self, status: int) -> bytes | None:
        reason = REASONS.get(status) if type(status) is int and status >= 200 else None
        if reason is None or not body_allowed(status, "GET"):
            return None
        head = f"HTTP/1.1 {status} {reason}\r\nServer: {SERVER}\r\nDate: {self._date}\r\n{self._type}Content-Length: "
        self[status] = prefix = head.encode("ascii")
        return prefix


class Headed(dict[tuple[int, bool, Fields], bytes | None]):
    """The same for answers whose handler set headers, by status, whether the body is text, and the fields.

    An application sets the same few again and again, so they are encoded once a second and not once a request.
    """

    __slots__ = ("_date",)

    _MAX_ENTRIES = 256

    def __init__(self, date: str) -> None:
        self._date = date

    def __missing__(self, key: tuple[int, bool, Fields]) -> bytes | None:
        status, is_text, fields = key
        names = {low for low, _, _ in fields}
        if type(status) is not int or status not in REASONS or not body_allowed(status, "GET") or names & OURS:
            return None  # what is to be done then, `render` knows
        pairs = [("Server", SERVER), ("Date", self._date)]
        if "content-type" not in names:
            pairs.append(("Content-Type", TEXT_TYPE if is_text else BYTES_TYPE))
            if NO_SNIFFING[0].lower() not in names:
                pairs.append(NO_SNIFFING)
        for low, name, value in fields:
            if value or low != "content-type":  # an empty one is sent as none
                pairs.append((name, value))
        head = encode_head(status, None, pairs)
        if len(self) >= self._MAX_ENTRIES:
            self.clear()
        self[key] = prefix = head[:-2] + b"Content-Length: "
        return prefix


class Clock:
    """The present second, in the shapes that answers and log records want."""

    __slots__ = ("_make_stamp", "date", "due_s", "headed", "plain", "stamp", "text")

    def __init__(self, make_stamp: Callable[[float], bytes]) -> None:
        """make_stamp: the access log's time stamp of a time in seconds since the epoch."""
        self._make_stamp = make_stamp
        self.tick(time.monotonic())

    def prefix(self, status: int, is_text: bool, response: Response | None) -> bytes | None:
        """Return the head of a plain answer, up to the number of its Content-Length; None if the answer is not plain.

        Raises whatever an invalid status or invalid headers raise.
        """
        if response is None:
            return (self.text if is_text else self.plain)[status]
        return self.headed[status, is_text, response.headers.frozen()]

    def tick(self, now_s: float) -> None:
        """Move on to the present second; `due_s` is then the monotonic time of the next one."""
        wall_s = time.time()
        self.due_s = now_s + 1.0 - wall_s % 1.0
        self.date = http_date(wall_s)
        self.stamp = self._make_stamp(wall_s)
        self.text = Prefixes(self.date, TEXT_TYPE)
        self.plain = Prefixes(self.date, BYTES_TYPE)
        self.headed = Headed(self.date)
