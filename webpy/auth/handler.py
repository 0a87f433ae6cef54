"""What all schemes share: credentials are checked first, and a client without any gets 401 with every challenge.

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
from ..framework.renaming import RenamedOptions
from ..framework.response import Body, Result
from ..protocol.grammar import quoted
from .grammar import scheme_and_token
from .schemes import find_schemes

__all__ = ["AuthError", "AuthHandler", "AuthMixIn", "same"]


class AuthError(HTTPError):
    """A 401 with one challenge, of `scheme` for `realm`, for an `auth_<scheme>` method to raise; else as `HTTPError`.

    Raises ValueError for a realm that no header field can hold.
    """

    # parameters: those of HTTPError, and the two of the challenge
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


class AuthMixIn(RenamedOptions, HTTPHandler):
    """Put in front of a handler: lets in clients that one of its `auth_<scheme>(token)` methods accepts.

    `auth_schemes` names the schemes; a class that sets `auth_<scheme> = None` takes one away. Raises, when the class is
    made: ValueError for a realm that no header field can hold, TypeError for schemes that `webpy.auth.schemes` refuses.
    """

    mixin_rank = Rank.AUTH
    renamed_options: ClassVar[Mapping[str, str]] = {"realm": "auth_realm", "schemes": "auth_schemes"}
    renamed_in_place = frozenset({"schemes"})

    auth_realm = "webpy"
    """What the credentials are for; clients may show it to their users."""

    auth_schemes: ClassVar[Sequence[str] | None] = None
    """The schemes that are offered, such as ("basic", "token"): see `webpy.auth.schemes`."""

    auth: Any = None
    """The client, as the scheme's method returned it."""

    _let_in = False
    _schemes: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if isinstance(cls.auth_realm, str):  # not a property
            quoted(cls.auth_realm)
        cls._schemes = find_schemes(cls)
        check = cls.check_continue
        if check is not AuthMixIn.check_continue and not hasattr(check, "authenticates_first"):
            cls.check_continue = _after_login(check)  # type: ignore[method-assign]

    def respond(self) -> Result:
        self.authenticate()
        return super().respond()

    def check_continue(self) -> bool | None:
        self.authenticate()
        return super().check_continue()

    def authenticate(self) -> None:
        """Check the credentials and set `self.auth`, once per request. Raises HTTPError: 400, 401, 403."""
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
        """Return True if `self.auth` may not do what `self.request` asks: it is answered with 403. Override it."""
        return False

    def denied(self, scheme: str) -> HTTPError:
        """Return the 403 to raise for a client that used `scheme` (RFC 9110 section 15.5.4)."""
        return HTTPError(403, headers=self.response.headers.copy())

    def unauthorized(self) -> HTTPError:
        """Return the 401 to raise, with a challenge for every scheme (RFC 9110 section 15.5.2)."""
        headers = self.response.headers.copy()
        for challenge in self.challenges():
            headers.add("WWW-Authenticate", challenge)
        return HTTPError(401, headers=headers)

    def challenges(self) -> list[str]:
        """Return the values of the WWW-Authenticate fields. Raises NotImplementedError if the class has no scheme."""
        if not self._schemes:
            raise NotImplementedError(f"{type(self).__name__}: wanted a method auth_<scheme>(token)")
        found: list[str] = []
        for scheme in self._schemes:
            own = getattr(self, "challenge_" + scheme, None)
            found += own() if own else [f"{scheme.replace('_', '-').title()} realm={quoted(self.auth_realm)}"]
        return found


class AuthHandler(AuthMixIn):
    """A handler for clients that its methods `auth_<scheme>(token)` accept: see `AuthMixIn`."""


def _after_login(check: Callable[[Any], bool | None]) -> Any:
    """Return a `check_continue` that authenticates the client and then calls `check`, a subclass's own.

    A subclass's need not call super's; still no client learns from it what exists, or sends a body that is refused.
    """

    @functools.wraps(check)
    def check_continue(self: AuthMixIn) -> bool | None:
        self.authenticate()
        return check(self)

    check_continue.authenticates_first = True  # type: ignore[attr-defined]
    return check_continue


def same(one: str | bytes, other: str | bytes) -> bool:
    """Return True if two secrets are equal; the time taken does not tell where they differ. A str counts as UTF-8."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
