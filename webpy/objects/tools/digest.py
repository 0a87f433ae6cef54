"""The tool `auth_digest` (RFC 2617, MD5): clients log in with a name and a password that they do not send.

    config = {"/": {
        "tools.auth_digest.on": True,
        "tools.auth_digest.realm": "my notes",
        "tools.auth_digest.get_ha1": get_ha1_dict_plain({"ann": "secret"}),
        "tools.auth_digest.key": "a565c27146791cfb",                        # a secret of the server's own
        "tools.auth_digest.accept_charset": "UTF-8",
    }}

The page finds the name as `request.login`. A nonce is signed with `key`, so that every worker accepts those of the
others, and is valid for ten minutes. As in CherryPy, the same credentials may be sent again in that time, also for
another path: use TLS, so that nobody can copy them. `webpy.auth.DigestAuthHandler` accepts each only once, and has
SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from typing import IO

from ...auth import htdigest, same
from ...auth.grammar import parameters, scheme_and_token
from ...protocol.grammar import quoted
from ..messages.errors import HTTPError
from ..process.serving import request, response

__all__ = [
    "H",
    "HttpDigestAuthorization",
    "digest_auth",
    "get_ha1_dict",
    "get_ha1_dict_plain",
    "get_ha1_file_htdigest",
    "md5_hex",
    "synthesize_nonce",
    "www_authenticate",
]

GetHA1 = Callable[[str, str], "str | None"]

_NONCE_VALID_S = 600
_NEEDED = ("username", "realm", "nonce", "uri", "response")
_UNREADABLE = "The Authorization header could not be parsed."


def md5_hex(text: str) -> str:
    """Return the MD5 of the text, in UTF-8, as hexadecimal digits."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


H = md5_hex


def get_ha1_dict_plain(user_password_dict: Mapping[str, str]) -> GetHA1:
    """Return a `get_ha1` for a mapping of names to passwords in clear text."""

    def get_ha1(realm: str, username: str) -> str | None:
        password = user_password_dict.get(username)
        return md5_hex(f"{username}:{realm}:{password}") if password else None

    return get_ha1


def get_ha1_dict(user_ha1_dict: Mapping[str, str]) -> GetHA1:
    """Return a `get_ha1` for a mapping of names to `md5_hex("name:realm:password")`."""

    def get_ha1(realm: str, username: str) -> str | None:
        return user_ha1_dict.get(username)

    return get_ha1


def get_ha1_file_htdigest(filename: str | os.PathLike[str]) -> GetHA1:
    """Return a `get_ha1` for a file written by `htdigest`, which is read again when it changes: see
    `webpy.auth.htdigest`."""
    users = htdigest(filename)

    def get_ha1(realm: str, username: str) -> str | None:
        return users.ha1(username, realm, "MD5")

    return get_ha1


def synthesize_nonce(s: str, key: str, timestamp: int | None = None) -> str:
    """Return a nonce for the realm `s`: the time in seconds, and a hash of the time, the realm and the key."""
    when = int(time.time()) if timestamp is None else timestamp
    return f"{when}:{md5_hex(f'{when}:{s}:{key}')}"


class HttpDigestAuthorization:
    """Credentials of the Digest scheme. Raises ValueError for malformed ones, and for algorithms not offered here."""

    def __init__(self, auth_header: str, http_method: str, debug: bool = False, accept_charset: str = "UTF-8") -> None:
        scheme, token = scheme_and_token(auth_header)
        if scheme != "digest":
            raise ValueError('Authorization scheme is not "Digest"')
        found = {name: _decoded(value, accept_charset) for name, value in parameters(token).items()}
        missing = [name for name in _NEEDED if not found.get(name)]
        if missing:
            raise ValueError(f"Not all required parameters are present: {', '.join(missing)}")
        self.http_method = http_method
        self.realm, self.username = found["realm"], found["username"]
        self.nonce, self.uri, self.response = found["nonce"], found["uri"], found["response"]
        self.algorithm = found.get("algorithm", "MD5").upper()
        self.cnonce, self.opaque = found.get("cnonce"), found.get("opaque")
        self.qop, self.nc = found.get("qop"), found.get("nc")
        if self.algorithm != "MD5":
            raise ValueError(f"Unsupported value for algorithm: {self.algorithm!r}")
        if self.qop and self.qop != "auth":
            raise ValueError(f"Unsupported value for qop: {self.qop!r}")
        if bool(self.qop) != bool(self.cnonce) or bool(self.qop) != bool(self.nc):
            raise ValueError("qop, cnonce and nc go together")

    def validate_nonce(self, s: str, key: str) -> bool:
        """Return whether the nonce was made by `synthesize_nonce` with this realm and key."""
        when, colon, _ = self.nonce.partition(":")
        if not colon or not (when.isascii() and when.isdigit()):
            return False
        return same(self.nonce, synthesize_nonce(s, key, int(when[:15])))

    def is_nonce_stale(self, max_age_seconds: int = _NONCE_VALID_S) -> bool:
        """Return whether the nonce is older than `max_age_seconds`."""
        try:
            return int(self.nonce.partition(":")[0]) + max_age_seconds <= int(time.time())
        except ValueError:
            return True

    def request_digest(self, ha1: str, entity_body: IO[bytes] | str = "") -> str:
        """Return what the client must have sent as `response` (RFC 2617 section 3.2.2.1)."""
        ha2 = md5_hex(f"{self.http_method}:{self.uri}")
        middle = f"{self.nonce}:{self.nc}:{self.cnonce}:{self.qop}" if self.qop else self.nonce
        return md5_hex(f"{ha1}:{middle}:{ha2}")


# parameters: CherryPy's
def www_authenticate(
    realm: str,
    key: str,
    algorithm: str = "MD5",
    nonce: str | None = None,
    qop: str = "auth",
    stale: bool = False,
    accept_charset: str | None = "UTF-8",
) -> str:
    """Return a challenge, the value of WWW-Authenticate (RFC 2617 section 3.2.1)."""
    said = f'Digest realm={quoted(realm)}, nonce="{nonce or synthesize_nonce(realm, key)}", algorithm="{algorithm}"'
    said += f', qop="{qop}"' + (', stale="true"' if stale else "")
    return said + (f', charset="{accept_charset}"' if accept_charset == "UTF-8" else "")


def digest_auth(realm: str, get_ha1: GetHA1, key: str, debug: bool = False, accept_charset: str = "utf-8") -> None:
    """Set `request.login` if the credentials match the hash that `get_ha1(realm, name)` returns.

    Raises HTTPError: 401 without valid credentials, 400 for malformed ones. Valid credentials with an old nonce are
    answered with `stale`, so that the client sends new ones without asking the user.
    """
    field = request.headers.get("Authorization")
    stale = False
    if field is not None and field[:7].lower().rstrip() == "digest":
        try:
            given = HttpDigestAuthorization(field, request.method, accept_charset=accept_charset)
        except ValueError:
            raise HTTPError(400, _UNREADABLE) from None
        if given.validate_nonce(realm, key):
            ha1 = get_ha1(realm, given.username)
            if same(given.request_digest(ha1 or md5_hex("")), given.response) and ha1 is not None:
                stale = given.is_nonce_stale()
                if not stale:
                    request.login = given.username
                    return
    challenge = www_authenticate(realm, key, stale=stale, accept_charset=accept_charset.upper())
    response.headers["WWW-Authenticate"] = challenge
    raise HTTPError(401, "You are not authorized to access that resource")


def _decoded(value: str, charset: str) -> str:
    """Return the text of a parameter, whose characters each stand for a byte."""
    raw = value.encode("latin-1", "replace")
    try:
        return raw.decode(charset)
    except UnicodeDecodeError:
        return raw.decode("iso-8859-1")
