"""The Basic scheme (RFC 7617): user and password in every request, in UTF-8, readable by anyone who sees the request.

Owns the form of the credentials. Knows no passwords: `login` or `auth_users` checks them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from ..framework.errors import HTTPError
from ..protocol.grammar import CTL, TOKEN68, quoted
from .files import HTDigest, HTPasswd
from .handler import AuthMixIn

__all__ = ["BasicAuthHandler", "BasicAuthMixIn"]


class BasicAuthMixIn(AuthMixIn):
    """Put in front of a handler: `login(user, password)`, or `auth_users`, decides who may use it."""

    renamed_options: ClassVar[Mapping[str, str]] = {"users": "auth_users"}

    auth_schemes = ("basic",)
    auth_users: HTPasswd | HTDigest | None = None

    def login(self, user: str, password: str) -> Any:
        """Return what `self.auth` is to be; anything false refuses.

        By default that is `user`, if `auth_users` has the user with this password. Raises NotImplementedError if there
        is no `auth_users` either.
        """
        if self.auth_users is None:
            raise NotImplementedError(f"{type(self).__name__}: wanted login(user, password), or auth_users")
        return user if self.auth_users.check(user, password, self.auth_realm) else None

    def auth_basic(self, token: str) -> Any:
        """Return what `login` returns for credentials in base64, of user, colon and password (RFC 7617 section 2).

        Returns None if they are not UTF-8, as no user has such a name. Raises HTTPError 400 if they are malformed.
        """
        try:
            if not TOKEN68.fullmatch(token):
                raise ValueError
            pair = base64.b64decode(token, validate=True)
        except ValueError:  # binascii.Error is one
            raise HTTPError(400, "Authorization: wanted base64 of user:password\n") from None
        try:
            user, colon, password = pair.decode().partition(":")
        except UnicodeDecodeError:
            return None
        if not colon or CTL.search(user) or CTL.search(password):
            raise HTTPError(400, "Authorization: wanted user:password without control characters\n")
        return self.login(user, password)

    def challenge_basic(self) -> list[str]:
        """Return the challenge of the scheme (RFC 7617 sections 2 and 2.1)."""
        return [f'Basic realm={quoted(self.auth_realm)}, charset="UTF-8"']


class BasicAuthHandler(BasicAuthMixIn):
    """A handler for clients whose name and password are known to `login` or `auth_users`."""
