"""Owns what applications pass to `start_response`: its checks, and the status and fields that follow from it.

Applications pass the same few values again and again, so the result is cached in each worker. The handler makes fields
of its own from it for each answer, as mix-ins may change them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NoReturn

from ..framework.headers import HTTPHeaders
from ..framework.response import NO_TYPE
from ..protocol import REASONS

__all__ = ["Fields", "Started", "read_start"]


Fields = tuple[tuple[str, str, str], ...]


_STATUS = re.compile(r"([2-5][0-9]{2}) ([^\x00-\x08\x0a-\x1f\x7f]*)")


_HOP_BY_HOP = frozenset({"keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"})


_MAX_CACHED = 256


class Started:
    """Status and fields passed to `start_response`: shared by all answers with the same ones, so never changed.

    reason: None for the registered phrase; length: the Content-Length, None without, -1 for an invalid one; fields:
    from `HTTPHeaders.frozen`; without_length: the same without Content-Length.
    """

    __slots__ = ("fields", "length", "reason", "status", "without_length")

    def __init__(self, status: int, reason: str | None, headers: tuple[tuple[str, str], ...]) -> None:
        self.status = status
        self.reason = reason
        self.length: int | None = None
        fields = HTTPHeaders()
        for name, value in headers:
            low = name.lower()
            if low == "content-length":
                self.length = int(value) if value.isascii() and value.isdigit() else -1
            elif low in _HOP_BY_HOP:
                continue
            fields.add(name, value)
        if "Content-Type" not in fields:
            fields.add("Content-Type", NO_TYPE)
        self.fields = fields.frozen()
        self.without_length = tuple(field for field in self.fields if field[0] != "content-length")


_cache: dict[tuple[Any, ...], Started] = {}


def read_start(status: str, headers: list[tuple[str, str]]) -> Started:
    """Check what was passed to `start_response` and return it. Called by the thread that runs the application.

    Raises TypeError for headers that are not a list of tuples, ValueError for an invalid status, name or value.
    """
    try:
        key: tuple[Any, ...] = (status, *headers)
        known = _cache.get(key)
    except TypeError:
        _refuse_headers(headers)
    if known is None:
        if type(headers) is not list or any(type(pair) is not tuple or len(pair) != 2 for pair in headers):
            _refuse_headers(headers)
        known = Started(*_read_status(status), key[1:])
        if len(_cache) >= _MAX_CACHED:
            _cache.clear()
        _cache[key] = known
    return known


@lru_cache(256)
def _read_status(status: str) -> tuple[int, str | None]:
    found = _STATUS.fullmatch(status) if isinstance(status, str) else None
    if found is None:
        raise ValueError(f"start_response: got status {status!r:.60}, wanted such as '200 OK', from 200 to 599")
    number = int(found[1])
    return number, None if REASONS.get(number) == found[2] else found[2]


def _refuse_headers(headers: Any) -> NoReturn:
    raise TypeError(f"start_response: got headers {headers!r:.100}, wanted a list of tuples (name, value) of str")
