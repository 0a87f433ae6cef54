"""Owns what is computed once a second and read on every request: the Date field and the log's time stamp.

The leader calls `tick` once per poll; every thread of the worker reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...framework.answer import BYTES_TYPE, NO_SNIFFING, OURS, TEXT_TYPE
from ...framework.headers import HTTPHeaders
from ...protocol import REASONS, body_allowed, encode_head
from ...protocol.grammar import http_date

if TYPE_CHECKING:
    from ...framework.response import Response

__all__ = ["SERVER", "Clock", "Preamble"]

Fields = tuple[tuple[str, str, str], ...]

FieldPairs = tuple[tuple[str, str], ...]

SERVER = "webpy"


class Prefixes(dict[int, bytes | None]):
    """Maps a status to the answer's head, up to the number of its Content-Length; to None if it has no plain body."""

    __slots__ = ("_fields",)

    def __init__(self, fields: FieldPairs, content_type: str) -> None:
        """fields: that all answers have."""
        pairs = (*fields, ("Content-Type", content_type), NO_SNIFFING)
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in pairs)

    def __missing__(self, status: int) -> bytes | None:
        reason = REASONS.get(status) if type(status) is int and status >= 200 else None
        if reason is None or not body_allowed(status, "GET"):
            return None
        head = f"HTTP/1.1 {status} {reason}\r\n{self._fields}Content-Length: "
        self[status] = prefix = head.encode("ascii")
        return prefix


class Headed(dict[tuple[int, bool, Fields], bytes | None]):
    """The same for answers whose handler set headers, by status, whether the body is text, and the fields.

    An application sets the same few again and again, so they are encoded once a second and not once a request.
    """

    __slots__ = ("_fields",)

    _MAX_ENTRIES = 256

    def __init__(self, fields: FieldPairs) -> None:
        """fields: that all answers have, unless the handler sets them."""
        self._fields = fields

    def __missing__(self, key: tuple[int, bool, Fields]) -> bytes | None:
        status, is_text, fields = key
        names = {low for low, _, _ in fields}
        if type(status) is not int or status not in REASONS or not body_allowed(status, "GET") or names & OURS:
            return None  # what is to be done then, `render` knows
        pairs = [field for field in self._fields if field[0].lower() not in names]
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


class Preamble:
    """What answers to requests of one scheme begin with, for the present second.

    date: the Date field (RFC 9110 section 6.6.1). more: fields besides Server and Date that all answers have, unless
    their handler sets them. text, plain: the heads of plain answers with a body of text or bytes; headed: of those
    whose handler set headers.
    """

    __slots__ = ("date", "headed", "more", "plain", "text")

    def __init__(self, more: FieldPairs = ()) -> None:
        self.more = more
        self.begin("")

    def begin(self, date: str) -> None:
        """Begin the second of which this is the Date field."""
        self.date = date
        fields = (("Server", SERVER), ("Date", date), *self.more)
        self.text = Prefixes(fields, TEXT_TYPE)
        self.plain = Prefixes(fields, BYTES_TYPE)
        self.headed = Headed(fields)

    def complete(self, headers: HTTPHeaders | None) -> HTTPHeaders | None:
        """Return what a handler set, None for nothing, with the fields that it left out of `more`."""
        if headers is not None and not isinstance(headers, HTTPHeaders):
            return headers  # what is wrong with it, `compose` says
        completed = HTTPHeaders(headers or ())
        for name, value in self.more:
            if name not in completed:
                completed.add(name, value)
        return completed

    def prefix(self, status: int, is_text: bool, response: Response | None) -> bytes | None:
        """Return the head of a plain answer, up to the number of its Content-Length; None if the answer is not plain.

        Raises whatever an invalid status or invalid headers raise.
        """
        if response is None:
            return (self.text if is_text else self.plain)[status]
        return self.headed[status, is_text, response.headers.frozen()]


class Clock:
    """The present second, in the shapes that answers and log records want.

    preambles: by the scheme of the request.
    """

    __slots__ = ("_make_stamp", "due_s", "preambles", "stamp")

    def __init__(self, make_stamp: Callable[[float], bytes], hsts_s: int | None = None) -> None:
        """make_stamp: the access log's time stamp of a time in seconds since the epoch. hsts_s: for how long browsers
        shall use https only (RFC 6797 section 6.1.1), None to say nothing of it."""
        self._make_stamp = make_stamp
        plain = Preamble()
        secure = plain if hsts_s is None else Preamble((("Strict-Transport-Security", f"max-age={hsts_s}"),))
        self.preambles = {"http": plain, "https": secure}
        self.tick(time.monotonic())

    def tick(self, now_s: float) -> None:
        """Move on to the present second; `due_s` is then the monotonic time of the next one."""
        wall_s = time.time()
        self.due_s = now_s + 1.0 - wall_s % 1.0
        self.stamp = self._make_stamp(wall_s)
        date = http_date(wall_s)
        for preamble in {*self.preambles.values()}:
            preamble.begin(date)
