"""Owns names with a hash of the content in them, `app.3f2a9c04d1b7.css` for `app.css`: which file has which.

`StaticURLs` makes such names for templates; the handlers find the plain file for one that a client asks for. A hash is
kept for as long as the file's identity (inode, size, times) is the same. Knows nothing of answers.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import time
from urllib.parse import quote

from ..framework.routing.routes import mount_point
from .opening import Tree
from .representation import Identity, identity_of

__all__ = ["IMMUTABLE", "Hashes", "StaticURLs", "hashed_name", "plain_name", "remote_path"]

#: the Cache-Control of what never changes: for a year (the most that RFC 9111's predecessor allowed), and RFC 8246
IMMUTABLE = "max-age=31536000, immutable"

_HASHED = re.compile(rb"(.*[^/])\.([0-9a-f]{12})(\.[^./]+)?", re.DOTALL)
_DIGITS = 12
_MAX_BYTES = 64 << 20  # of a file that is hashed: clients can ask for the hashed name of any file
_MAX_KEPT = 4096
_PIECE_BYTES = 1 << 20
_SETTLED_S = 0.1  # a file may change again within the tick of its time stamp (1 to 10 ms), and look the same


def hashed_name(name: bytes, digest: str) -> bytes:
    """Return the name with the hash before its ending, or at its end if it has none."""
    stem, ending = os.path.splitext(name)
    return stem + b"." + digest.encode() + ending


def plain_name(name: bytes) -> tuple[bytes, str] | None:
    """Return the name without its hash, and the hash; None for a name that has none."""
    found = _HASHED.fullmatch(name)
    return None if found is None else (found[1] + (found[3] or b""), found[2].decode())


class Hashes:
    """The hashes of files, by their paths. For any thread."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[Identity, str]] = {}

    def kept(self, path: bytes) -> str | None:
        """Return the hash of the file at `path` if it is known and the file has not changed. Raises OSError."""
        kept = self._kept.get(path)
        return kept[1] if kept is not None and kept[0] == identity_of(os.stat(path)) else None

    def of(self, path: bytes, fd: int, status: os.stat_result) -> str | None:
        """Return the hash of the regular file at `path`, which is open as `fd`; its position stays.

        Returns None if it is larger than 64 MB, or changes while it is read.
        """
        identity = identity_of(status)
        kept = self._kept.get(path)
        if kept is not None and kept[0] == identity:
            return kept[1]
        if status.st_size > _MAX_BYTES:
            return None
        digest, offset = hashlib.sha256(), 0
        while piece := os.pread(fd, _PIECE_BYTES, offset):
            digest.update(piece)
            offset += len(piece)
        if offset != status.st_size or identity_of(os.fstat(fd)) != identity:
            return None
        found = digest.hexdigest()[:_DIGITS]
        if abs(time.time() - status.st_ctime) > _SETTLED_S:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[path] = identity, found
        return found


class StaticURLs:
    """URLs of static files for templates, with a hash of the content in the name, so that clients keep them for ever:

        static_url = webpy.file.StaticURLs("static", "/static")
        routes = {**webpy.file.new("static", "/static", immutable=True)}

    `static_url("app.css")` returns "/static/app.3f2a9c04d1b7.css", and another URL once the file has changed. Templates
    of `str.format` write `{static_url[app.css]}`. Each use costs one look at the file (stat).
    """

    def __init__(self, local: str | os.PathLike[str], remote: str = "") -> None:
        """local, remote: as given to `new`. Raises ValueError if `remote` is not a path."""
        self._tree = Tree(local)
        self._remote = remote_path(remote)
        self._hashes = Hashes()

    def __call__(self, name: str) -> str:
        """Return the URL of the file `name`, relative to the directory; "icons.svg#home" keeps its fragment.

        Raises FileNotFoundError, which says the name, if there is no such file, or a link leads out of the directory.
        """
        path, mark, rest = re.fullmatch(r"([^?#]*)([?#]?)(.*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
        plain = os.fsencode(path.lstrip("/"))
        try:
            digest = self._digest(self._tree.path(plain))
        except (OSError, ValueError) as error:  # a ValueError is about a NUL
            raise FileNotFoundError(f"{path!r}: no such file in {os.fsdecode(self._tree.root)!r}") from error
        return f"{self._remote}/{quote(plain if digest is None else hashed_name(plain, digest))}{mark}{rest}"

    __getitem__ = __call__

    def _digest(self, path: bytes) -> str | None:
        kept = self._hashes.kept(path)
        if kept is not None:
            return kept
        fd, status = self._tree.open(path)
        try:
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.ENOENT, "is no file")
            return self._hashes.of(path, fd, status)
        finally:
            os.close(fd)


def remote_path(remote: str) -> str:
    """Return the path below which files are served, without a slash at its end. Raises ValueError if it is none."""
    remote = remote.rstrip("/")
    if remote and (remote[0] != "/" or re.search(r"[^\x21-\x7e]|[?#]|//", remote)):
        raise ValueError(f"remote: got {remote!r}, wanted a path such as '/docs', percent-encoded")
    return mount_point(remote)
