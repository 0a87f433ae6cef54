"""The tools about header fields: `response_headers`, `ignore_headers`, `allow`, `referer`, `expires`."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping

from ...protocol.grammar import http_date
from ..messages.errors import HTTPError
from ..process.serving import request, response

__all__ = ["allow", "expires", "ignore_headers", "referer", "response_headers"]

_LONG_AGO_S = 1169942400.0  # 28 January 2007, the date that CherryPy sends for answers that have expired
_CACHEABLE = ("ETag", "Last-Modified", "Age", "Expires")


def response_headers(headers: Iterable[tuple[str, str]] | Mapping[str, str] | None = None, debug: bool = False) -> None:
    """Set header fields of the answer before the page handler runs, which may change them.

    headers: pairs of name and value; if a name occurs twice, the last value counts.
    """
    for name, value in headers.items() if isinstance(headers, Mapping) else headers or ():
        response.headers[name] = value


def ignore_headers(headers: Iterable[str] = ("Range",), debug: bool = False) -> None:
    """Remove header fields from the request, such as those that a server in front has handled."""
    for name in headers:
        if name in request.headers:
            del request.headers[name]


def allow(methods: str | Iterable[str] | None = None, debug: bool = False) -> None:
    """Name these methods in Allow; GET includes HEAD, None means GET. Raises HTTPError 405 for other methods."""
    given = [methods] if isinstance(methods, str) else methods or ()
    allowed = [method.upper() for method in given if method] or ["GET"]
    if "GET" in allowed and "HEAD" not in allowed:
        allowed.append("HEAD")
    response.headers["Allow"] = ", ".join(allowed)
    if request.method not in allowed:
        raise HTTPError(405)


# parameters: CherryPy's
def referer(
    pattern: str,
    accept: bool = True,
    accept_missing: bool = False,
    error: int = 403,
    message: str = "Forbidden Referer header.",
    debug: bool = False,
) -> None:
    """Check that the Referer matches `pattern` from its beginning; with accept=False, that it does not.

    accept_missing: accept requests without a Referer. Clients can send any Referer, so this protects nothing. Raises
    HTTPError `error` with `message` otherwise.
    """
    value = request.headers.get("Referer")
    passes = accept_missing if value is None else bool(re.match(pattern, value)) == accept
    if not passes:
        raise HTTPError(error, message)


def expires(secs: float | datetime.timedelta = 0, force: bool = False, debug: bool = False) -> None:
    """Set the fields that say for how many seconds caches may keep the answer; 0 means not at all.

    This is done only if the answer has an ETag, Last-Modified, Age or Expires, and fields that are set are not changed.
    force: always do it, and replace fields.
    """
    headers = response.headers
    if not force and not any(name in headers for name in _CACHEABLE):
        return
    seconds = secs.total_seconds() if isinstance(secs, datetime.timedelta) else secs
    if seconds == 0:
        if force or "Pragma" not in headers:
            headers["Pragma"] = "no-cache"
        if request.protocol >= (1, 1) and (force or "Cache-Control" not in headers):
            headers["Cache-Control"] = "no-cache, must-revalidate"
        date = http_date(_LONG_AGO_S)
    else:
        date = http_date(response.time + seconds)
    if force or "Expires" not in headers:
        headers["Expires"] = date
