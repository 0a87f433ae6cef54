"""The Bearer scheme (RFC 6750): whoever has the token is let in. Tokens come in the Authorization field only.

`Authorization: Token …` is taken as well, as web.py's programs send it; what is offered is Bearer.
"""

from __future__ import annotations

from typing import Any

from ..framework.errors import HTTPError
from ..framework.headers import HTTPHeaders
from .grammar import TOKEN68, quoted
from .handler import AuthMixIn

__all__ = ["TokenAuthHandler", "TokenAuthMixIn"]


class TokenAuthMixIn(AuthMixIn):
    """`token(token)` says who asks."""

    schemes = ("bearer", "token")
    _wrong = False

    def token(self, token: str) -> Any:
        """What shall be `self.auth`; anything false refuses. Compare with `webpy.auth.same`, or look up a hash."""
        raise NotImplementedError(f"{type(self).__name__}: wanted token(token)")

    def auth_bearer(self, token: str) -> Any:
        """RFC 6750 section 2.1; what is no token answers 400 (section 3.1)."""
        if not TOKEN68.fullmatch(token):
            raise HTTPError(400, "Authorization: wanted a token\n", self._with_error("invalid_request"))
        who = self.token(token)
        self._wrong = not who
        return who

    def challenge_bearer(self) -> list[str]:
        """RFC 6750 section 3: an error is named only if a token was given."""
        return [self._challenge("invalid_token" if self._wrong else "")]

    def auth_token(self, token: str) -> Any:
        """Another name of Bearer."""
        return self.auth_bearer(token)

    def challenge_token(self) -> list[str]:
        """None: the name is not registered, Bearer is."""
        return []

    def denied(self, scheme: str) -> HTTPError:
        """403; a token's owner is told that another token is needed (RFC 6750 section 3.1)."""
        error = super().denied(scheme)
        if scheme in TokenAuthMixIn.schemes:
            error.headers = self._with_error("insufficient_scope")
        return error

    def _challenge(self, error: str) -> str:
        return f"Bearer realm={quoted(self.realm)}" + (f', error="{error}"' if error else "")

    def _with_error(self, error: str) -> HTTPHeaders:
        headers = self.response.headers.copy()
        headers.add("WWW-Authenticate", self._challenge(error))
        return headers


class TokenAuthHandler(TokenAuthMixIn):
    """A handler for those whose token `token` knows."""
