"""Owns conditional requests: whether a request's preconditions let it go on (RFC 9110 section 13).

    validators = Validators('"v7"', modified_s)         # None for a resource that does not exist
    status = evaluate(self.request.method, self.request.headers, validators)
    if status is not None:                              # 304: send the validators and no body; 412: raise HTTPError
        ...

Evaluate conditions only where the request would succeed without them: a 404 stays a 404 (RFC 9110 section 13.2.1).
Where a condition is checked and then acted on, hold a lock around both, such as `atomic = True`; otherwise two clients
may both find their condition true. Knows nothing of handlers and files; what answers requests calls it.
"""

from __future__ import annotations

import math
import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from .protocol.grammar import http_date
from .protocol.grammar import parse_http_date as _parse_http_date

if TYPE_CHECKING:
    from .framework.headers import HTTPHeaders

__all__ = ["Validators", "evaluate", "http_date", "parse_http_date", "range_applies"]

_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"')
"""entity-tag, RFC 9110 section 8.8.3. A comma may be a part of it, so lists are not split at commas."""


class Validators(NamedTuple):
    """The values that differ between two states of a resource (RFC 9110 section 8.8).

    etag: the entity tag with its quotes, and with `W/` before it if it is a weak one; modified_s: the time of the last
    modification in seconds since the epoch, whose fraction is ignored. None where there is none.
    """

    etag: str | None = None
    modified_s: float | None = None


def evaluate(method: str, headers: HTTPHeaders, validators: Validators | None) -> int | None:
    """Evaluate the request's preconditions in the order of RFC 9110 section 13.2.2, except for If-Range.

    method, headers: of the request; validators: of what would be sent or changed, None if it does not exist.
    Returns None if the request is to go on, else the status to answer with: 304 or 412. For If-Range there is
    `range_applies`.
    """
    is_reading = method in ("GET", "HEAD")
    if "if-match" in headers:
        if not _matches(headers.getlist("If-Match"), validators, strongly=True):
            return 412
    elif "if-unmodified-since" in headers and _modified_since(headers.getlist("If-Unmodified-Since"), validators):
        return 412
    if "if-none-match" in headers:
        if _matches(headers.getlist("If-None-Match"), validators, strongly=False):
            return 304 if is_reading else 412
    elif is_reading and _modified_since(headers.getlist("If-Modified-Since"), validators) is False:
        return 304
    return None


def range_applies(headers: HTTPHeaders, validators: Validators) -> bool:
    """Return True if a Range field counts: there is no If-Range, or it names the present state.

    A date does so only if it is that of the last modification and that second is over, as two states that are written
    within one second have the same date (RFC 9110 section 13.1.5).
    """
    values = headers.getlist("If-Range")
    if not values:
        return True
    etag, modified_s = validators
    value = values[0].strip()
    if len(values) > 1:
        return False
    if value.endswith('"'):
        return value == etag and _ENTITY_TAG.fullmatch(value) is not None and not value.startswith("W/")
    since_s = parse_http_date(value)
    return since_s is not None and modified_s is not None and math.floor(modified_s) == since_s < int(time.time())


def _matches(values: list[str], validators: Validators | None, *, strongly: bool) -> bool:
    """Return True if `*` or one of the listed entity tags stands for the present state (RFC 9110 section 8.8.3.2).

    Anything that is not an entity tag matches nothing.
    """
    if validators is None:
        return False
    listed = ", ".join(values).strip()
    if listed == "*":
        return True
    etag = validators.etag
    if etag is None:
        return False
    tags = _ENTITY_TAG.findall(listed)
    if strongly:
        return not etag.startswith("W/") and etag in tags
    return etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in tags]


def _modified_since(values: list[str], validators: Validators | None) -> bool | None:
    """Return whether the resource changed after the date, or None if the field is to be ignored: it is no single date,
    or the time of the last change is not known."""
    if len(values) != 1 or validators is None or validators.modified_s is None:
        return None
    since_s = parse_http_date(values[0])
    return None if since_s is None else math.floor(validators.modified_s) > since_s


@lru_cache(256)
def parse_http_date(text: str) -> float | None:
    """Return the time in seconds since the epoch of an HTTP-date in any of its three formats, None for anything else.

    A year of two digits is taken for the one that is at most 50 years ahead (RFC 9110 section 5.6.7).
    """
    return _parse_http_date(text, time.gmtime().tm_year)
