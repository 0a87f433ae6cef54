"""The tool `auth_basic` (RFC 7617): clients log in with a name and password that `checkpassword` accepts.

    users = {"ann": "secret"}
    config = {"/": {
        "tools.auth_basic.on": True,
        "tools.auth_basic.realm": "my notes",
        "tools.auth_basic.checkpassword": checkpassword_dict(users),       # or checkpassword_htpasswd(path)
        "tools.auth_basic.accept_charset": "UTF-8",
    }}

The page finds the name as `request.login`. Use it only under TLS: the password is sent unencrypted.
"""

from __future__ import annotations

import base64
import os
import unicodedata
from collections.abc import Callable, Mapping

from ...auth import htpasswd, same
from ..messages.errors import HTTPError
from ..process.serving import request, response

__all__ = ["basic_auth", "checkpassword_dict", "checkpassword_htpasswd"]

CheckPassword = Callable[[str, str, str], bool]


def checkpassword_dict(user_password_dict: Mapping[str, str]) -> CheckPassword:
    """Return a `checkpassword` for a mapping of names to passwords in clear text."""

    def checkpassword(realm: str, user: str, password: str) -> bool:
        known = user_password_dict.get(user)
        return same(known or "", password) and bool(known)

    return checkpassword


def checkpassword_htpasswd(path: str | os.PathLike[str]) -> CheckPassword:
    """Return a `checkpassword` for a file written by `htpasswd -B` or `-s`: see `webpy.auth.htpasswd`."""
    users = htpasswd(path)

    def checkpassword(realm: str, user: str, password: str) -> bool:
        return users.check(user, password)

    return checkpassword


def basic_auth(realm: str, checkpassword: CheckPassword, debug: bool = False, accept_charset: str = "utf-8") -> None:
    """Set `request.login` if `checkpassword(realm, user, password)` returns true.

    accept_charset: of names and passwords; what it cannot decode is decoded as ISO-8859-1. Raises HTTPError: 401
    without valid credentials, 400 for malformed ones; ValueError for a realm with quotes in it.
    """
    if '"' in realm:
        raise ValueError('Realm cannot contain the " (quote) character.')
    field = request.headers.get("Authorization")
    if field is not None:
        try:
            scheme, token = field.split(" ", 1)
            if scheme.lower() == "basic":
                user, password = _decoded(token, accept_charset).split(":", 1)
                if checkpassword(realm, user, password):
                    request.login = user
                    return
        except ValueError:  # binascii.Error is one
            raise HTTPError(400, "Bad Request") from None
    charset = accept_charset.upper()
    hint = f', charset="{charset}"' if charset == "UTF-8" else ""
    response.headers["WWW-Authenticate"] = f'Basic realm="{realm}"{hint}'
    raise HTTPError(401, "You are not authorized to access that resource")


def _decoded(token: str, charset: str) -> str:
    raw = base64.b64decode(token.encode("ascii"))
    try:
        text = raw.decode(charset)
    except UnicodeDecodeError:
        text = raw.decode("iso-8859-1")
    return unicodedata.normalize("NFC", text)
