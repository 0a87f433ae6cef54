"""The tools `staticfile` and `staticdir`: files in front of the pages.

    config = {
        "/": {"tools.staticdir.root": "/srv/site"},
        "/static": {"tools.staticdir.on": True, "tools.staticdir.dir": "public", "tools.staticdir.index": "index.html"},
        "/favicon.ico": {"tools.staticfile.on": True, "tools.staticfile.filename": "/srv/site/icon.ico"},
    }

If there is no such file, the page handler is called. As in CherryPy, files whose names begin with a dot are served, and
media types come from the system's mimetypes. Unlike in CherryPy, symbolic links that lead out of the directory are not
followed, files that are not regular (FIFOs, devices) are not served, and the path is decoded only once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote

from ....file.opening import Tree
from ...messages.errors import HTTPError, NotFound
from ...process.serving import request
from .sending import media_type_of, send, serve_file

__all__ = ["staticdir", "staticfile"]

_TREES: dict[str, Tree] = {}


def staticfile(
    filename: str,
    root: str | None = None,
    match: str = "",
    content_types: Mapping[str, str] | None = None,
    debug: bool = False,
) -> bool:
    """Answer GET and HEAD with the file and return True, or return False if it does not exist.

    filename: absolute, or below `root`; match: a regular expression that must be found in the path; content_types: maps
    extensions without the dot to Content-Type, and overrides the system's. Raises ValueError for a relative filename
    without a root.
    """
    if request.method not in ("GET", "HEAD") or (match and not re.search(match, request.path_info)):
        return False
    if not os.path.isabs(filename):
        if not root:
            raise ValueError(f"Static tool requires an absolute filename (got {filename!r}).")
        filename = os.path.join(root, filename)
    try:
        serve_file(filename, _media_type(filename, content_types))
    except NotFound:
        return False
    return True


# parameters: CherryPy's
def staticdir(
    section: str,
    dir: str,
    root: str = "",
    match: str = "",
    content_types: Mapping[str, str] | None = None,
    index: str = "",
    debug: bool = False,
) -> bool:
    """Answer GET and HEAD with the file below `dir` that the rest of the path names; return whether there is one.

    section: the path of the configuration's section, set by the dispatcher; dir: absolute, or below `root`; index: the
    file that is served for a directory; match, content_types: see `staticfile`. Raises HTTPError 403 for a path that
    leads out of `dir`, ValueError for a relative `dir` without a root.
    """
    if request.method not in ("GET", "HEAD") or (match and not re.search(match, request.path_info)):
        return False
    dir = os.path.expanduser(dir)
    if not os.path.isabs(dir):
        if not root:
            raise ValueError("Static dir requires an absolute dir (or root).")
        dir = os.path.join(root, dir)
    section = "/" if section == "global" else section
    branch = request.path_info[len(section.rstrip("/")) + 1 :].lstrip("/")
    # The path has been decoded: decoding it again could name a file that the configuration protects by its own path.
    filename = os.path.join(dir, branch)
    top = os.path.normpath(dir)
    for meant in (filename, os.path.join(dir, unquote(branch))):
        if not (os.path.normpath(meant) + "/").startswith(top.rstrip("/") + "/"):
            raise HTTPError(403)
    tree = _TREES.get(top)
    if tree is None:
        tree = _TREES[top] = Tree(top)
    if _attempt(tree, filename, content_types):
        return True
    if index and _attempt(tree, os.path.join(filename, index), content_types):
        request.is_index = filename.endswith("/")
        return True
    return False


def _attempt(tree: Tree, filename: str, content_types: Mapping[str, str] | None) -> bool:
    if filename.endswith("/"):
        return False
    try:
        fd, _ = tree.open(os.fsencode(filename))
    except (OSError, ValueError):  # ValueError: a NUL, or characters that the file system's encoding does not have
        return False
    try:
        send(fd, _media_type(filename, content_types))
    except NotFound:
        return False
    return True


def _media_type(filename: str, content_types: Mapping[str, str] | None) -> str | None:
    ending = os.path.splitext(filename)[1][1:]
    return (content_types or {}).get(ending) or media_type_of(filename)
