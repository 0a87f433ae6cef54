"""How long caches may keep answers (RFC 9111 section 5.2), and conditional requests for them: `CachingMixIn`.

    from webpy.caching import CachingMixIn, directives
    from webpy.conditional import Validators

    class Report(CachingMixIn):
        cache_control = directives('public', max_age=60)

        def cache_validators(self):                 # optional
            return Validators(f'"{version()}"')     # differs between two states of the report; None: there is none

        def do_get(self):
            return 200, expensive_page()

200 answers to GET and HEAD get Cache-Control (and, for old caches, the Expires that `max-age` implies), ETag and
Last-Modified. A client whose copy is still valid is answered with 304 and no body. If there are `cache_validators`,
that is found out before `do_get` runs; otherwise after it, as the ETag is then a digest of the body (of bytes and text;
streams get none).

With `cache_validators` the conditions of PUT, POST, PATCH and DELETE (If-Match and If-None-Match) are checked too and
answered with 412, so that no client overwrites a state that it has not seen. Set `atomic = True` on such a handler, or
two clients that saw the same state may both write. Without `cache_validators` these conditions are ignored.

Options, class attributes of the handler:

- `cache_control = "no-cache"`: the Cache-Control field. The default lets caches keep answers and revalidate them each
  time; None sends no such field.
- `cache_etags = True`: whether bodies without an ETag get one.
- `cache_validators()`: override it to return the `Validators` of the resource as it is now.

Fields that the method has set itself stay. Error answers get none of these fields. Mark answers that depend on the
client `private` or `no-store`; where the session (`webpy.session`) was touched, `public` becomes `private`.

Order: stands behind the mix-ins of `webpy.auth`, `webpy.session` and `webpy.compression`; any other order is a
TypeError when the class is made. So a client without credentials is never answered with 304 or 412, and the digest is
that of the body before it is compressed.

Until the next version `cache_validators` is also found by its old name `validators`, with a DeprecationWarning.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .conditional import Validators, evaluate, parse_http_date
from .framework.errors import HTTPError
from .framework.handler import HTTPHandler
from .framework.hosting import HostHandler
from .framework.later import Later
from .framework.order import Rank
from .framework.renaming import RenamedOptions
from .protocol.grammar import http_date, members, token_list

if TYPE_CHECKING:
    from .framework.headers import HTTPHeaders
    from .framework.response import Result

__all__ = ["CachingMixIn", "directives", "keep_private", "private"]

_FLAGS = frozenset(
    {"public", "private", "no-cache", "no-store", "no-transform", "immutable"}
    | {"must-revalidate", "proxy-revalidate", "must-understand"}
)
_SECONDS = frozenset({"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"})
_METADATA = ("Content-Type", "X-Content-Type-Options", "Content-Length", "Content-Encoding", "Content-Language")
#: directives that let a shared cache keep an answer, or (such as `private="x"`) all of it except some fields
_SHARED = re.compile(r"(?:public$|s-maxage\b|private\s*=)", re.IGNORECASE)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,10})(?:[\s,]|$)", re.IGNORECASE)


def directives(*flags: str, **seconds: int) -> str:
    """Return a Cache-Control field: of `("public", "immutable", max_age=60)` it is "public, immutable, max-age=60".

    Raises ValueError for directives that answers do not have (RFC 9111 section 5.2.2, RFC 5861, RFC 8246), negative
    seconds, and `public` together with `private`.
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
    """Return a Cache-Control field changed so that no shared cache keeps the answer (RFC 9111 section 5.2.2.7).

    cache_control: the field that was meant to be sent; for an empty one `private, no-cache` is returned. A field that
    says `private` or `no-store` already is returned unchanged.
    """
    if not cache_control:
        return "private, no-cache"
    said = members(cache_control)
    kept = [member for member in said if not _SHARED.match(member)]
    if not {"private", "no-store"} & {member.lower() for member in kept}:
        kept.insert(0, "private")
    return cache_control if kept == said else ", ".join(kept)


def keep_private(headers: HTTPHeaders) -> None:
    """Set the fields of an answer that depends on the client's cookies: no shared cache gives it to another client."""
    vary = headers.getlist("Vary")
    if not vary or not {"*", "cookie"} & set(token_list(",".join(vary))):
        headers.add("Vary", "Cookie")
    stated = ",".join(headers.getlist("Cache-Control"))
    if private(stated) != stated:
        headers.set("Cache-Control", private(stated))


class CachingMixIn(RenamedOptions, HTTPHandler):
    """Put in front of a handler: its answers get the fields that caches need, and conditional requests are answered."""

    mixin_rank = Rank.CACHING
    renamed_options: ClassVar[Mapping[str, str]] = {"validators": "cache_validators"}

    cache_control: str | None = "no-cache"
    cache_etags = True

    def cache_validators(self) -> Validators | None:
        """Return the validators of the resource's present state, None if it does not exist. Override it.

        The mix-in calls it once per request, before the method, and only if it is overridden.
        """
        raise NotImplementedError

    def respond(self) -> Result:
        cls, request = type(self), self.request
        is_reading = request.method in ("GET", "HEAD")
        has_own = cls.cache_validators is not CachingMixIn.cache_validators
        validators = None
        if has_own and request.method not in ("OPTIONS", "TRACE") and _answers(cls, request.method):
            validators = self.cache_validators()
            if validators is not None or not is_reading:  # otherwise the method answers for what does not exist
                status = evaluate(request.method, request.headers, validators)
                if status == 412:
                    raise HTTPError(412)
                if status == 304:
                    self._freshen(validators)
                    return 304, None
        result = super().respond()
        if not is_reading:
            return result
        if type(result) is Later:
            return result.then(lambda given: self._finish_caching(given, validators))
        return self._finish_caching(result, validators)

    def _finish_caching(self, result: Result, validators: Validators | None) -> Result:
        """Return the answer to a GET or HEAD with the fields that caches need, or the 304 in its place."""
        if not isinstance(result, (tuple, list)) or len(result) not in (2, 3):
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
        validators = Validators(headers.get("ETag"), parse_http_date(headers.get("Last-Modified") or ""))
        status = evaluate(self.request.method, self.request.headers, validators)
        return result if status is None else self._instead(status, result[-1])

    def _freshen(self, validators: Validators | None) -> None:
        """Set the fields that caches use, except those that the method has set."""
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
        """Return an entity tag of the body's bytes, None if they are not all in memory."""
        if not self.cache_etags or not isinstance(body, (str, bytes, bytearray, memoryview)):
            return None
        if not len(body) and self.request.method == "HEAD":  # from a host, which has not made the body
            return None
        data = body.encode() if isinstance(body, str) else body
        return f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'

    def _instead(self, status: int, body: Any) -> Result:
        """Close `body` and return the 304 in its place, without the fields that describe it; raises HTTPError 412.

        (RFC 9110 section 15.4.5.)
        """
        close = getattr(body, "close", None)
        if close is not None:
            close()
        if status == 412:
            raise HTTPError(412)
        for name in _METADATA:
            if name in self.response.headers:
                self.response.headers.remove(name)
        return status, None


def _answers(cls: type[HTTPHandler], method: str) -> bool:
    """Return True if a handler of this class answers `method` with something other than 405."""
    return cls.method_for(method) is not None or issubclass(cls, HostHandler)
