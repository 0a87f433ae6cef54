"""What all schemes share: credentials are looked at first, and whoever has none gets 401 with every challenge.

Owns the way from the Authorization field to `self.auth`. Knows no scheme: those are methods of subclasses.
"""

from __future__ import annotations

import functools
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ..framework.errors import HTTPError
from ..framework.handler import HTTPHandler
from ..framework.headers import HTTPHeaders
from ..framework.order import Rank
from ..framework.response import Body, Result
from .grammar import quoted, scheme_and_token
from .schemes import find_schemes

__all__ = ["AuthError", "AuthHandler", "AuthMixIn", "same"]


class AuthError(HTTPError):
    """401 with the one challenge of `scheme` for `realm`, for an `auth_<scheme>` method to raise; otherwise as
    `HTTPError`. Raises ValueError for a realm that no field can hold."""

    def __init__(
        self,
        scheme: str,
        realm: str,
        code: int = 401,
        message: Body = None,
        headers: HTTPHeaders | Mapping[str, str] | None = None,
        status_message: str | None = None,
    ) -> None:
        super().__init__(code, message, headers, status_message)
        self.scheme = scheme
        self.realm = realm
        self.headers = HTTPHeaders(self.headers or ())
        self.headers.set("WWW-Authenticate", f"{scheme} realm={quoted(realm)}")


class AuthMixIn(HTTPHandler):
    """Put in front of a handler: lets in whom one of its `auth_<scheme>(token)` methods knows.

    `schemes` names them; a class that sets `auth_<scheme> = None` takes that scheme away. Raises, when the class is
    made: ValueError for a realm that no field can hold, TypeError for schemes that `webpy.auth.schemes` cannot find.
    """

    mixin_rank = Rank.AUTH

    realm = "webpy"
    """What the credentials are for, as the client's user may be shown."""

    schemes: ClassVar[Sequence[str] | None] = None
    """Those that are offered, such as ("basic", "token"): see `webpy.auth.schemes`."""

    auth: Any = None
    """Who asks: what the scheme's method gave."""

    _let_in = False
    _schemes: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if isinstance(cls.realm, str):  # not a property
            quoted(cls.realm)
        cls._schemes = find_schemes(cls)
        asks = cls.check_continue
        if asks is not AuthMixIn.check_continue and not hasattr(asks, "asks_who_first"):
            cls.check_continue = _after_login(asks)  # type: ignore[method-assign]

    def respond(self) -> Result:
        self.authenticate()
        return super().respond()

    def check_continue(self) -> bool | None:
        self.authenticate()
        return super().check_continue()

    def authenticate(self) -> None:
        """Set `self.auth`, once a request. Raises HTTPError: 400, 401 with the challenges, 403."""
        if self._let_in:
            return
        fields = self.request.headers.getlist("Authorization")
        if len(fields) > 1:
            raise HTTPError(400, "Authorization: given more than once\n")
        if not fields or not fields[0].strip(" \t"):
            raise self.unauthorized()
        try:
            scheme, token = scheme_and_token(fields[0])
        except ValueError as error:
            raise HTTPError(400, f"Authorization: {error}\n") from None
        name = scheme.replace("-", "_")
        who = getattr(self, "auth_" + name)(token) if name in self._schemes else None
        if not who:
            raise self.unauthorized()
        self.auth = who
        if self.forbidden():
            raise self.denied(name)
        self._let_in = True

    def forbidden(self) -> bool:
        """Whether `self.auth`, who is known, may not do what `self.request` asks: 403 (RFC 9110 section 15.5.4)."""
        return False

    def denied(self, scheme: str) -> HTTPError:
        """403 for one who came by `scheme`, to be raised."""
        return HTTPError(403, headers=self.response.headers.copy())

    def unauthorized(self) -> HTTPError:
        """401 with a challenge for every scheme (RFC 9110 section 15.5.2), to be raised."""
        headers = self.response.headers.copy()
        for challenge in self.challenges():
            headers.add("WWW-Authenticate", challenge)
        return HTTPError(401, headers=headers)

    def challenges(self) -> list[str]:
        """The values of the WWW-Authenticate fields, one each. Raises NotImplementedError when there is no scheme."""
        if not self._schemes:
            raise NotImplementedError(f"{type(self).__name__}: wanted a method auth_<scheme>(token)")
        found: list[str] = []
        for scheme in self._schemes:
            own = getattr(self, "challenge_" + scheme, None)
            found += own() if own else [f"{scheme.replace('_', '-').title()} realm={quoted(self.realm)}"]
        return found


class AuthHandler(AuthMixIn):
    """A handler whose methods `auth_<scheme>(token)` say who asks: see `AuthMixIn`."""


def _after_login(asks: Callable[[Any], bool | None]) -> Any:
    """A `check_continue` that stands before the mix-in's own, and need not call it: no client may learn by it what is
    there, nor send its body in vain, before it is known."""

    @functools.wraps(asks)
    def check_continue(self: AuthMixIn) -> bool | None:
        self.authenticate()
        return asks(self)

    check_continue.asks_who_first = True  # type: ignore[attr-defined]
    return check_continue


def same(one: str | bytes, other: str | bytes) -> bool:
    """Whether two secrets are equal, in a time that tells nothing of where they differ; str counts as its UTF-8."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
