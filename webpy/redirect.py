"""Redirects (RFC 9110 section 15.4) whose Location is a good one, and leads nowhere else unless told to.

    from webpy import redirect
    from webpy.redirect import RedirectMixIn

    class Notes(RedirectMixIn):
        def do_post(self):
            number = store()
            return self.redirect(f'/notes/{number}')            # 303: get what the form made

    routes = {
        '/notes': Notes,
        **redirect.new(r'/old/(.*)', '/notes/{0}'),             # 308: moved for good, query and all
    }

`self.redirect(…)` is returned, and sends what the handler has set on its response: cookies too. Where nothing can be
returned, `raise redirect.to('/login')`: of what the handler has set, its cookies go with that.

Statuses: 303 See Other (the default; always followed with GET), 307 and 308 (for now, and for good; followed with the
same method and body), 302 and 301 (the older ones, of which clients make what they like).

`location` is text or a URL: what a URL cannot hold is percent-encoded (UTF-8), what is encoded already stays. It must
be a reference within this server: a path from its root, or one relative to the request's, `?query` or `#fragment`. One
that would lead elsewhere raises ValueError: a scheme, `//host` and what browsers take for it (`/\\host`, a tab in it).
So a target that comes out of the request (`?next=…`) can be passed on as it is; catch ValueError for those that cannot.
`foreign=True` allows URLs of http and https to any host: not for targets that clients choose.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from .framework.errors import HTTPError
from .framework.handler import HTTPHandler
from .framework.routes import Groups

if TYPE_CHECKING:
    from .framework.response import Result

__all__ = ["RedirectHandler", "RedirectMixIn", "location", "new", "to"]

_STATUSES = frozenset({301, 302, 303, 307, 308})
_SAFE = "!#$%&'()*+,/:;=?@[]~"
"""What a URI reference may hold beside letters, digits and -._ (RFC 3986 appendix A)."""
_QUERY = "redirect_query"
_NOT_ESCAPED = re.compile("%(?![0-9A-Fa-f]{2})")
_LOCAL = re.compile(r"(?:/(?![/\\])|[?#]|\.{1,2}/|[^/\\?#:]+(?:[/?#]|$))")
"""Beginnings of a relative reference without an authority, and with no colon that would end a scheme."""
_FOREIGN = re.compile(r"https?://[^/?#\\@]+(?:[/?#]|$)", re.IGNORECASE)


def location(target: str, *, foreign: bool = False) -> str:
    """The value of a Location field for `target`, in ASCII (RFC 9110 section 10.2.2).

    foreign: URLs of http and https may lead to other servers. Raises ValueError for a target that leads elsewhere.
    """
    # Browsers drop tabs and line ends wherever they stand, and spaces around: what is left must be as good.
    seen = re.sub(r"[\t\r\n]", "", target).strip("".join(map(chr, range(33))))
    if not _LOCAL.match(seen) and not (foreign and _FOREIGN.match(seen)):
        wanted = "a URL of http or https, or a path" if foreign else "a path of this server"
        raise ValueError(f"a redirect to {target!r}, wanted {wanted}")
    return _NOT_ESCAPED.sub("%25", quote(seen, safe=_SAFE, errors="surrogateescape"))


def to(target: str, status: int = 303, *, foreign: bool = False) -> HTTPError:
    """An exception that redirects, to be raised; takes and raises what `location` does, and ValueError for a status
    that does not redirect."""
    return HTTPError(_checked(status), headers={"Location": location(target, foreign=foreign)})


class RedirectMixIn(HTTPHandler):
    """For a handler some of whose methods redirect."""

    def redirect(self, target: str, status: int = 303, *, foreign: bool = False) -> Result:
        """What the method shall return to redirect; takes and raises what `to` does."""
        self.response.headers.set("Location", location(target, foreign=foreign))
        return _checked(status), None


class RedirectHandler(RedirectMixIn):
    """Redirects, whatever the method, to `redirect_target`; `{0}` and `{name}` stand for what the route captured."""

    redirect_target: ClassVar[str] = "/"
    redirect_status = 308
    redirect_foreign = False

    def respond(self) -> Result:
        target, query = _fill(self.redirect_target, self.groups), self.groups.get(_QUERY)
        if query:
            target += ("&" if "?" in target else "?") + query
        try:
            return self.redirect(target, self.redirect_status, foreign=self.redirect_foreign)
        except ValueError:  # with what the client put into the groups
            raise HTTPError(404) from None


def new(regex: str, target: str, status: int = 308, *, foreign: bool = False) -> dict[str, type[RedirectHandler]]:
    """Routes that redirect `regex` (which sees the query, too, as all routes do) to `target`; see `RedirectHandler`.

    A query that the regex has not taken is kept. Raises ValueError for a regex, target or status that is not good.
    """
    whole = rf"(?:{regex})(?:\?(?P<{_QUERY}>.*))?"
    try:
        re.compile(regex)  # by itself: a bracket too many would otherwise close one of ours
        match = re.compile(f"(?:{whole})|").fullmatch("")
    except re.error as error:
        raise ValueError(f"route {regex!r}: not a regular expression: {error}") from None
    assert match is not None
    try:
        location(_fill(target, Groups(match)) or "/", foreign=foreign)
    except (IndexError, KeyError) as error:
        raise ValueError(f"a redirect to {target!r}: {regex!r} has no group {error}") from None
    attributes = {"redirect_target": target, "redirect_status": _checked(status), "redirect_foreign": foreign}
    return {whole: type("Redirect", (RedirectHandler,), attributes)}


def _fill(target: str, groups: Groups) -> str:
    captured = groups[:-1] if _QUERY in groups.names else groups
    names = {name: value or "" for name, value in groups.names.items() if name != _QUERY}
    return target.format(*(value or "" for value in captured), **names)


def _checked(status: int) -> int:
    if status not in _STATUSES:
        raise ValueError(f"a redirect with status {status!r}, wanted one of {', '.join(map(str, sorted(_STATUSES)))}")
    return status
