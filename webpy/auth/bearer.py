"""The Bearer scheme (RFC 6750): the token alone lets a client in. Tokens are taken from the Authorization field only.

`Authorization: Token …` is accepted as well, as clients of web.py send it; the challenge offers Bearer only.
"""

from __future__ import annotations

from typing import Any

from ..framework.errors import HTTPError
from ..framework.headers import HTTPHeaders
from ..protocol.grammar import TOKEN68, quoted
from .handler import AuthMixIn

__all__ = ["TokenAuthHandler", "TokenAuthMixIn"]


class TokenAuthMixIn(AuthMixIn):
    """Put in front of a handler: `token(token)` decides who may use it."""

    auth_schemes = ("bearer", "token")
    _wrong = False

    def token(self, token: str) -> Any:
        """Return what `self.auth` is to be; anything false refuses. Override it.

        Compare with `webpy.auth.same`, or look up a hash of the token, so that the time taken tells nothing.
        """
        raise NotImplementedError(f"{type(self).__name__}: wanted token(token)")

    def auth_bearer(self, token: str) -> Any:
        """Return what `token` returns (RFC 6750 section 2.1). Raises HTTPError 400 for a malformed token."""
        if not TOKEN68.fullmatch(token):
            raise HTTPError(400, "Authorization: wanted a token\n", self._with_error("invalid_request"))
        who = self.token(token)
        self._wrong = not who
        return who

    def challenge_bearer(self) -> list[str]:
        """Return the challenge (RFC 6750 section 3); it names an error only if the client sent a token."""
        return [self._challenge("invalid_token" if self._wrong else "")]

    def auth_token(self, token: str) -> Any:
        """Do what `auth_bearer` does: "Token" is another name of the scheme."""
        return self.auth_bearer(token)

    def challenge_token(self) -> list[str]:
        """Return no challenge: "Token" is not a registered scheme, and Bearer is offered already."""
        return []

    def denied(self, scheme: str) -> HTTPError:
        """Return the 403 to raise; it says that the client needs another token (RFC 6750 section 3.1)."""
        error = super().denied(scheme)
        if scheme in TokenAuthMixIn.auth_schemes:
            error.headers = self._with_error("insufficient_scope")
        return error

    def _challenge(self, error: str) -> str:
        return f"Bearer realm={quoted(self.auth_realm)}" + (f', error="{error}"' if error else "")

    def _with_error(self, error: str) -> HTTPHeaders:
        headers = self.response.headers.copy()
        headers.add("WWW-Authenticate", self._challenge(error))
        return headers


class TokenAuthHandler(TokenAuthMixIn):
    """A handler for clients whose token is known to the method `token`."""
