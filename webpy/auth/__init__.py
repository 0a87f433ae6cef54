"""HTTP authentication in front of any handler (RFC 9110 section 11).

    class Private(webpy.auth.BasicAuthHandler):
        auth_realm = "my notes"
        auth_users = webpy.auth.htpasswd("/etc/notes.htpasswd")      # or def login(self, user, password)

        def do_get(self):
            return 200, f"hello, {self.auth}"

Use: subclass the handler of one scheme, or put its mix-in in front of another handler (`class Upload(BasicAuthMixIn,
FormHandler)`). Several mix-ins offer several schemes, in the order they are listed. For a request without valid
credentials nothing of the handler runs, and a client that sent `Expect: 100-continue` is not asked for its body.

- `AuthHandler`: any scheme, by a method `auth_<scheme>(token)`, with "_" for each "-" of the scheme's name. What the
  method returns becomes `self.auth`; anything false refuses the request. `challenge_<scheme>()` may return the
  scheme's challenges; by default there is one, with the scheme and the realm.
- `BasicAuthHandler`: `login(user, password)` (RFC 7617, UTF-8). Use it only under TLS: anyone on the way can read it.
- `DigestAuthHandler`: `password(user)`, `ha1(user, algorithm)` or `auth_users = htdigest(path)` (RFC 7616, `qop=auth`).
- `TokenAuthHandler`: `token(token)` (Bearer, RFC 6750). Compare secrets with `same`, whose time tells nothing.
- `htpasswd(path)`: users with bcrypt (`pip install 'webpy[auth]'`) or {SHA} hashes; `htdigest(path)`: with MD5 or
  SHA-256. A changed file is read again at the next request. Write a new file and rename it over the old one: while
  the file is broken, requests are answered with 500.

Options, class attributes of the handler:

- `auth_realm = "webpy"`: what the credentials are for; clients may show it to their users.
- `auth_users = None`: the users, from `htpasswd(path)` or `htdigest(path)`; for Basic and Digest.
- `auth_schemes`: the schemes that are offered, in their order, such as `("key", "x-one-time")`; no other method whose
  name begins with `auth_` is then a scheme.
- `auth_algorithms = ("SHA-256", "MD5")`, of Digest, the best first.
- `auth_nonces`: of Digest, a `Nonces(store, lifetime_s=300)`.

Methods to override have no prefix, as every method called `auth_…` is a scheme: `login`, `password`, `ha1`, `token`,
and `forbidden()`, which is called once `self.auth` is set and answers 403 if it returns something true. Anywhere,
`raise self.unauthorized()` answers 401 with all challenges, `raise AuthError(scheme, realm)` with one. A malformed
Authorization field is answered with 400.

All of it works with any number of workers: the counts of Digest's nonces are kept in a store (`webpy-auth.sqlite3` in
the state directory, see `webpy.store`, or the URL in WEBPY_AUTH), which several machines behind one name must share.

Order: `CORSMixIn` stands before these mix-ins, as a cross-origin preflight carries no credentials; `CachingMixIn`,
forms and hosts stand behind them. Any other order is a TypeError when the class is made.

Caveats: a method `respond` that you override must call super's. In a class without `auth_schemes` a method
`auth_<scheme>` is taken for a scheme if its name is registered (RFC 9110 section 16.4.1) or, with a warning, if its
only parameter is `token`; any other is a TypeError. With `Cache-Control: public` shared caches give an answer to
clients without credentials (RFC 9111 section 3.5). Digest signs the request target as the client sent it, so a proxy
that changes paths breaks it. Python's urllib reads only the first challenge, and older versions do not know SHA-256:
set `auth_algorithms = ("MD5", "SHA-256")` for them. `auth-int`, `-sess` and `userhash` are not offered. Apart from
bcrypt nothing here slows down clients that guess passwords.

Until the next version the options are also understood by their old names, with a DeprecationWarning: `realm`, `users`,
`schemes`, `algorithms`, `nonces`.
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
