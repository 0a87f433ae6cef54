"""Redirects (RFC 9110 section 15.4) whose Location is valid, and leads to another server only if that is asked for.

    from webpy import redirect
    from webpy.redirect import RedirectMixIn

    class Notes(RedirectMixIn):
        def do_post(self):
            number = store()
            return self.redirect(f'/notes/{number}')            # 303: the client gets what the form made

    routes = {
        '/notes': Notes,
        **redirect.new(r'/old/(.*)', '/notes/{0}'),             # 308: moved permanently, and the query is kept
    }

Return `self.redirect(…)` from a method: fields that the handler has set on its response are sent too. Where nothing can
be returned, `raise redirect.to('/login')`: of the fields that the handler has set, only cookies are sent with it.

Statuses: 303 See Other (the default; always followed with GET), 307 and 308 (temporary and permanent; followed with the
same method and body), 302 and 301 (older: some clients change the method).

A target is text or a URL: characters that a URL cannot have are percent-encoded in UTF-8, and what is encoded already
stays. It must stay on this server: a path from its root, a path relative to that of the request, `?query` or
`#fragment`. A target that leads elsewhere raises ValueError: one with a scheme, `//host`, and what browsers take for it
(`/\\host`, or with a tab in it). So a target from the request (`?next=…`) can be used as it is; catch the ValueError.
`foreign=True` allows http and https URLs to any host: never use it for targets that clients choose.

Options, class attributes of `RedirectHandler`, for `new(..., handler=)`: `redirect_target`, `redirect_status = 308`,
`redirect_foreign = False`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from .framework.errors import HTTPError
from .framework.groups import Groups
from .framework.handler import HTTPHandler
from .framework.hosting import host_class
from .framework.routing.templates import PathTemplate

if TYPE_CHECKING:
    from .framework.response import Result

__all__ = ["RedirectHandler", "RedirectMixIn", "location", "new", "to"]

_STATUSES = frozenset({301, 302, 303, 307, 308})
_SAFE = "!#$%&'()*+,/:;=?@[]~"
"""The characters of a URI reference beside letters, digits and -._ (RFC 3986 appendix A)."""
_QUERY = "redirect_query"
_NOT_ESCAPED = re.compile("%(?![0-9A-Fa-f]{2})")
_LOCAL = re.compile(r"(?:/(?![/\\])|[?#]|\.{1,2}/|[^/\\?#:]+(?:[/?#]|$))")
"""Beginnings of a relative reference without an authority, and with no colon that would end a scheme."""
_FOREIGN = re.compile(r"https?://[^/?#\\@]+(?:[/?#]|$)", re.IGNORECASE)


def location(target: str, *, foreign: bool = False) -> str:
    """Return the value of a Location field for `target`, in ASCII (RFC 9110 section 10.2.2).

    foreign: http and https URLs may lead to other servers. Raises ValueError for any other target that leads elsewhere.
    """
    # Browsers drop tabs and line ends anywhere, and spaces around: what is left is checked.
    seen = re.sub(r"[\t\r\n]", "", target).strip("".join(map(chr, range(33))))
    if not _LOCAL.match(seen) and not (foreign and _FOREIGN.match(seen)):
        wanted = "a URL of http or https, or a path" if foreign else "a path of this server"
        raise ValueError(f"a redirect to {target!r}, wanted {wanted}")
    return _NOT_ESCAPED.sub("%25", quote(seen, safe=_SAFE, errors="surrogateescape"))


def to(target: str, status: int = 303, *, foreign: bool = False) -> HTTPError:
    """Return an exception that redirects when it is raised. Raises as `location`, and ValueError for other statuses."""
    return HTTPError(_checked(status), headers={"Location": location(target, foreign=foreign)})


class RedirectMixIn(HTTPHandler):
    """Put in front of a handler some of whose methods redirect."""

    def redirect(self, target: str, status: int = 303, *, foreign: bool = False) -> Result:
        """Set Location, and return what the method is to return. Takes and raises the same as `to`."""
        self.response.headers.set("Location", location(target, foreign=foreign))
        return _checked(status), None


class RedirectHandler(RedirectMixIn):
    """Redirects requests of any method to `redirect_target`; `{0}` and `{name}` stand for what the route captured."""

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


def new(
    regex: str | PathTemplate,
    target: str,
    status: int = 308,
    *,
    foreign: bool = False,
    handler: type[RedirectHandler] | None = None,
) -> dict[str, type[RedirectHandler]]:
    """Return routes that redirect `regex` (which matches the query, too, as that of any route) to `target`.

    Instead of a regex it may be a template (`webpy.path`); what its captures match is put into the target as it was
    sent, neither decoded nor converted.
    A query that the regex does not match is kept. handler: a subclass of `RedirectHandler` to make the routes' handler
    from, for example with a mix-in in front. Raises ValueError for a bad regex, target or status, TypeError for another
    handler.
    """
    base = host_class(handler, RedirectHandler, "webpy.redirect.new")
    if isinstance(regex, PathTemplate):
        regex = regex.regex
    whole = rf"(?:{regex})(?:\?(?P<{_QUERY}>.*))?"
    try:
        re.compile(regex)  # by itself: an unmatched bracket would otherwise close one of ours
        match = re.compile(f"(?:{whole})|").fullmatch("")
    except re.error as error:
        raise ValueError(f"route {regex!r}: not a regular expression: {error}") from None
    assert match is not None
    try:
        location(_fill(target, Groups(match)) or "/", foreign=foreign or base.redirect_foreign)
    except (IndexError, KeyError) as error:
        raise ValueError(f"a redirect to {target!r}: {regex!r} has no group {error}") from None
    attributes: dict[str, Any] = {"redirect_status": _checked(status), "redirect_foreign": foreign}
    # what is not asked for stays as the handler has it
    attributes = {name: value for name, value in attributes.items() if value != getattr(RedirectHandler, name)}
    attributes["redirect_target"] = target
    return {whole: type("Redirect" if handler is None else base.__name__, (base,), attributes)}


def _fill(target: str, groups: Groups) -> str:
    captured = groups[:-1] if _QUERY in groups.names else groups
    names = {name: value or "" for name, value in groups.names.items() if name != _QUERY}
    return target.format(*(value or "" for value in captured), **names)


def _checked(status: int) -> int:
    if status not in _STATUSES:
        raise ValueError(f"a redirect with status {status!r}, wanted one of {', '.join(map(str, sorted(_STATUSES)))}")
    return status
