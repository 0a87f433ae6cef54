"""The Digest scheme (RFC 7616) with `qop=auth`: the client proves that it knows the password, and sends no proof twice.

Owns the form of the credentials and what is hashed. Knows no passwords (`ha1` does) and no nonces (`auth_nonces` does).

A right proof for a nonce that is too old, used already or made with another key gets 401 with `stale=true`: the client
then repeats the request with a new nonce, without asking its user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import unquote_to_bytes

from ..framework.errors import HTTPError
from ..protocol.grammar import extended_value, quoted
from .files import ALGORITHMS, HTDigest, HTPasswd, digest_of
from .grammar import parameters, text_of
from .handler import AuthMixIn, same
from .nonces import Nonces

__all__ = ["DigestAuthHandler", "DigestAuthMixIn"]

_COUNT = re.compile(r"[0-9a-fA-F]{8}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_NEEDED = ("realm", "nonce", "uri", "response", "qop", "nc", "cnonce")


@dataclass(frozen=True, slots=True)
class _Credentials:
    """The credentials of RFC 7616 section 3.4. `user` and `realm` are decoded text, the rest is as it was sent."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    nc: str
    cnonce: str
    algorithm: str


def _credentials(token: str) -> _Credentials:
    """Parse what follows "Digest" in an Authorization field.

    Raises ValueError, whose text says what is wrong and repeats nothing of what the client sent.
    """
    found = parameters(token)
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise ValueError(f"wanted the parameter {missing[0]}")
    if ("username" in found) == ("username*" in found):
        raise ValueError("wanted either username or username*")
    if found["qop"] != "auth":
        raise ValueError("wanted qop=auth")
    if not _COUNT.fullmatch(found["nc"]) or not int(found["nc"], 16):
        raise ValueError("wanted nc as 8 hexadecimal digits, from 00000001")
    if not _HEX.fullmatch(found["response"]):
        raise ValueError("wanted response in hexadecimal")
    if "username" in found:
        user = text_of(found["username"])
    else:  # RFC 8187 section 3.2.1
        try:
            charset, name = extended_value(found["username*"])
        except ValueError:
            charset = name = ""
        if charset != "utf-8":
            raise ValueError("wanted username* as UTF-8''name")
        user = unquote_to_bytes(name).decode("utf-8", "replace")
    return _Credentials(
        user,
        text_of(found["realm"]),
        found["nonce"],
        found["uri"],
        found["response"].lower(),
        found["nc"],
        found["cnonce"],
        found.get("algorithm", "MD5").upper(),
    )


class DigestAuthMixIn(AuthMixIn):
    """Put in front of a handler: `password(user)`, `ha1(user, algorithm)` or `auth_users` knows the passwords.

    Raises ValueError, when the class is made, for algorithms that are not known and for an htpasswd file.
    """

    renamed_options: ClassVar[Mapping[str, str]] = {
        "users": "auth_users",
        "algorithms": "auth_algorithms",
        "nonces": "auth_nonces",
    }

    auth_schemes = ("digest",)
    auth_users: HTPasswd | HTDigest | None = None

    auth_algorithms: Sequence[str] = ("SHA-256", "MD5")
    """The algorithms that are offered, the best first (RFC 7616 section 3.7)."""

    auth_nonces: ClassVar[Nonces] = Nonces()
    """Makes and checks nonces; a `Nonces(store, lifetime_s=…)` of your own keeps their counts elsewhere."""

    _stale = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        knows = cls.ha1 is not DigestAuthMixIn.ha1 or cls.password is not DigestAuthMixIn.password
        if isinstance(cls.auth_users, HTPasswd) and not knows:
            raise ValueError(f"{cls.__name__}: got auth_users of htpasswd, wanted htdigest: Digest needs its hashes")
        if knows or cls.auth_users is not None:  # else the class is a base of others, and answers no requests itself
            cls.auth_nonces.prepare()
        given = cls.auth_algorithms
        if not given or any(name not in ALGORITHMS for name in given):
            raise ValueError(f"{cls.__name__}: got auth_algorithms {given!r}, wanted some of {', '.join(ALGORITHMS)}")

    def password(self, user: str) -> str | None:
        """Return the user's password as text, None if there is no such user. Override it."""
        raise NotImplementedError(f"{type(self).__name__}: wanted password(user), ha1(user, algorithm), or auth_users")

    def ha1(self, user: str, algorithm: str) -> str | None:
        """Return H(user:realm:password) in hexadecimal (RFC 7616 section 3.4.2), None if there is no such user."""
        if isinstance(self.auth_users, HTDigest):
            return self.auth_users.ha1(user, self.auth_realm, algorithm)
        password = self.password(user)
        return None if password is None else digest_of(algorithm, f"{user}:{self.auth_realm}:{password}")

    def auth_digest(self, token: str) -> Any:
        """Return the user whose password the credentials `token` prove (RFC 7616 sections 3.4.1 to 3.4.6), else None.

        Raises HTTPError 400 if the credentials are malformed or are for another target.
        """
        try:
            given = _credentials(token)
            if not self._names_this(given.uri):
                raise ValueError("uri is not the one of the request")
        except ValueError as error:
            raise HTTPError(400, f"Authorization: {error}\n") from None
        if given.algorithm not in self._offered() or given.realm != self.auth_realm:
            return None
        known = self.ha1(given.user, given.algorithm)
        ha1 = digest_of(given.algorithm, "") if known is None else known.lower()
        hash_ = ALGORITHMS[given.algorithm]
        ha2 = _hex(hash_, f"{self.request.method}:{given.uri}")
        wanted = _hex(hash_, f"{ha1}:{given.nonce}:{given.nc}:{given.cnonce}:auth:{ha2}")
        if not same(wanted, given.response) or known is None:
            return None
        if not self.auth_nonces.take(given.nonce, self.auth_realm, int(given.nc, 16)):
            self._stale = True
            return None
        return given.user

    def challenge_digest(self) -> list[str]:
        """Return a challenge for each algorithm (RFC 7616 section 3.3), all with the same nonce."""
        stale = ", stale=true" if self._stale else ""
        rest = f'qop="auth", nonce="{self.auth_nonces.issue(self.auth_realm)}", charset=UTF-8{stale}'
        return [f"Digest realm={quoted(self.auth_realm)}, algorithm={name}, {rest}" for name in self._offered()]

    def _offered(self) -> list[str]:
        if not isinstance(self.auth_users, HTDigest):
            return list(self.auth_algorithms)
        kept = self.auth_users.algorithms(self.auth_realm)
        return [name for name in self.auth_algorithms if name in kept] or list(self.auth_algorithms)

    def _names_this(self, uri: str) -> bool:
        """Return True if `uri` is this request's target as sent, its resource, or the absolute form of either (RFC 7616
        section 3.4.6)."""
        request = self.request
        origin = f"{request.scheme}://{request.host}"
        return uri.removeprefix(origin) in (request.target, request.target.removeprefix(origin), request.resource)


class DigestAuthHandler(DigestAuthMixIn):
    """A handler for clients that prove that they know a user's password."""


def _hex(hash_: Any, text: str) -> str:
    """Return the hash of text from fields, one character for each byte, in hexadecimal."""
    value: str = hash_(text.encode("latin-1")).hexdigest()
    return value
