"""The tools about URLs: `trailing_slash` (on by default), `redirect` (and `err_redirect`), `proxy`."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..messages.errors import HTTPRedirect, InternalRedirect
from ..messages.urls import url as url_of
from ..process.serving import request

__all__ = ["proxy", "redirect", "trailing_slash"]


def trailing_slash(missing: bool = True, extra: bool = False, status: int | None = None, debug: bool = False) -> None:
    """Redirect (301, or `status`) the path of an index page without a slash at its end to the path with one.

    Relative links of index pages need the slash. missing: do so; extra: also redirect paths of other pages that end
    with a slash to the path without it.
    """
    path = request.path_info
    if request.is_index is True:
        if missing and not path.endswith("/"):
            raise HTTPRedirect(url_of(path + "/", request.query_string), status=status or 301)
    elif request.is_index is False and extra and path.endswith("/") and path != "/":
        raise HTTPRedirect(url_of(path[:-1], request.query_string), status=status or 301)


def redirect(url: str = "", internal: bool = True, debug: bool = False) -> None:
    """Answer with the page of another URL; internal=False redirects the client to it."""
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
    """Take the client's address, and the scheme and host that it used, from fields that a proxy in front has set.

    Sets `request.base`, from which `url` and redirects are made: host from the field `local`, else `base`, else Host;
    scheme from the field `scheme`. Sets `request.remote.ip` to the first address in the field `remote`. An empty name
    means no field. Use it only behind a proxy that sets all of these fields itself: clients can send any value.
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
