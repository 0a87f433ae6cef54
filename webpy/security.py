"""Fields that tell browsers what a page may do: `SecurityMixIn`, with a Content-Security-Policy (CSP Level 3).

    from webpy.security import POLICY, SecurityMixIn

    mixins = (SecurityMixIn,)           # beside `routes`: before every answer, also those of errors and files

    class Map(webpy.HTTPHandler):       # what differs for one handler
        security_csp = {**POLICY, 'img-src': "'self' https://tiles.example.org"}

Without options an answer has these fields:

    Content-Security-Policy: default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline';
        img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'
    X-Content-Type-Options: nosniff
    Referrer-Policy: strict-origin-when-cross-origin
    Cross-Origin-Opener-Policy: same-origin

So a browser runs no script within the page: scripts are files of this site, or have the nonce of the answer. Reading
`self.csp_nonce` makes one, 128 random bits, and puts it into the policy where that says `'nonce'`:

    <script nonce="{{ handler.csp_nonce }}">…</script>             in a page by Jinja2
    return {'nonce': self.csp_nonce}                               in `page_values`, for a template with {nonce}

Options, class attributes of the handler; None leaves the field, or the directive, out:

- `security_csp = POLICY`: the policy, a mapping of directive to sources. `'nonce'` among the sources stands for the
  nonce of the answer, and for nothing in answers that have none.
- `security_csp_report_only = False`: whether browsers only report what the policy forbids, and do it all the same.
- `security_frame_ancestors = "'self'"`: whose pages may show this one in a frame; the directive of that name, which is
  alone in the field if there is no other policy.
- `security_nosniff = True`: whether browsers must believe the Content-Type.
- `security_referrer_policy`: what other sites learn about the page that a link or a form of theirs was on.
- `security_opener_policy`: whether a window of another site that opened this page, or that it opened, can reach it.
  Logins that open a window of another site need "same-origin-allow-popups".
- `security_permissions_policy = None`: such as "camera=(), geolocation=(self)".
- `security_nonce_cache_control = "no-store"`: the Cache-Control of an answer with a nonce.

A field that the handler sets itself stays, and so does one of a host (WSGI, CGI, files). An answer 304 has none of
these fields: the browser applies those of the answer that it has stored.

A nonce is worth nothing once an attacker can know it, as from a page in a cache, and browsers take pages out of their
caches when a user goes back. So an answer with a nonce is not stored by default, whatever `webpy.caching` or the
handler say about it. Pages to be cached use scripts in files instead, or the hashes of scripts in the policy.

Order: stands before `webpy.caching`; any other order is a TypeError when the class is made. HSTS is not among the
fields: it is said for a whole host, by `--hsts`.

Caveats: the policy limits what injected text can do; templates have to escape it all the same. Styles within the page
are allowed, as most pages have some; for more safety set 'style-src': "'self' 'nonce'". The fields cost a request 2 µs,
a nonce 12 µs more.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from .framework.errors import HTTPError
from .framework.handler import HTTPHandler
from .framework.headers import HTTPHeaders
from .framework.later import Later
from .framework.order import Rank
from .framework.response import Response

if TYPE_CHECKING:
    from .framework.groups import Groups
    from .framework.request import Request
    from .framework.response import Result

__all__ = ["POLICY", "SecurityMixIn"]

POLICY: Mapping[str, str] = MappingProxyType(
    {
        "default-src": "'self'",
        "script-src": "'self' 'nonce'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
    }
)
"""The policy of answers whose handler sets none."""

_NONCE = "'nonce'"
_NONCE_BYTES = 16  # "at least 128 bits": CSP Level 3, section 2.3.1
_CSP = "Content-Security-Policy"
_DIRECTIVE = re.compile(r"[a-z][a-z-]*")
_SOURCES = re.compile(r"[\x21-\x2b\x2d-\x3a\x3c-\x7e ]*")  # no comma, no semicolon: they would begin another policy
_BARE = re.compile(r"(?<![^ ])(none|self|nonce|unsafe-[a-z-]+|strict-dynamic|nonce-\S+|sha(?:256|384|512)-\S+)(?![^ ])")
_VALUE = re.compile(r"[\x20-\x7e]+")

_Fields = tuple[tuple[str, str, str], ...]


class SecurityMixIn(HTTPHandler):
    """Put in front of a handler: its answers have the fields that `webpy.security` describes.

    Raises, when the class is made, TypeError or ValueError, which names the option, for one that browsers would not
    understand.
    """

    mixin_rank = Rank.SECURITY

    security_csp: ClassVar[Mapping[str, str | None] | None] = POLICY
    security_csp_report_only: ClassVar[bool] = False
    security_frame_ancestors: ClassVar[str | None] = "'self'"
    security_nosniff: ClassVar[bool] = True
    security_referrer_policy: ClassVar[str | None] = "strict-origin-when-cross-origin"
    security_opener_policy: ClassVar[str | None] = "same-origin"
    security_permissions_policy: ClassVar[str | None] = None
    security_nonce_cache_control: ClassVar[str | None] = "no-store"

    _security_fields: ClassVar[_Fields] = ()
    _csp_field: ClassVar[str] = ""
    _csp_with_nonce: ClassVar[str] = ""  # with `'nonce'` still in it; empty if the policy uses none
    _csp_nonce = ""
    _csp_sent = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        policy = _policy(cls)
        cls._csp_field = _CSP + "-Report-Only" * bool(cls.security_csp_report_only)
        cls._csp_with_nonce = policy if _NONCE in policy.replace(";", " ").split(" ") else ""
        fields = {
            cls._csp_field: re.sub(f" {_NONCE}(?![^ ;])", "", policy),
            "X-Content-Type-Options": "nosniff" if cls.security_nosniff else None,
            "Referrer-Policy": cls.security_referrer_policy,
            "Cross-Origin-Opener-Policy": cls.security_opener_policy,
            "Permissions-Policy": cls.security_permissions_policy,
        }
        for option in ("referrer_policy", "opener_policy", "permissions_policy", "nonce_cache_control"):
            value = getattr(cls, f"security_{option}")
            if value is not None and not (isinstance(value, str) and _VALUE.fullmatch(value)):
                raise _wrong(cls, option, value, "the value of a field, or None")
        cls._security_fields = HTTPHeaders([(name, value) for name, value in fields.items() if value]).frozen()

    def __init__(self, request: Request, groups: Groups) -> None:
        # First, so that an error of a handler's own `__init__` has them too.
        fields = HTTPHeaders.of(self._security_fields)
        if self._response is None:
            self._response = Response(fields)
        else:
            self._response.headers.add_missing(fields)
        if request.has_error_headers:
            request.error_headers.add_missing(fields)
        else:
            request.error_headers = fields.copy()
        super().__init__(request, groups)

    @property
    def csp_nonce(self) -> str:
        """The nonce of this answer, made when it is first read; "" if the policy has no place for one.

        Raises RuntimeError if it is first read when the answer has begun, as its head has been sent.
        """
        if not self._csp_nonce and self._csp_with_nonce:
            if self._csp_sent:
                raise RuntimeError("csp_nonce was first read when the answer had begun; read it in the method")
            self._csp_nonce = base64.b64encode(os.urandom(_NONCE_BYTES)).decode()
            for headers in (self.response.headers, self.request.error_headers):
                if self._is_ours(headers, self._csp_field):
                    headers.set(self._csp_field, self._csp_with_nonce.replace(_NONCE, f"'nonce-{self._csp_nonce}'"))
                self._keep_out_of_caches(headers)
        return self._csp_nonce

    def respond(self) -> Result:
        try:
            result = super().respond()
        except HTTPError as error:
            if error.status == 304:
                self._leave_out(self.request.error_headers)
            raise
        return result.then(self._finish_security) if type(result) is Later else self._finish_security(result)

    def _finish_security(self, result: Result) -> Result:
        """Return the result, once the fields fit it."""
        self._csp_sent = True
        if self._csp_nonce:
            self._keep_out_of_caches(self.response.headers)
        if isinstance(result, (tuple, list)) and result and result[0] == 304:
            self._leave_out(self.response.headers)
        return result

    def _keep_out_of_caches(self, headers: HTTPHeaders) -> None:
        if self.security_nonce_cache_control is not None:
            headers.set("Cache-Control", self.security_nonce_cache_control)
            if "Expires" in headers:
                headers.remove("Expires")

    def _leave_out(self, headers: HTTPHeaders) -> None:
        """Remove the fields, except those that are the handler's own."""
        policy = self._csp_with_nonce.replace(_NONCE, f"'nonce-{self._csp_nonce}'")
        for _, name, _ in self._security_fields:
            if self._is_ours(headers, name) or (name == self._csp_field and headers.getlist(name) == [policy]):
                headers.remove(name)

    def _is_ours(self, headers: HTTPHeaders, name: str) -> bool:
        """Return whether a field is there as this mix-in has set it."""
        return headers.getlist(name) == [value for _, ours, value in self._security_fields if ours == name]


def _policy(cls: type[SecurityMixIn]) -> str:
    """Return the whole policy, "" for none. Raises TypeError or ValueError that names what is wrong."""
    given = cls.security_csp
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(
            f"{cls.__qualname__}.security_csp: got {given!r:.60}, wanted a dict such as {{'default-src': \"'self'\"}}"
        )
    directives = dict(given or {})
    if cls.security_frame_ancestors is not None:
        directives.setdefault("frame-ancestors", cls.security_frame_ancestors)
    for name, sources in directives.items():
        option = "frame_ancestors" if name == "frame-ancestors" and name not in (given or {}) else "csp"
        if not (isinstance(name, str) and _DIRECTIVE.fullmatch(name)):
            raise _wrong(cls, option, name, "the name of a directive, such as 'script-src'")
        if sources is None:
            continue
        if not (isinstance(sources, str) and _SOURCES.fullmatch(sources)):
            raise _wrong(cls, option, sources, f"the sources of {name} with spaces between them, without ',' and ';'")
        if bare := _BARE.search(sources):
            raise _wrong(cls, option, sources, f"quotes around the keyword: \"'{bare[1]}'\"")
    return "; ".join(f"{name} {sources}".rstrip() for name, sources in directives.items() if sources is not None)


def _wrong(cls: type, option: str, value: object, wanted: str) -> ValueError:
    return ValueError(f"{cls.__qualname__}.security_{option}: got {value!r:.60}, wanted {wanted}")
