"""Who asks: HTTP authentication in front of any handler (RFC 9110 section 11).

    class Private(webpy.auth.BasicAuthHandler):
        realm = "my notes"
        users = webpy.auth.htpasswd("/etc/notes.htpasswd")      # or def login(self, user, password)

        def do_get(self):
            return 200, f"hello, {self.auth}"

Use: a handler of one scheme, or its mix-in in front of another handler (`class Upload(BasicAuthMixIn, FormHandler)`);
several mix-ins offer several schemes, in their order. Nothing of the handler runs for a request without valid
credentials, and no body is asked of a client that waits with it (`Expect: 100-continue`).

- `AuthHandler`: any scheme, by a method `auth_<scheme>(token)` ("-" of its name as "_"). What it gives is `self.auth`;
  anything false refuses. `challenge_<scheme>()` may give its challenges; the default is the scheme with its realm.
  `schemes = ("key", "x-one-time")` names those that are offered, in their order: then any other method, `auth_log`
  for instance, is none.
- `BasicAuthHandler`: `login(user, password)` (RFC 7617, UTF-8). Only under TLS: the password is there to be read.
- `DigestAuthHandler`: `password(user)`, `ha1(user, algorithm)` or `users = htdigest(path)` (RFC 7616, `qop=auth`).
- `TokenAuthHandler`: `token(token)` (Bearer, RFC 6750). Compare with `same`, which takes the same time for all.
- `htpasswd(path)`: bcrypt (`pip install 'webpy[auth]'`) and {SHA}; `htdigest(path)`: MD5 and SHA-256. A changed file is
  read again at the next request. Write it whole and rename it: a broken one answers 500 until it is mended.

Options, as attributes of the handler: `realm`; `users`; of Digest `algorithms` and `nonces`, a `Nonces(store,
lifetime_s=300)`. `forbidden()`, asked once `self.auth` is known, gives 403 if it is true. `raise self.unauthorized()`
anywhere gives 401 with all challenges, `raise AuthError(scheme, realm)` with one. A malformed Authorization field gives
400.

All of it works on any number of workers: the counts of Digest's proofs are in a store (`webpy-auth.sqlite3` in the
current folder, or the URL in WEBPY_AUTH), which several machines behind one name must share.

Order: `CORSMixIn` stands before these mix-ins, as a cross-origin preflight carries no credentials; `CachingMixIn`,
forms and hosts stand behind them (another order is a TypeError).

Caveats: an overriding `respond` must call super's. In a class without `schemes` a method
`auth_<scheme>` is one if its scheme is registered (RFC 9110 section 16.4.1) or, with a warning, if it takes a `token`
and nothing else; any other is a TypeError. `Cache-Control: public` has caches give an answer to those without
credentials (RFC 9111 section 3.5). Digest's proofs are for the target as the client sent it:
a proxy that changes paths breaks them. Python's urllib reads only the first challenge, and older ones know no SHA-256:
`algorithms = ("MD5", "SHA-256")` for them. `auth-int`, `-sess` and `userhash` are not offered. Nothing here slows down
those who try passwords, but bcrypt.
"""

from __future__ import annotations

from .basic import BasicAuthHandler, BasicAuthMixIn
from .bearer import TokenAuthHandler, TokenAuthMixIn
from .digest import DigestAuthHandler, DigestAuthMixIn
from .files import HTDigest, HTPasswd, htdigest, htpasswd
from .handler import AuthError, AuthHandler, AuthMixIn, same
from .nonces import Nonces

__all__ = [
    "AuthError",
    "AuthHandler",
    "AuthMixIn",
    "BasicAuthHandler",
    "BasicAuthMixIn",
    "DigestAuthHandler",
    "DigestAuthMixIn",
    "HTDigest",
    "HTPasswd",
    "Nonces",
    "TokenAuthHandler",
    "TokenAuthMixIn",
    "htdigest",
    "htpasswd",
    "same",
]
