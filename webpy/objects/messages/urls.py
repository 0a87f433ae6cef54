"""Owns `url`, which makes URLs of pages of the current application; it reads the current request."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urljoin

from ..process.serving import serving

__all__ = ["join", "normalize_path", "url"]


def url(
    path: str = "",
    qs: Any = "",
    script_name: str | None = None,
    base: str | None = None,
    relative: bool | str | None = None,
) -> str:
    """Return an absolute URL for `path`: below the mount point if it begins with "/", else below the current page.

    qs: the query, as text or as pairs; script_name, base: used instead of the request's; relative: True for a URL
    relative to the current page, "server" for one that begins with "/", None for what `app.relative_urls` says.
    """
    request = serving.request
    query = urlencode(qs) if isinstance(qs, (tuple, list, dict)) else qs
    suffix = f"?{query}" if query else ""
    app = getattr(request, "app", None)  # there is none outside of a request
    if app:
        if not path.startswith("/"):
            here = _with_slash_of(request)
            path = urljoin(here, path) if path else here
        script_name = request.script_name if script_name is None else script_name
        base = request.base if base is None else base
        made = base + script_name + normalize_path(path) + suffix
    else:
        if base is None:
            from ..process.settings import server

            base = server.base()
        made = base + normalize_path((script_name or "") + path) + suffix
    if relative is None:
        relative = getattr(app, "relative_urls", False)
    if relative == "server":
        return "/" + "/".join(made.split("/", 3)[3:])
    return _relative(made) if relative else made


def _with_slash_of(request: Any) -> str:
    """Return the current path, with a slash at its end if the page is an index, and without one if it is not."""
    path: str = request.path_info
    if request.is_index is True and not path.endswith("/"):
        return path + "/"
    if request.is_index is False and path != "/":
        return path.removesuffix("/")
    return path


def _relative(absolute: str) -> str:
    old = url(relative=False).split("/")[:-1]
    new = absolute.split("/")
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    return "/".join([*[".."] * len(old), *new])


def normalize_path(path: str) -> str:
    """Return the path with its segments "." and ".." resolved."""
    if "./" not in path:
        return path
    atoms: list[str] = []
    for atom in path.split("/"):
        if atom == "..":
            del atoms[-1:]
        elif atom not in ("", "."):
            atoms.append(atom)
    return ("/" if path.startswith("/") else "") + "/".join(atoms)


def join(*paths: str) -> str:
    """Join paths to one without empty segments; "/" if all are empty."""
    joined = "/".join(path for path in paths if path)
    while "//" in joined:
        joined = joined.replace("//", "/")
    return joined or "/"
