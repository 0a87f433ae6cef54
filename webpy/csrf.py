"""Requests that pages of other sites make browsers send (cross-site request forgery): `CSRFMixIn` refuses them.

    from webpy.csrf import CSRFMixIn

    mixins = (CSRFMixIn,)               # beside `routes`: before every handler

    class Webhook(webpy.HTTPHandler):   # called by programs, and proved otherwise
        csrf_checked = False

A browser sends the cookies and logins of its user with every request, whichever site's page makes it. So a request
with a method that may change something (any but GET, HEAD, OPTIONS and TRACE) is let through only if it comes from
this site's own pages. The browser says where it comes from; what decides, in this order:

1. `Sec-Fetch-Site` (all browsers since 2023, under TLS and on localhost): `same-origin`, or `none` for what the user
   did alone, is let through; anything else is refused, other hosts of the same domain included.
2. `Origin` (older browsers, and without TLS): is let through if it is the scheme and host of the request.
3. Neither, or the Origin `null`: a token that only this site's pages know, for very old browsers. A request that has
   neither field, no cookie, no login of a browser (an Authorization other than Bearer) and no client certificate is
   that of a program, has nothing to abuse, and is let through.

What is refused gets a 403 that says why, before its body is asked for and before a login is checked. Origins listed
in `csrf_origins` are let through in any case. The host is that of `request.host`, and the scheme that of
`request.scheme`: behind a proxy name it in `--forwarded-allow-ips`, or list the site's own origin in `csrf_origins`.

The token matters for clients of the third kind only. A page has it by reading `self.csrf_token`, and sends it back in a
hidden field of a form (`webpy.form`) or in a header:

    <input type="hidden" name="csrf_token" value="{{ handler.csrf_token }}">

It is kept in the session, if the handler has one (`webpy.session`). Otherwise it is the signature of a cookie that the
answer sets, which under TLS no other host can plant, by the prefix `__Host-`. So the handler that shows the form and
the one that takes it must both have a session, or neither. The key of the signatures is in the store of `webpy.auth`
(`webpy-auth.sqlite3` in the state directory, or the URL in WEBPY_AUTH), so that all workers have it, also after a
reload; several machines share the store, or have `csrf_key`. Each page has another token for the same secret, as
compressed pages could give away one that is always the same (BREACH).

Options, class attributes of the handler:

- `csrf_origins = ()`: other origins whose pages may send requests, as browsers write them ("https://app.example.org").
- `csrf_allows(origin)`: override it to decide in another way.
- `csrf_checked = True`: False lets everything through.
- `csrf_field = "csrf_token"`, `csrf_header = "X-CSRF-Token"`: where the token is looked for.
- `csrf_cookie = "csrf"`: the cookie's name; under TLS it is `__Host-csrf`.
- `csrf_key = None`: at least 32 secret bytes to sign with, in place of the key in the store.

Order: stands before forms and `webpy.decompression`; any other order is a TypeError when the class is made. An origin
that `webpy.cors` allows may read answers; to send PUT or POST it has to stand in `csrf_origins` too.

Caveats: nothing may change by a GET. In front of a host (WSGI, CGI, `http.server`, objects), and in handlers without
`webpy.form`, the token counts in the header only, as the body is theirs. Very old browsers are not kept from sending a
login form of another site before they have a cookie of this one. A page of this site that an attacker can put scripts
into can send what it likes. The check costs a request 2 µs.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import threading
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import cookies
from .caching import keep_private
from .framework.errors import HTTPError
from .framework.handler import HTTPHandler
from .framework.later import Later
from .framework.order import Rank
from .store.keys import KEY_BYTES, shared_key

if TYPE_CHECKING:
    from .framework.response import Result

__all__ = ["CSRFMixIn"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#@\s\[\]A-Z:]+|\[[0-9a-f:.]+\])(?::[0-9]+)?")
_SECRET_BYTES = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # twice as many bytes, in base64
_COOKIE = re.compile(r"[A-Za-z0-9_-]{22}")
_IN_SESSION = "csrf"
_STORED_KEY = "webpy.csrf/key"

_FOREIGN = "403 - this request was sent by a page of another site, and is taken from this site's own pages only\n"
_OTHER_HOST = "403 - the Origin of this request is not the site that it was sent to, and is not among those allowed\n"
_UNKNOWN = (
    "403 - it cannot be told whether this request was sent by a page of this site: load the page again and send it "
    "from there, or send the page's token in the form's field {field!r} or in the header {header}\n"
)


class CSRFMixIn(HTTPHandler):
    """Put in front of a handler: requests that may change something are taken from this site's pages only.

    Raises, when the class is made, TypeError or ValueError, which names the option, for one that cannot be used.
    """

    mixin_rank = Rank.CSRF

    csrf_origins: ClassVar[Collection[str]] = ()
    csrf_checked: ClassVar[bool] = True
    csrf_field: ClassVar[str] = "csrf_token"
    csrf_header: ClassVar[str] = "X-CSRF-Token"
    csrf_cookie: ClassVar[str] = "csrf"
    csrf_key: ClassVar[bytes | None] = None

    _csrf_has_session: ClassVar[bool] = False
    _csrf_has_forms: ClassVar[bool] = False
    _csrf_passed = False
    _csrf_form_read = False
    _csrf_sent = False
    _csrf_secret = b""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        ranks = {vars(base).get("mixin_rank") for base in cls.__mro__}
        cls._csrf_has_session = Rank.SESSION in ranks
        cls._csrf_has_forms = Rank.FORM in ranks and Rank.HOST not in ranks
        _check_options(cls)

    def csrf_allows(self, origin: str) -> bool:
        """Return True if pages of `origin` may send requests. It is the field as sent, "null" for an opaque origin."""
        return origin in self.csrf_origins

    @property
    def csrf_token(self) -> str:
        """The token for the page that is answered, another one each time it is read; it sets the cookie if there is
        none, or puts the secret into the session.

        Raises RuntimeError if it is first read when the answer has begun, StoreError if there is no key to sign with.
        """
        secret = self._csrf_secret or self._known_secret()
        if not secret:
            if self._csrf_sent:
                raise RuntimeError("csrf_token was first read when the answer had begun; read it in the method")
            secret = self._new_secret()
        self._csrf_secret = secret
        keep_private(self.request.error_headers)
        pad = secrets.token_bytes(_SECRET_BYTES)
        return base64.urlsafe_b64encode(pad + _xor(pad, secret)).decode().rstrip("=")

    def check_continue(self) -> bool | None:
        if self._refusal_of_head() is not None and not self._may_be_in_form():
            self._check_csrf()
        return super().check_continue()

    def get_body(self) -> bool | None:
        return False if self._csrf_form_read else super().get_body()

    def respond(self) -> Result:
        self._check_csrf()
        result = super().respond()
        return result.then(self._finish_csrf) if type(result) is Later else self._finish_csrf(result)

    def _finish_csrf(self, result: Result) -> Result:
        self._csrf_sent = True
        if self._csrf_secret:
            keep_private(self.response.headers)
        return result

    # -- where a request comes from -----------------------------------------------------------------------------------

    def _check_csrf(self) -> None:
        """Raise HTTPError 403 for a request that is refused."""
        refusal = self._refusal_of_head()
        if refusal is None or (refusal == _UNKNOWN and self._has_token()):
            return
        raise HTTPError(403, refusal.format(field=self.csrf_field, header=self.csrf_header))

    def _refusal_of_head(self) -> str | None:
        """Return None if the request's head shows that it may go on, else why not; `_UNKNOWN` if a token may help."""
        head = self.request.head
        if head.method in _SAFE or not self.csrf_checked:
            return None
        origin, site = head.get("origin") or "", head.get("sec-fetch-site") or ""
        if site in ("same-origin", "none") or (origin and self.csrf_allows(origin)):
            return None
        if site:
            return _FOREIGN
        if not origin:
            return _UNKNOWN if self._has_authority() else None
        if origin == "null":
            return _UNKNOWN
        return None if self._is_own(origin) else _OTHER_HOST

    def _is_own(self, origin: str) -> bool:
        """Return whether an origin is that of the request. A proxy that is not trusted may have ended TLS, so https is
        believed of an origin; http is not, where the request came by https."""
        request = self.request
        scheme, _, authority = origin.lower().partition("://")
        if scheme not in ("http", "https") or (scheme == "http" and request.scheme == "https"):
            return False
        port = ":443" if scheme == "https" else ":80"  # browsers leave it out
        host = request.host.lower()
        return bool(host) and authority.removesuffix(port) == host.removesuffix(port)

    def _has_authority(self) -> bool:
        """Return whether the request brings what a browser sends by itself to prove who its user is."""
        request = self.request
        scheme = (request.head.get("authorization") or "").lstrip().partition(" ")[0].lower()
        # one that a proxy in front has shown is not its clients'
        has_certificate = request.tls_client is not None and request.client_address == request.peer_address
        return request.head.get("cookie") is not None or scheme not in ("", "bearer") or has_certificate

    # -- the token ----------------------------------------------------------------------------------------------------

    def _may_be_in_form(self) -> bool:
        return self._refusal_of_head() == _UNKNOWN and self._csrf_has_forms and not self._token_in_header()

    def _token_in_header(self) -> str:
        return self.request.head.get(self.csrf_header.lower()) or ""

    def _has_token(self) -> bool:
        """Return whether the request has its client's token. Reads a form, which the mix-in of forms then finds read.

        Raises what reading a form raises.
        """
        if self._csrf_passed:
            return True
        head = self.request.head
        token: Any = self._token_in_header()
        form: Any = None
        if not token and self._csrf_has_forms and (head.content_length or head.chunked) and self.get_body() is False:
            self._csrf_form_read = True
            form = self.request.body
            token = form.get(self.csrf_field) if isinstance(form, Mapping) else None
        self._csrf_passed = isinstance(token, str) and self._is_valid(token)
        if not self._csrf_passed and hasattr(form, "close"):
            form.close()  # its files: the mix-in of forms, which closes them, is not reached
        return self._csrf_passed

    def _is_valid(self, token: str) -> bool:
        if not _TOKEN.fullmatch(token):
            return False
        raw = base64.urlsafe_b64decode(token + "=")
        told = _xor(raw[:_SECRET_BYTES], raw[_SECRET_BYTES:])
        for again in (False, True):
            known = self._known_secret(again)
            if known and hmac.compare_digest(told, known):
                return True
        return False

    def _known_secret(self, again: bool = False) -> bytes:
        """Return the secret of this client, b"" if it has none. again: read the key from the store once more, as that
        may have been cleared."""
        if self._csrf_has_session:
            stored = self._session_of_client().get(_IN_SESSION)
            return bytes.fromhex(stored) if isinstance(stored, str) else b""
        sent = cookies.parse("; ".join(self.request.headers.getlist("Cookie"))).get(self._cookie_name, "")
        return self._signature(sent, again) if _COOKIE.fullmatch(sent) else b""

    def _new_secret(self) -> bytes:
        """Return a new secret, which the client's next requests bring."""
        made = secrets.token_bytes(_SECRET_BYTES)
        if self._csrf_has_session:
            self._session_of_client()[_IN_SESSION] = made.hex()
            return made
        text = base64.urlsafe_b64encode(made).decode().rstrip("=")
        secure = self.request.scheme == "https"
        cookies.put(self.response.headers, cookies.format_cookie(self._cookie_name, text, secure=secure))
        return self._signature(text)

    def _session_of_client(self) -> Any:
        return self.session  # type: ignore[attr-defined]

    @property
    def _cookie_name(self) -> str:
        return f"__Host-{self.csrf_cookie}" if self.request.scheme == "https" else self.csrf_cookie

    def _signature(self, text: str, again: bool = False) -> bytes:
        key = self.csrf_key or _key.get(again)
        return hmac.digest(key, f"webpy.csrf/cookie/{text}".encode(), "sha256")[:_SECRET_BYTES]


class _StoredKey:
    """The key in the store, which is read once in each worker."""

    def __init__(self) -> None:
        self._key = b""
        self._lock = threading.Lock()
        self._store: Any = None

    def get(self, again: bool = False) -> bytes:
        """Return the key; again: as the store has it now. Raises StoreError."""
        key = self._key
        if again or not key:
            from .store import default_url
            from .store import open as open_store

            with self._lock:
                if self._store is None:
                    self._store = open_store(default_url("auth", "WEBPY_AUTH"))
                key = self._key = shared_key(self._store, _STORED_KEY)
        return key


_key = _StoredKey()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _check_options(cls: type[CSRFMixIn]) -> None:
    where, origins, key = cls.__qualname__, cls.csrf_origins, cls.csrf_key
    if isinstance(origins, str) or not isinstance(origins, Collection):
        raise TypeError(f"{where}.csrf_origins: got {origins!r:.60}, wanted a tuple of origins")
    for origin in origins:
        if not (isinstance(origin, str) and _ORIGIN.fullmatch(origin)):
            hint = "; csrf_checked = False turns the check off" if origin == "*" else ""
            wanted = "an origin as browsers write it, such as 'https://app.example.org'"
            raise ValueError(f"{where}.csrf_origins: got {origin!r:.60}, wanted {wanted}{hint}")
    if key is not None and not (isinstance(key, bytes) and len(key) >= KEY_BYTES):
        got = f"{len(key)} bytes" if isinstance(key, bytes) else f"a value of type {type(key).__name__}"
        raise ValueError(f"{where}.csrf_key: got {got}, wanted at least {KEY_BYTES} bytes")
    cookies.format_cookie(cls.csrf_cookie, "x")
