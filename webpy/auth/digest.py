"""The Digest scheme (RFC 7616) with `qop=auth`: the password is proven, not sent, and no proof counts twice.

Owns the form of its credentials and what is hashed. Knows no password (`ha1` does) and no nonce (`nonces` does).

A right answer for a nonce that is old, used up or of another key gets 401 with `stale=true`: the client repeats it with
the new nonce, without asking its user.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import unquote_to_bytes

from ..framework.errors import HTTPError
from .files import ALGORITHMS, HTDigest, HTPasswd, digest_of
from .grammar import parameters, quoted, text_of
from .handler import AuthMixIn, same
from .nonces import Nonces

__all__ = ["DigestAuthHandler", "DigestAuthMixIn"]

_COUNT = re.compile(r"[0-9a-fA-F]{8}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_NEEDED = ("realm", "nonce", "uri", "response", "qop", "nc", "cnonce")


@dataclass(frozen=True, slots=True)
class _Credentials:
    """RFC 7616 section 3.4. `user` and `realm` are text, the rest is as sent."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    nc: str
    cnonce: str
    algorithm: str


def _credentials(token: str) -> _Credentials:
    """Raises ValueError, whose text says what is wrong and repeats nothing of what was sent."""
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
        charset, quote, rest = found["username*"].partition("'")
        _, second, name = rest.partition("'")
        if charset.lower() != "utf-8" or not quote or not second:
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
    """`password(user)`, `ha1(user, algorithm)` or `users` knows what the client has to prove."""

    schemes = ("digest",)
    users: HTPasswd | HTDigest | None = None

    algorithms: Sequence[str] = ("SHA-256", "MD5")
    """What is offered, best first (RFC 7616 section 3.7)."""

    nonces: ClassVar[Nonces] = Nonces()
    """Where nonces come from; `Nonces(store, lifetime_s=…)` of your own keeps their counts elsewhere."""

    _stale = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        knows = cls.ha1 is not DigestAuthMixIn.ha1 or cls.password is not DigestAuthMixIn.password
        if isinstance(cls.users, HTPasswd) and not knows:
            raise ValueError(f"{cls.__name__}: users is an htpasswd file, wanted htdigest: Digest needs its hashes")
        if knows or cls.users is not None:  # it answers requests, and is not made to be subclassed only
            cls.nonces.prepare()
        unknown = [name for name in cls.algorithms if name not in ALGORITHMS]
        if unknown or not cls.algorithms:
            raise ValueError(f"{cls.__name__}: got algorithms {cls.algorithms!r}, wanted of {', '.join(ALGORITHMS)}")

    def password(self, user: str) -> str | None:
        """The user's password as text; None: there is no such user."""
        raise NotImplementedError(f"{type(self).__name__}: wanted password(user), ha1(user, algorithm), or users")

    def ha1(self, user: str, algorithm: str) -> str | None:
        """H(user:realm:password) in hexadecimal (RFC 7616 section 3.4.2); None: no such user."""
        if isinstance(self.users, HTDigest):
            return self.users.ha1(user, self.realm, algorithm)
        password = self.password(user)
        return None if password is None else digest_of(algorithm, f"{user}:{self.realm}:{password}")

    def auth_digest(self, token: str) -> Any:
        """RFC 7616 sections 3.4.1 to 3.4.6."""
        try:
            given = _credentials(token)
            if not self._names_this(given.uri):
                raise ValueError("uri is not the one of the request")
        except ValueError as error:
            raise HTTPError(400, f"Authorization: {error}\n") from None
        if given.algorithm not in self._offered() or given.realm != self.realm:
            return None
        known = self.ha1(given.user, given.algorithm)
        ha1 = digest_of(given.algorithm, "") if known is None else known.lower()
        hash_ = ALGORITHMS[given.algorithm]
        ha2 = _hex(hash_, f"{self.request.method}:{given.uri}")
        wanted = _hex(hash_, f"{ha1}:{given.nonce}:{given.nc}:{given.cnonce}:auth:{ha2}")
        if not same(wanted, given.response) or known is None:
            return None
        if not self.nonces.take(given.nonce, self.realm, int(given.nc, 16)):
            self._stale = True
            return None
        return given.user

    def challenge_digest(self) -> list[str]:
        """One for each algorithm (RFC 7616 section 3.3), all with the same nonce."""
        stale = ", stale=true" if self._stale else ""
        rest = f'qop="auth", nonce="{self.nonces.issue(self.realm)}", charset=UTF-8{stale}'
        return [f"Digest realm={quoted(self.realm)}, algorithm={name}, {rest}" for name in self._offered()]

    def _offered(self) -> list[str]:
        if not isinstance(self.users, HTDigest):
            return list(self.algorithms)
        kept = self.users.algorithms(self.realm)
        return [name for name in self.algorithms if name in kept] or list(self.algorithms)

    def _names_this(self, uri: str) -> bool:
        """RFC 7616 section 3.4.6: the request's target as it was sent, or its resource; or the absolute form of one."""
        request = self.request
        origin = f"{request.scheme}://{request.host}"
        return uri.removeprefix(origin) in (request.target, request.target.removeprefix(origin), request.resource)


class DigestAuthHandler(DigestAuthMixIn):
    """A handler for those who prove that they know a password."""


def _hex(hash_: Any, text: str) -> str:
    """Of what came in fields: one character a byte."""
    value: str = hash_(text.encode("latin-1")).hexdigest()
    return value
