"""Cross-origin requests (the Fetch standard, section 3.2): which other sites' scripts may use a handler: `CORSMixIn`.

    from webpy.cors import CORSMixIn

    class Notes(CORSMixIn):
        cors_origins = ('https://app.example.org',)

        def do_get(self): ...
        def do_put(self): ...

The browser's preflight requests (OPTIONS with Access-Control-Request-Method) are answered before anything else of the
handler runs. All other answers, errors too, carry the fields that let the allowed origins read them, and `Vary: Origin`
where caches need it.

Order: the mix-in stands before those of `webpy.auth`, as browsers send preflights without credentials; any other order
is a TypeError when the class is made.

Options, class attributes of the handler:

- `cors_origins = ()`: the origins that are allowed, as browsers send them ("https://app.example.org",
  "http://localhost:3000": a scheme, a host, no default port, no slash), or `("*",)` for all.
- `cors_allows(origin)`: override it to decide in another way.
- `cors_credentials = False`: whether the browser may send cookies and logins of its user along, and scripts may read
  the answers. Not together with "*": every site could act in the name of every user.
- `cors_methods = None`: the methods that may be used; None for those of the handler.
- `cors_headers = ("Authorization", "Content-Type")`: request fields that scripts may set beside those that Fetch
  always allows. JSON needs Content-Type.
- `cors_exposed = ()`: fields of answers that scripts may read beside those that Fetch always allows.
- `cors_max_age_s = 600`: how long browsers may cache the answer to a preflight.

Caveats: CORS only decides which scripts may read answers. Another site can still submit a form to this server
(`webpy.csrf` keeps it from that), and programs other than browsers ignore it. Answers that no handler gives, such as
the 404 of a path without a route, have the fields if the mix-in stands in `mixins` beside `routes`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from .framework.handler import HTTPHandler
from .framework.order import Rank
from .negotiation import vary

if TYPE_CHECKING:
    from .framework.groups import Groups
    from .framework.request import Request
    from .framework.response import Result

__all__ = ["CORSMixIn"]


class CORSMixIn(HTTPHandler):
    """Put in front of a handler: scripts of the allowed origins may use it.

    Raises, when the class is made, TypeError for origins that are not a tuple or the like, and ValueError for
    credentials together with the origin "*".
    """

    mixin_rank = Rank.CORS

    cors_origins: Collection[str] = ()
    cors_credentials = False
    cors_methods: Sequence[str] | None = None
    cors_headers: Sequence[str] = ("Authorization", "Content-Type")
    cors_exposed: Sequence[str] = ()
    cors_max_age_s = 600

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if isinstance(cls.cors_origins, str):
            raise TypeError(f"{cls.__qualname__}: cors_origins is {cls.cors_origins!r}, wanted a tuple of origins")
        if cls.cors_credentials and "*" in cls.cors_origins:
            raise ValueError(f"{cls.__qualname__}: cors_credentials with the origin '*', wanted the origins by name")

    def __init__(self, request: Request, groups: Groups) -> None:
        super().__init__(request, groups)
        origin = request.head.get("origin")
        self._may_read = origin is not None and self.cors_allows(origin)
        fields = {}
        for_all = type(self).cors_allows is CORSMixIn.cors_allows and "*" in self.cors_origins
        if origin is not None and self._may_read:
            fields["Access-Control-Allow-Origin"] = "*" if for_all else origin
            if self.cors_credentials:
                fields["Access-Control-Allow-Credentials"] = "true"
            if self.cors_exposed:
                fields["Access-Control-Expose-Headers"] = ", ".join(self.cors_exposed)
        for headers in (self.response.headers, request.error_headers):
            for name, value in fields.items():
                headers.set(name, value)
            if not for_all:
                vary(headers, "Origin")

    def cors_allows(self, origin: str) -> bool:
        """Return True if scripts of `origin` are allowed. It is the field as sent, "null" for an opaque origin."""
        return origin in self.cors_origins or "*" in self.cors_origins

    def respond(self) -> Result:
        request = self.request
        is_preflight = request.method == "OPTIONS" and request.head.get("access-control-request-method") is not None
        if not (is_preflight and self._may_read):
            return super().respond()
        headers = self.response.headers
        methods = self.methods() if self.cors_methods is None else self.cors_methods
        headers.set("Access-Control-Allow-Methods", ", ".join(methods))
        if self.cors_headers:
            headers.set("Access-Control-Allow-Headers", ", ".join(self.cors_headers))
        headers.set("Access-Control-Max-Age", str(self.cors_max_age_s))
        return 204, None
