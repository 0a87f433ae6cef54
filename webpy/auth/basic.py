"""The Basic scheme (RFC 7617): user and password in every request, in UTF-8, readable by whoever sees the request.

Owns the credentials' form. Knows no password: `login` or `users` does.
"""

from __future__ import annotations

import base64
from typing import Any

from ..framework.errors import HTTPError
from .files import HTDigest, HTPasswd
from .grammar import CONTROL, TOKEN68, quoted
from .handler import AuthMixIn

__all__ = ["BasicAuthHandler", "BasicAuthMixIn"]


class BasicAuthMixIn(AuthMixIn):
    """`login(user, password)`, or `users`, says who asks."""

    schemes = ("basic",)
    users: HTPasswd | HTDigest | None = None

    def login(self, user: str, password: str) -> Any:
        """What shall be `self.auth`; anything false refuses. By default `user`, if `users` has this password."""
        if self.users is None:
            raise NotImplementedError(f"{type(self).__name__}: wanted login(user, password), or users")
        return user if self.users.check(user, password, self.realm) else None

    def auth_basic(self, token: str) -> Any:
        """RFC 7617 section 2: base64 of user, colon and password. What is not UTF-8 is no user's (401)."""
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
        if not colon or CONTROL.search(user) or CONTROL.search(password):
            raise HTTPError(400, "Authorization: wanted user:password without control characters\n")
        return self.login(user, password)

    def challenge_basic(self) -> list[str]:
        """RFC 7617 sections 2 and 2.1."""
        return [f'Basic realm={quoted(self.realm)}, charset="UTF-8"']


class BasicAuthHandler(BasicAuthMixIn):
    """A handler for those whose name and password `login`, or `users`, knows."""
