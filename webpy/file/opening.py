"""Opens files for clients: regular files and directories inside a tree, and nothing else.

Symbolic links are followed if they lead to something inside. That is checked on the opened descriptor, whose real path
the kernel knows, so that no link can be changed between the check and the opening. Needs /proc on Linux. Hard links and
what is mounted inside are not checked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys

from ..framework.errors import HTTPError
from ..statedir import is_private

__all__ = ["Tree", "open_again", "open_found", "real_path", "refusal"]

# without waiting for a FIFO's writer, and without a terminal becoming ours
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

_STATUSES = {
    errno.ENOENT: 404,
    errno.ENOTDIR: 404,
    errno.ELOOP: 404,
    errno.ENAMETOOLONG: 404,
    errno.EINVAL: 404,
    errno.ENXIO: 404,  # a socket
    errno.EACCES: 403,
    errno.EPERM: 403,
}


def refusal(error: OSError) -> HTTPError:
    """Return the HTTPError for a file that cannot be opened; raises `error` itself if the server is to blame."""
    status = _STATUSES.get(error.errno or 0)
    if status is None:
        raise error
    return HTTPError(status)


def open_again(path: bytes) -> int:
    """Open what was a regular file a moment ago; return its descriptor, for the caller to check. Raises OSError."""
    return os.open(path, _FLAGS)


def open_found(path: bytes) -> tuple[int, os.stat_result]:
    """Open a regular file or a directory; return descriptor and status. Raises OSError, ENOENT for anything else.

    The type is checked before, as opening a device or a FIFO may have effects, and after, as it may have changed.
    """
    _refuse_special(os.stat(path))
    fd = os.open(path, _FLAGS)
    try:
        status = os.fstat(fd)
        _refuse_special(status)
    except BaseException:
        os.close(fd)
        raise
    return fd, status


def _refuse_special(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOENT, "neither a regular file nor a directory")


class Tree:
    """A directory in which files may be opened, but none outside. For any thread."""

    __slots__ = ("_prefix", "root")

    def __init__(self, root: str | bytes | os.PathLike[str]) -> None:
        """root: relative to the directory that is the current one now. It need not exist yet, and may be a link."""
        self.root = os.path.abspath(os.fsencode(root))
        self._prefix = b""

    def path(self, name: bytes) -> bytes:
        """Return the path of a name relative to the root."""
        return self.root + b"/" + name

    def open(self, path: bytes) -> tuple[int, os.stat_result]:
        """Do what `open_found` does; raises OSError with ENOENT for files outside, too."""
        fd, status = open_found(path)
        inside = False
        try:
            inside = self.holds(fd)
        finally:
            if not inside:
                os.close(fd)
        if not inside:
            raise OSError(errno.ENOENT, "outside of the tree")
        return fd, status

    def holds(self, fd: int) -> bool:
        """Return True if what is open as `fd` is inside the root, or the root itself, and not a file of this server.

        Raises OSError if its path is not known.
        """
        real = real_path(fd)
        if is_private(real):
            return False
        if self._prefix and real.startswith(self._prefix):
            return True
        # the root may be a link that leads to another place now: deployments switch such links
        self._prefix = os.path.realpath(self.root).rstrip(b"/") + b"/"
        return (real.rstrip(b"/") + b"/").startswith(self._prefix)


if sys.platform == "linux":

    def real_path(fd: int) -> bytes:
        """Return the path of the open file as it is now, without links. Raises OSError."""
        return os.readlink(b"/proc/self/fd/%d" % fd)

else:

    def real_path(fd: int) -> bytes:
        """Return the path of the open file as it is now, without links. Raises OSError."""
        return fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")
