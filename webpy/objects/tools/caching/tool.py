"""Owns the tool `caching`: when an answer may come from the cache, and which answers are kept; `caches` keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...messages.errors import HTTPError, HTTPRedirect
from ...messages.status import valid_status
from ...process.serving import request, response
from ...tooling.tool import Tool
from .caches import Cache, Record, StoreCache
from .conditions import validate_since

__all__ = ["CachingTool", "get", "tee_output"]

_BEHIND_OTHERS = 90  # the priority: tools that refuse a request or replace the page handler are called before
_FOR_ONE_REQUEST = (206, 304, 406, 412, 416)  # statuses that depend on fields of the request which Vary does not name
_caches: dict[Any, Cache] = {}


def get(invalid_methods: Iterable[str] = ("POST", "PUT", "DELETE"), debug: bool = False, **settings: Any) -> bool:
    """Answer from the cache and return True, or return False. Sets `request.cached` and `request.cacheable`.

    Raises HTTPError 400 for a malformed Cache-Control, HTTPRedirect 304 if the client has the answer already.
    """
    cache = _cache_of(settings)
    request._caching = cache
    request.cached = False
    request.cacheable = request.method not in invalid_methods
    if not request.cacheable:
        cache.delete()
        return False
    if "no-cache" in request.headers.values("Pragma"):
        return False
    record = cache.get()
    if record is None:
        return False
    age = int(response.time - record.made_s)
    longest = _longest_age(cache.delay)
    if longest is None or age > longest:
        return False
    request.cached, request.cacheable = True, False
    response.headers.clear()
    response.headers.update(record.headers)
    response.headers["Age"] = str(age)
    try:
        validate_since()
    except HTTPRedirect as redirect:
        if redirect.status == 304:
            cache.tot_non_modified += 1
        raise
    response.status = record.status
    response.body = record.body
    return True


def _longest_age(delay: float) -> float | None:
    """Return the age in seconds up to which the client accepts a kept answer; None if it accepts none."""
    for member in request.headers.values("Cache-Control"):
        name, equals, seconds = member.partition("=")
        if name == "max-age":
            if not equals or not (seconds.isascii() and seconds.isdigit()):
                raise HTTPError(400, "Invalid Cache-Control header")
            return float(seconds[:15])
        if name == "no-cache":
            return None
    return delay


def tee_output() -> None:
    """Keep the answer while it is sent. A hook of `before_finalize`."""
    if _may_be_kept():
        whole = isinstance(response.body, list)
        kept = _kept(response.body, request._caching)
        # A whole body is kept before it is sent: the client's next request may go to another worker.
        response.body = list(kept) if whole else kept


def _may_be_kept() -> bool:
    headers = response.headers
    said = headers.values("Cache-Control")
    if "no-cache" in headers.values("Pragma") or "no-store" in [*said, *request.headers.values("Cache-Control")]:
        return False
    if "Authorization" in request.headers and "public" not in said:  # RFC 9111 section 3.5
        return False
    status = valid_status(response.status)[0]
    return status < 500 and status not in _FOR_ONE_REQUEST


def _kept(body: Iterable[bytes], cache: Cache) -> Iterator[bytes]:
    pieces: list[bytes] | None = []
    size = 0
    try:
        for piece in body:
            size += len(piece)
            if size > cache.maxobj_size:
                pieces = None
            if pieces is not None:
                pieces.append(piece)
            yield piece
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    if pieces is not None and cache.delay > 0:
        code, reason, _ = valid_status(response.status)
        fields = {
            name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for name, value in response.headers.items()
        }
        cache.put(Record(f"{code} {reason}", fields, b"".join(pieces), response.time), size)


def _cache_of(settings: dict[str, Any]) -> Cache:
    settings = dict(settings)
    kind = settings.pop("cache_class", StoreCache)
    key = (kind, *sorted((name, str(value)) for name, value in settings.items()))
    cache = _caches.get(key)
    if cache is None:
        made = kind()
        for name, value in settings.items():
            setattr(made, name, value)
        cache = _caches.setdefault(key, made)
    return cache


class CachingTool(Tool):
    """Answers from the cache instead of calling the page handler, or attaches the hook that keeps its answer."""

    def __init__(self, name: str = "caching") -> None:
        super().__init__("before_handler", get, name, priority=_BEHIND_OTHERS)

    def _setup(self) -> None:
        self._attach(self._wrapper)

    def _wrapper(self, **settings: Any) -> None:
        if get(**settings):
            request.handler = None
        elif request.cacheable:
            request.hooks.attach("before_finalize", tee_output, priority=100)
