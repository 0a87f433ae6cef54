"""A folder of files that only one user can read, each replaced as a whole. Knows nothing of what is in them.

Owns how they are opened: by name in the open folder, and never over a symbolic link, so nothing outside it can be read
or written, whoever may write in it. A file counts only if it belongs to the folder's owner. So a master that runs as
root reads nothing that the workers' user could not read too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator

__all__ = ["Folder", "read_owned"]

_MAX_BYTES = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = "lock"
_NEW = ".new"  # at the end of the name of a file that is being written
_ROOM_BYTES = 1 << 16  # of a key and a chain, several times


def read_owned(name: str, owner: int, folder: int | None = None) -> bytes | None:
    """Return what a file of user `owner` holds, None if there is none; `folder` is an open one that `name` is in.
    Raises OSError; also for a symbolic link, and for what is no file or belongs to another user."""
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a file", name)
        if found.st_uid != owner:
            raise PermissionError(errno.EPERM, "it belongs to another user", name)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_MAX_BYTES)
    finally:
        os.close(descriptor)


class Folder:
    """The folder `names` below `base`, open; a missing one is made with mode 700 if `make`. Raises OSError."""

    def __init__(self, base: str, *names: str, make: bool = True) -> None:
        self.path = os.path.join(base, *names)
        self._base, self._names, self._make = base, names, make
        self._descriptor, self._owner = self._open()

    def _open(self) -> tuple[int, int]:
        """Return a descriptor of the folder, and its owner."""
        descriptor = os.open(self._base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in self._names:
                if self._make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=descriptor)
                inner = os.open(name, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            found = os.fstat(descriptor)
            if self._make and found.st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "it belongs to another user", self.path)
            if self._make and stat.S_IMODE(found.st_mode) & 0o077:
                os.fchmod(descriptor, 0o700)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, found.st_uid

    def reopen(self) -> None:
        """Open what has the path now, as the folder may have been removed. Raises OSError."""
        before = self._descriptor
        self._descriptor, self._owner = self._open()
        os.close(before)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def names(self) -> list[str]:
        """Return the names of the files in it."""
        return sorted(os.listdir(self._descriptor))

    def read(self, name: str) -> bytes | None:
        """Return what a file holds, None if there is none. Raises OSError."""
        return read_owned(name, self._owner, self._descriptor)

    def write(self, name: str, content: bytes) -> None:
        """Make or replace a file, as a whole and on the disk when this returns. The caller has the lock. Raises
        OSError; the file is then as it was."""
        new = name + _NEW
        self.remove(new)  # of a process that was killed
        try:
            with open(os.open(new, _CREATE, 0o600, dir_fd=self._descriptor), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(new, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
            os.fsync(self._descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                self.remove(new)
            raise

    def remove(self, name: str) -> None:
        """Remove a file if it is there. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)

    def check_room(self) -> None:
        """Raise OSError if no file of the size of a certificate can be written now. The caller has the lock."""
        self.write("room", bytes(_ROOM_BYTES))
        self.remove("room")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock, once no other process has it. It ends with the process that holds it. Raises
        OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(_LOCK, flags, 0o600, dir_fd=self._descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
