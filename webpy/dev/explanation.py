"""Owns the answer that shows its developer an exception: who may see it, and whether it is a page or text.

Nobody else may: not a client at another machine, not one behind a proxy or a tunnel on this one, and not a web site
whose name was made to lead here (DNS rebinding), whose scripts could read the page. Called in a worker.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from ..framework.errorhandler import HTTPErrorHandler
from ..framework.errors import HTTPError
from ..framework.groups import Groups
from . import page
from .frames import failures_of, text_of

if TYPE_CHECKING:
    from ..framework.request import Request
    from ..framework.response import Body

__all__ = ["Explanation", "accepts_html", "is_local", "is_loopback"]

#: what proxies and tunnels add; with one of them, the client at the other end may be anybody
_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_NO_GROUPS = Groups(re.compile("").fullmatch(""))  # type: ignore[arg-type]


def is_loopback(host: str) -> bool:
    """Return whether a host, a name or an address, is this machine by definition."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 section 6.3
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local(request: Request) -> bool:
    """Return whether the client is on this machine, asked for it by its own name, and came without a proxy."""
    host = re.sub(r":\d*$", "", request.host)
    return (
        is_loopback(request.client_address[0])
        and is_loopback(host)
        and not any(name in request.headers for name in _OF_PROXIES)
    )


def accepts_html(request: Request) -> bool:
    """Return whether the client names HTML among what it accepts, as browsers do and curl does not."""
    for each in (request.headers.get("Accept") or "").lower().split(","):
        kind, *parameters = each.replace(" ", "").split(";")
        if kind == "text/html":
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    return False


class Explanation(HTTPErrorHandler):
    """A 500 with the exception: as a page for browsers, for others as text.

    show_locals: whether the page has the local variables of the application's frames. refresh: whether the page asks
    again by itself, every 2 s, for an application that does not load.
    """

    def __init__(
        self, request: Request, cause: BaseException, *, show_locals: bool = False, refresh: bool = False
    ) -> None:
        super().__init__(request, _NO_GROUPS, HTTPError(500))
        self._cause: BaseException | None = cause
        self._show_locals = show_locals
        self._refresh = refresh

    def format(self) -> Body:
        """Return the page or the text; once, as the exception is let go of."""
        cause, self._cause = self._cause, None
        assert cause is not None
        headers = self.response.headers
        headers.set("Cache-Control", "no-store")
        headers.set("Vary", "Accept")
        headers.set("X-Content-Type-Options", "nosniff")
        if not accepts_html(self.request):
            headers.set("Content-Type", "text/plain; charset=utf-8")
            return text_of(cause)
        headers.set("Content-Type", "text/html; charset=utf-8")
        headers.set("Content-Security-Policy", page.POLICY)
        headers.set("Referrer-Policy", "no-referrer")
        if self._refresh and self.request.method in ("GET", "HEAD"):
            headers.set("Refresh", "2")
        failures = failures_of(cause, show_locals=self._show_locals)
        return page.render(failures, text_of(cause), self.request, self._refresh)
