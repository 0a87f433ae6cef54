"""The file with the master's pid.

Owns writing it as a whole, refusing to replace that of a master that lives, and removing it if it is still the master's
own. A master holds a lock on its file (flock(2)) as long as it lives, so that an old pid that another process has by
now is not taken for a master. Symbolic links are not followed. Used in the master.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Mapping
from typing import Any

from ..config import SettingsError
from ..descriptors import DescriptorHandoff
from ..logs.safepath import SafePath, resolve_path

__all__ = ["PidFile", "lives"]

_TRIES = 8
_AGAIN_S = 0.02
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_MAKE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class PidFile:
    """A pidfile at `path`: `write`, later `remove`."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        self._fd = -1

    @property
    def path(self) -> str:
        return self._path

    def write(self) -> None:
        """Write this process's pid, and hold the file's lock. Raises SettingsError if another master holds it, or it
        cannot be written."""
        try:
            with resolve_path(self._path, follow=False) as place:
                for left in reversed(range(_TRIES)):  # other masters may be starting too
                    if self._replaced(place, patient=left > 0):
                        return
                    time.sleep(_AGAIN_S)
        except OSError as error:
            wanted = "a symbolic link is there, a file is wanted" if error.errno == errno.ELOOP else error.strerror
            raise SettingsError(f"pidfile is {self._path!r}: cannot be written, {wanted}") from error
        raise SettingsError(f"pidfile is {self._path!r}: others are writing it")

    def _replaced(self, place: SafePath, *, patient: bool) -> bool:
        """Put a file of our own in place of what is there, if no living master holds that. Return False if it has
        changed meanwhile; if `patient` also if it is locked: another master may be doing the same. A process that only
        reads the file may lock it too, and must not be able to keep the master from starting."""
        there = self._open_if_there(place)
        try:
            if there >= 0:
                pid, locked = _read(there), not _lock(there)
                if not _is(place, there):
                    return False
                if locked and pid is not None and pid != os.getpid() and lives(pid):
                    raise SettingsError(f"pidfile is {self._path!r}: process {pid} lives and holds it")
                if locked and patient:
                    return False
            temporary = f"{place.name}.{secrets.token_hex(8)}"
            new = os.open(temporary, _MAKE, 0o644, dir_fd=place.open_folder_to_write())
            try:
                os.write(new, f"{os.getpid()}\n".encode())
                _lock(new)
                if not self._put(place, temporary, there >= 0):
                    os.close(new)
                    return False
            except BaseException:
                os.close(new)
                raise
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=place.folder)
            self._fd = new
            return True
        finally:
            if there >= 0:
                os.close(there)

    def _open_if_there(self, place: SafePath) -> int:
        try:
            fd = os.open(place.name, _READ, dir_fd=place.folder)
        except FileNotFoundError:
            return -1
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise SettingsError(f"pidfile is {self._path!r}: what is there is no regular file")
        return fd

    def _put(self, place: SafePath, temporary: str, replaces: bool) -> bool:
        """Give the new file its name; return False if there is a file of that name by now."""
        if not replaces:
            try:
                os.link(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder, follow_symlinks=False)
                return True
            except FileExistsError:
                return False
            except OSError as error:  # a file system without hard links
                if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                    raise
        os.rename(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        return True

    def remove(self) -> None:
        """Remove the file if it is still the one that was written, and release the lock."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError), resolve_path(self._path, follow=False) as place:
            if _is(place, self._fd):
                os.unlink(place.name, dir_fd=place.folder)
        self.abandon()

    def abandon(self) -> None:
        """Close the descriptor (in a forked child, which must not hold the lock)."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it; the lock goes along with the descriptor."""
        return {"path": self._path, "fd": handoff.keep(self._fd)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> PidFile:
        """Return the pidfile that `keep` described (in the program that took over)."""
        pidfile = cls(state["path"])
        pidfile._fd = state["fd"]
        return pidfile


def _read(fd: int) -> int | None:
    text = os.read(fd, 32).strip()
    return int(text) if text.isdigit() and int(text) > 0 else None


def _lock(fd: int) -> bool:
    """Lock the file; return False if another process holds the lock, or files cannot be locked there."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is(place: SafePath, fd: int) -> bool:
    """Return whether the open file `fd` is the one of this name."""
    try:
        there, ours = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False), os.fstat(fd)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def lives(pid: int) -> bool:
    """Return whether there is a process of this number, of whatever user."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
