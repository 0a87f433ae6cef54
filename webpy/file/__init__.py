"""Files and directories: `webpy.file.new(local)` gives routes.

    import webpy.file

    routes = {
        **webpy.file.new('/srv/docs', '/docs', dir_index=True),         # GET, HEAD, listings
        **webpy.file.new('/srv/inbox', '/inbox', modify=True),          # and PUT, DELETE: put authentication before it
        '/favicon.ico': type('Icon', (webpy.file.FileHandler,), {'filename': 'favicon.ico'}),
    }

Answers carry a strong ETag, Last-Modified and Content-Type; conditions and ranges work as RFC 9110 says, and files
leave by sendfile, whatever their size.

Options of `new`, and class attributes of the handlers:

- `index_files`: sent for a directory, the first that is there; `dir_index`: else a list of it, as HTML, or as JSON for
  `Accept: application/json`, in the order of `?sort=name|size|time&order=desc`; without it 403.
- `cache_control`: the Cache-Control field, such as `'public, max-age=3600'`.
- `precompressed`: send `NAME.br`, `NAME.zst` or `NAME.gz` to clients that take the coding, if it is there and not
  older than NAME. Costs three lookups a request.
- `charset`: of text files, `utf-8`; None to say nothing. `types`: endings to Content-Type, `{'.txt': 'text/x-notes'}`.
- `modify`: PUT and DELETE of regular files, conditional with If-Match and If-None-Match; see `ModifyPathHandler`.
- `handler`: a subclass of `PathHandler` to start from, with mix-ins in front (a login for instance) or options set.

Caveats: names that begin with a dot are answered 404, but for `/.well-known/`; so are `webpy.toml`, and every database
and directory of a store of this server. Links are followed where they stay
inside of the directory; who can make hard links or mounts inside can show what they show. Needs /proc on Linux, and
`modify` a file system with flock, as all local ones have. An uploaded HTML page runs its scripts as a page of this
site: let only people upload whom you trust, or serve what they upload from another host.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..framework.routes import mount_point
from .handlers import FileHandler, PathHandler
from .modifying import ModifyPathHandler

__all__ = ["FileHandler", "ModifyPathHandler", "PathHandler", "new"]


def new(
    local: str | os.PathLike[str],
    remote: str = "",
    *,
    index_files: Sequence[str] = ("index.html",),
    dir_index: bool = False,
    modify: bool = False,
    cache_control: str | None = None,
    charset: str | None = "utf-8",
    types: Mapping[str, str] | None = None,
    precompressed: bool = False,
    handler: type[PathHandler] | None = None,
) -> dict[str, type[PathHandler]]:
    """Routes that serve the directory `local`, relative to the current one, below the path `remote`, such as "/docs".

    The options are in the module's description. Raises ValueError for a `remote` that is no path, or for `modify` with
    a handler that cannot.
    """
    remote = remote.rstrip("/")
    if remote and (remote[0] != "/" or re.search(r"[^\x21-\x7e]|[?#]|//", remote)):
        raise ValueError(f"remote: got {remote!r}, wanted a path such as '/docs', percent-encoded")
    remote = mount_point(remote)
    base = handler or (ModifyPathHandler if modify else PathHandler)
    if modify and not issubclass(base, ModifyPathHandler):
        raise ValueError(f"modify: {base.__qualname__} is no ModifyPathHandler")
    attributes: dict[str, Any] = {
        "__doc__": f"Files of {os.fspath(local)}.",
        "local": local,
        "index_files": (index_files,) if isinstance(index_files, str) else tuple(index_files),
        "dir_index": dir_index,
        "cache_control": cache_control,
        "charset": charset,
        "types": {ending.lower(): kind for ending, kind in (types or {}).items()},
        "precompressed": precompressed,
    }
    # what is not asked for stays as the handler has it, or a mix-in before it
    attributes = {name: value for name, value in attributes.items() if value != getattr(PathHandler, name)}
    made = type(base.__name__, (base,), {**attributes, "local": local})
    below = "(/[^?]*)" if not remote else f"{re.escape(remote)}(/[^?]*)?"
    return {rf"{below}(?:\?.*)?": made}
