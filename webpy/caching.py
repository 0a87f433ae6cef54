"""How long answers stay fresh (RFC 9111 section 5.2), and how clients ask whether theirs still holds: `CachingMixIn`.

    from webpy.caching import CachingMixIn, directives

    class Report(CachingMixIn):
        cache_control = directives('public', max_age=60)

        def validators(self):                       # may be left out; webpy.conditional has Validators
            return Validators(f'"{version()}"')     # what tells one state of it from another; None: it does not exist

        def do_get(self):
            return 200, expensive_page()

Answers 200 to GET and HEAD get the Cache-Control (and, for caches of the past, the Expires that goes with `max-age`),
ETag and Last-Modified. A client whose copy still holds is answered with 304 and no body: before `do_get` runs if there
are `validators`, otherwise after it, as the ETag is then a digest of the body (bytes and text; streams have none).

With `validators`, conditions of other methods are held too: If-Match and If-None-Match of PUT, POST, PATCH and DELETE
answer 412, so that nobody overwrites what he has not seen. Set `atomic = True` on such a handler, or two who saw the
same may both write. Without `validators`, conditions of these methods are not looked at.

Options, attributes of the handler:

- `cache_control`: the field, "no-cache" by default: kept by caches, and asked about each time; None sends none.
- `cache_etags = True`: whether bodies without an ETag get one.

Fields that the method sets by itself stay. Errors get none of this. Answers that depend on who asks are `private`, or
`no-store`; of one that touched the session (`webpy.session`) `public` becomes `private`.

Stands behind the mix-ins of `webpy.auth`, `webpy.session` and `webpy.compression` (another order is a TypeError): who
has no credentials is not told 304 or 412, and the digest is of the body and not of its compressed form.
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING, Any

from .conditional import Validators, evaluate, http_date, parse_http_date
from .framework.errors import HTTPError
from .framework.handler import HTTPHandler
from .framework.hosting import HostHandler
from .framework.order import Rank

if TYPE_CHECKING:
    from .framework.response import Result

__all__ = ["CachingMixIn", "directives", "private"]

_FLAGS = frozenset(
    {"public", "private", "no-cache", "no-store", "no-transform", "immutable"}
    | {"must-revalidate", "proxy-revalidate", "must-understand"}
)
_SECONDS = frozenset({"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"})
_METADATA = ("Content-Type", "X-Content-Type-Options", "Content-Length", "Content-Encoding", "Content-Language")
_MEMBERS = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+"?)+')  # of a list, with quoted strings in it
#: what lets a cache of several clients keep an answer, or (as `private="x"`) all of it but some fields
_SHARED = re.compile(r"(?:public$|s-maxage\b|private\s*=)", re.IGNORECASE)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,10})(?:[\s,]|$)", re.IGNORECASE)


def directives(*flags: str, **seconds: int) -> str:
    """A Cache-Control field: `directives("public", "immutable", max_age=60)` is "public, immutable, max-age=60".

    Raises ValueError for directives that answers do not have (RFC 9111 section 5.2.2, RFC 5861, RFC 8246), negative
    seconds, and `public` with `private`.
    """
    named = {name.replace("_", "-"): value for name, value in seconds.items()}
    for name, known in [*((flag, _FLAGS) for flag in flags), *((name, _SECONDS) for name in named)]:
        if name not in known:
            raise ValueError(f"cache directives: got {name!r}, wanted one of {', '.join(sorted(known))}")
    if {"public", "private"} <= set(flags):
        raise ValueError("cache directives: got 'public' and 'private', wanted one of them")
    for name, value in named.items():
        if not isinstance(value, int) or value < 0:
            raise ValueError(f"cache directives: {name} is {value!r}, wanted whole seconds")
    return ", ".join([*flags, *(f"{name}={value}" for name, value in named.items())])


def private(cache_control: str) -> str:
    """A Cache-Control field as it has to be for an answer to one client only (RFC 9111 section 5.2.2.7).

    cache_control: what was to be said, empty for nothing: `private, no-cache` then. It comes back as it is if it is
    private or not to be stored at all.
    """
    if not cache_control:
        return "private, no-cache"
    members = [member.strip() for member in _MEMBERS.findall(cache_control)]
    kept = [member for member in members if not _SHARED.match(member)]
    if not {"private", "no-store"} & {member.lower() for member in kept}:
        kept.insert(0, "private")
    return cache_control if kept == members else ", ".join(kept)


class CachingMixIn(HTTPHandler):
    """A handler, and a mix-in for others, whose answers may be cached, and are asked about by their validators."""

    mixin_rank = Rank.CACHING

    cache_control: str | None = "no-cache"
    cache_etags = True

    def validators(self) -> Validators | None:
        """What tells the present state of the resource from others; None if it does not exist. Override it: the
        mix-in calls it once per request, before the method."""
        raise NotImplementedError

    def respond(self) -> Result:
        cls, request = type(self), self.request
        is_reading = request.method in ("GET", "HEAD")
        told = cls.validators is not CachingMixIn.validators and request.method not in ("OPTIONS", "TRACE")
        validators = None
        if told and (cls.method_for(request.method) is not None or issubclass(cls, HostHandler)):
            validators = self.validators()
            if validators is not None or not is_reading:  # otherwise the method says what is not there
                status = evaluate(request.method, request.headers, validators)
                if status == 412:
                    raise HTTPError(412)
                if status == 304:
                    self._freshen(validators)
                    return 304, None
        result = super().respond()
        if not is_reading or not isinstance(result, (tuple, list)) or len(result) not in (2, 3):
            return result
        if result[0] != 200:
            if result[0] == 304:  # the method's own, with the Cache-Control of the 200 (RFC 9110 section 15.4.5)
                self._freshen(None)
            return result
        if validators is not None:
            self._freshen(validators)
            return result
        headers = self.response.headers
        self._freshen(Validators(None if "etag" in headers else self._digest(result[-1])))
        validators = Validators(headers.get("ETag"), parse_http_date(headers.get("Last-Modified", "")))
        status = evaluate(request.method, request.headers, validators)
        return result if status is None else self._instead(status, result[-1])

    def _freshen(self, validators: Validators | None) -> None:
        """Set the fields that caches go by, where the method has not."""
        headers = self.response.headers
        if self.cache_control is not None and "cache-control" not in headers:
            headers.set("Cache-Control", self.cache_control)
            age = _MAX_AGE.search(self.cache_control)
            if age is not None and "expires" not in headers:
                headers.set("Expires", http_date(time.time() + int(age[1])))
        if validators is None:
            return
        if validators.etag is not None and "etag" not in headers:
            headers.set("ETag", validators.etag)
        if validators.modified_s is not None and "last-modified" not in headers:
            headers.set("Last-Modified", http_date(validators.modified_s))

    def _digest(self, body: Any) -> str | None:
        """An entity tag of the body's bytes; None if they are not all here."""
        if not self.cache_etags or not isinstance(body, (str, bytes, bytearray, memoryview)):
            return None
        if not len(body) and self.request.method == "HEAD":  # a host's, which has not made the body
            return None
        data = body.encode() if isinstance(body, str) else body
        return f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'

    def _instead(self, status: int, body: Any) -> Result:
        """304 or 412 in place of the answer with `body`, without what tells of it (RFC 9110 section 15.4.5)."""
        close = getattr(body, "close", None)
        if close is not None:
            close()
        if status == 412:
            raise HTTPError(412)
        for name in _METADATA:
            if name in self.response.headers:
                self.response.headers.remove(name)
        return status, None
