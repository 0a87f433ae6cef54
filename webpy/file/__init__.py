"""Files and directories: `webpy.file.new(local)` gives routes.

    import webpy.file

    routes = {
        **webpy.file.new('/srv/docs', '/docs', dir_index=True),         # GET, HEAD, listings
        **webpy.file.new('/srv/inbox', '/inbox', modify=True),          # and PUT, DELETE: put authentication before it
        '/favicon.ico': type('Icon', (webpy.file.FileHandler,), {'file_path': 'favicon.ico'}),
    }

Answers have a strong ETag, Last-Modified and Content-Type. Conditions and ranges work as in RFC 9110, and files of any
size are sent with sendfile.

Options of `new`. Each is also a class attribute of the handlers, with `file_` before its name (`file_charset`), except
for `modify`, `handler`, and `cache_control`, which is called so everywhere:

- `local`: the directory. (`FileHandler`, for a single file, has `file_path` instead.)
- `index_files = ("index.html",)`: names of files that are sent for a directory; the first that exists is used.
- `dir_index = False`: whether a directory without such a file is answered with a list of its files: HTML, or JSON for
  `Accept: application/json`, in the order of `?sort=name|size|time&order=desc`. If not, the answer is 403.
- `cache_control = None`: the Cache-Control field, such as `'public, max-age=3600'`.
- `precompressed = False`: whether to send `NAME.br`, `NAME.zst` or `NAME.gz` to clients that accept the coding, if the
  file exists and is not older than NAME. Costs three lookups for each request.
- `immutable = False`: whether `app.3f2a9c04d1b7.css` is answered with the file `app.css` if that is (the beginning of)
  its SHA-256, with `Cache-Control: max-age=31536000, immutable`. `StaticURLs` makes such URLs, for templates. With an
  older hash the present file is sent with `no-cache`, so that pages that are open keep working. If it is a regex, files
  whose path matches it somewhere are sent with that Cache-Control too: for names that a bundler has put hashes in.
- `charset = "utf-8"`: the charset of text files; None to leave it out.
- `types = {}`: endings to Content-Type: `{'.txt': 'text/x-notes'}`.
- `modify = False`: whether PUT and DELETE change files, with If-Match and If-None-Match; see `ModifyPathHandler`.
- `handler = None`: a subclass of `PathHandler` to use, with mix-ins in front (a login for instance) or options set.

URLs of static files that clients keep until the file changes, in pages of any kind:

    static_url = webpy.file.StaticURLs('static', '/static')
    routes = {**webpy.file.new('static', '/static', immutable=True)}
    static_url('app.css')                                       # '/static/app.3f2a9c04d1b7.css'

`{static_url[app.css]}` is the same in a template of `str.format`. A file that does not exist is a FileNotFoundError.
The references in a file (`url(logo.png)` in a style) are not changed: those files have their plain names.

Any handler answers with a file by `send_file`, with the same fields, conditions and ranges:

    class Report(web.HTTPHandler):                                      # /reports/(?P<name>[^/?]+)
        def do_get(self):
            return webpy.file.send_file(self, self.groups['name'] + '.pdf', root='/srv/reports', attachment=True)

- `root=DIR`: nothing outside of this directory is sent, whatever the path and symbolic links in it say: that is a 404,
  as is a file that does not exist. Give a root if a client has any part in the path. Without one any file is sent.
- `attachment=True`: browsers save the file instead of showing it, under its own name; `attachment='Bericht März.pdf'`
  under this one.

What the handler has set in `self.response.headers` before is sent too: a Content-Type of its own, Cache-Control. Unlike
the routes of `new`, it sends files whose names begin with a dot.

Caveats: names that begin with a dot are answered with 404, except for `/.well-known/`; so are `webpy.toml`, and the
files and directories of this server's stores. Symbolic links are followed if they lead to something inside the
directory. Hard links and mounts inside it are not checked: with them other files can be sent. Needs /proc
on Linux, and `modify` a file system with flock, which every local one has. The scripts of an uploaded HTML page run as
those of this site: allow uploads only to people whom you trust, or serve the uploaded files from another host.

Until the next version the options of handlers are also understood by their old names, with a DeprecationWarning:
`filename`, `local`, `index_files`, `dir_index`, `charset`, `types`, `precompressed`, and the method `content_type`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .handlers import FileHandler, PathHandler
from .hashing import StaticURLs
from .hashing import remote_path as _remote_path
from .modifying import ModifyPathHandler
from .sending import send_file

__all__ = ["FileHandler", "ModifyPathHandler", "PathHandler", "StaticURLs", "new", "send_file"]


# parameters: the fixed interface of the module, each by its name
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
    immutable: bool | str = False,
    handler: type[PathHandler] | None = None,
) -> dict[str, type[PathHandler]]:
    """Return routes that serve the directory `local`, relative to the current one, below the path `remote` ("/docs").

    The options are described in `webpy.file`. Raises ValueError if `remote` is not a path, `immutable`
    not a regex, or for `modify` with a handler that is not a `ModifyPathHandler`.
    """
    if not isinstance(remote, str):
        raise ValueError(f"remote: got {remote!r}, wanted a path such as '/docs', percent-encoded")
    remote = _remote_path(remote)
    if isinstance(immutable, str):
        try:
            re.compile(immutable)
        except re.error as error:
            raise ValueError(f"immutable: got {immutable!r}, wanted True or a regex: {error}") from None
    base = handler or (ModifyPathHandler if modify else PathHandler)
    if modify and not issubclass(base, ModifyPathHandler):
        raise ValueError(f"modify: {base.__qualname__} is not a ModifyPathHandler")
    attributes: dict[str, Any] = {
        "__doc__": f"Files of {os.fspath(local)}.",
        "file_local": local,
        "file_index_files": (index_files,) if isinstance(index_files, str) else tuple(index_files),
        "file_dir_index": dir_index,
        "cache_control": cache_control,
        "file_charset": charset,
        "file_types": {ending.lower(): kind for ending, kind in (types or {}).items()},
        "file_precompressed": precompressed,
        "file_immutable": immutable,
    }
    # options that are not given stay as the handler, or a mix-in before it, has them
    attributes = {name: value for name, value in attributes.items() if value != getattr(PathHandler, name)}
    made = type(base.__name__, (base,), {**attributes, "file_local": local})
    below = "(/[^?]*)" if not remote else f"{re.escape(remote)}(/[^?]*)?"
    return {rf"{below}(?:\?.*)?": made}
