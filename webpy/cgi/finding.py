"""Owns the search for the script that a path names: the first regular file along it; the rest is its PATH_INFO.

The search goes from one open directory to the next, so that no name can lead outside: `..`, encoded slashes, symbolic
links and hidden files are refused. Knows nothing of processes.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ..framework.errors import HTTPError

__all__ = ["Found", "find"]

_TO_LOOK = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_RUNS = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class Found:
    """A script. path: of its file; name: the part of the URL's path that names it; info: the rest of the URL's path.

    Both parts are percent-decoded.
    """

    path: bytes
    name: bytes
    info: bytes


def find(directory: bytes, rest: str) -> Found:
    """Return the script that `rest` names: the URL's path behind that of the directory, from the "/" on.

    Raises HTTPError: 404 if there is no such file, or for a name that is refused; 403 for a directory, a device, or a
    file that is not executable.
    """
    names = [unquote_to_bytes(part) for part in rest.split("/")[1:]]
    if any(name == b".." or b"/" in name or b"\0" in name for name in names):
        raise HTTPError(404)
    try:
        folder = os.open(directory, _TO_LOOK)
    except OSError as error:
        raise HTTPError(403 if isinstance(error, PermissionError) else 404) from None
    try:
        for at, name in enumerate(names):
            if not name and at == len(names) - 1:
                break
            if not name or name.startswith(b"."):
                raise HTTPError(404)
            entry = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(entry.st_mode) and entry.st_mode & _RUNS:
                script, info = names[: at + 1], names[at + 1 :]
                path = os.path.join(directory, *script)
                return Found(path, b"".join(b"/" + part for part in script), b"".join(b"/" + part for part in info))
            if stat.S_ISLNK(entry.st_mode):
                raise HTTPError(404)
            if not stat.S_ISDIR(entry.st_mode):
                raise HTTPError(403)
            inner = os.open(name, _TO_LOOK | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
    except OSError as error:
        raise HTTPError(403 if isinstance(error, PermissionError) else 404) from None
    finally:
        os.close(folder)
    raise HTTPError(403)
