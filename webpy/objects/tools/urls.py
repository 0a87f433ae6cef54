"""Tools about URLs: `trailing_slash` (on by default), `redirect` (and `err_redirect`), `proxy`."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..messages.errors import HTTPRedirect, InternalRedirect
from ..messages.urls import url as url_of
from ..process.serving import request

__all__ = ["proxy", "redirect", "trailing_slash"]


def trailing_slash(missing: bool = True, extra: bool = False, status: int | None = None, debug: bool = False) -> None:
    """Redirect with 301, or `status`, an index page whose path has no slash at its end, to the one that has.

    missing: whether to; extra: also the other way round, other pages whose path has one. Relative links need it.
    """
    path = request.path_info
    if request.is_index is True:
        if missing and not path.endswith("/"):
            raise HTTPRedirect(url_of(path + "/", request.query_string), status=status or 301)
    elif request.is_index is False and extra and path.endswith("/") and path != "/":
        raise HTTPRedirect(url_of(path[:-1], request.query_string), status=status or 301)


def redirect(url: str = "", internal: bool = True, debug: bool = False) -> None:
    """Go on with the page of another URL; internal=False has the client do it."""
    if internal:
        raise InternalRedirect(url)
    raise HTTPRedirect(url)


def proxy(
    base: str | None = None,
    local: str = "X-Forwarded-Host",
    remote: str = "X-Forwarded-For",
    scheme: str = "X-Forwarded-Proto",
    debug: bool = False,
) -> None:
    """Take from what a proxy in front says where the client believes to be, and who it is.

    Sets `request.base`, of which `url` and redirects are made, from the field `local`, or else `base`, or else Host,
    with the scheme in the field `scheme`; and `request.remote.ip` from the first address in the field `remote`. An
    empty name stands for no field. Only behind a proxy that sets all of them itself: clients can send what they like.
    """
    headers = request.headers
    said = headers.get(scheme) if scheme else None
    used = "https" if said == "on" and "ssl" in scheme.lower() else said
    used = used or urlsplit(request.base).scheme
    host = headers.get(local) if local else None
    if host is not None:
        base = host.split(",")[0].strip()
    base = base or headers.get("Host") or urlsplit(request.base).netloc
    request.base = base if "://" in base else f"{used}://{base}"
    client = headers.get(remote) if remote else None
    if client:
        request.remote.ip = client.split(",")[0].strip() if remote == "X-Forwarded-For" else client
