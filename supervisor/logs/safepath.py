"""Opens files by path safely where another user may have planted a symbolic link on the way.

Owns the rule: a symbolic link is followed if it belongs to root or to our own user, or if what it leads to belongs to
the link's owner, who could write there anyway. So a link made by the workers' user cannot make a master that runs as
root write to a file of root's, while links such as /dev/stdout, /var/run and a deployment's "current" work as usual.
Knows nothing of what the files are for. Used in the master, by `destination` and `system`.
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["SafePath", "open_log", "resolve_path"]

_MAX_LINKS = 40  # as Linux: path_resolution(7)
_MAX_TRIES = 8
_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_MODE = 0o644
_O_PATH: int = getattr(os, "O_PATH", 0)
_DIRECTORY = _O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class SafePath:
    """A resolved path: a name in an open folder that was reached by the rule. Has to be closed (`with`)."""

    __slots__ = ("_owners", "folder", "is_proc_link", "name", "path")

    def __init__(self, path: str, folder: int, name: str, owners: set[int], is_proc_link: bool) -> None:
        self.path = path
        self.folder = folder
        """Descriptor of the folder."""
        self.name = name
        self.is_proc_link = is_proc_link
        """Whether the name is a link in /proc, which only the kernel can follow."""
        self._owners = owners

    def check(self, owner: int) -> None:
        """Raise PermissionError if another user's link led here, but what was found is `owner`'s."""
        for uid in self._owners - {owner}:
            text = f"a symbolic link of uid {uid} leads to what belongs to uid {owner}: it is not followed"
            raise PermissionError(errno.EPERM, text, self.path)

    def open_folder_to_write(self) -> int:
        """Return the folder's descriptor after checking that a new file may be made in it. Raises PermissionError."""
        self.check(os.fstat(self.folder).st_uid)
        return self.folder

    def close(self) -> None:
        os.close(self.folder)

    def __enter__(self) -> SafePath:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_log(path: str) -> int:
    """Open a log file for appending and return its descriptor; it is created if it is not there.

    Pipes and devices such as a terminal are opened too. Never blocks. Raises OSError, with a text for the log, when it
    cannot be opened or is something else.
    """
    for _ in range(_MAX_TRIES):  # another process may replace the file meanwhile
        with resolve_path(path) as place:
            try:
                if place.is_proc_link:
                    fd = os.open(place.name, _LOG_FLAGS, dir_fd=place.folder)
                else:
                    fd = os.open(place.name, _LOG_FLAGS | os.O_NOFOLLOW, dir_fd=place.folder)
            except FileNotFoundError:
                flags = _LOG_FLAGS | os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL
                try:
                    return os.open(place.name, flags, _MODE, dir_fd=place.open_folder_to_write())
                except OSError as error:
                    if error.errno == errno.EEXIST:
                        continue
                    error.filename = path
                    raise
            except OSError as error:
                if error.errno == errno.ELOOP:
                    continue
                if error.errno == errno.ENXIO:
                    text = "a pipe (FIFO) that no process reads, or a socket: start its reader first, or name a file"
                    raise OSError(errno.ENXIO, text, path) from None
                error.filename = path
                raise
            try:
                _check_log(fd, place)
            except BaseException:
                os.close(fd)
                raise
            return fd
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _check_log(fd: int, place: SafePath) -> None:
    found = os.fstat(fd)
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode)):
        raise OSError(errno.EINVAL, "a file, a pipe or a terminal is wanted", place.path)
    place.check(found.st_uid)
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and _others_may_write(place.folder):
        text = "the file has a second name (a hard link), and others may write to its folder: it is not written to"
        raise PermissionError(errno.EPERM, text, place.path)


def _others_may_write(folder: int) -> bool:
    found = os.fstat(folder)
    return found.st_uid not in (0, os.geteuid()) or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def resolve_path(path: str, *, follow: bool = True) -> SafePath:
    """Resolve `path` without following a link that the rule forbids.

    The file itself need not exist. `follow` says whether the last name is followed too if it is a link. Raises OSError
    when the folder does not exist or a link may not be followed.
    """
    if not _O_PATH:  # macOS
        folder, name = os.path.split(os.path.realpath(path) if follow else path)
        return SafePath(path, os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), name, set(), False)
    owners: set[int] = set()
    links = 0
    at = os.open("/" if path.startswith("/") else ".", _DIRECTORY)
    names = _names(path)
    try:
        while True:
            if not names:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            name = names.pop()
            if not names and not follow:
                return SafePath(path, at, name, owners, False)
            found = _find(name, at)
            if found is None or not stat.S_ISLNK(found.st_mode):
                if not names:
                    return SafePath(path, at, name, owners, False)
                at = _enter(at, os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=at))
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if found.st_dev == _proc_device():
                if not names:
                    return SafePath(path, at, name, owners, True)
                at = _enter(at, os.open(name, _DIRECTORY, dir_fd=at))
                continue
            link = os.open(name, _O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            try:  # it may have been replaced since the check
                found = os.fstat(link)
                target = os.readlink("", dir_fd=link)
            finally:
                os.close(link)
            if found.st_uid not in (0, os.geteuid()):
                owners.add(found.st_uid)
            names += _names(target)
            if target.startswith("/"):
                at = _enter(at, os.open("/", _DIRECTORY))
    except BaseException as error:
        os.close(at)
        if isinstance(error, OSError):  # the message should show the whole path
            error.filename = path
        raise


def _names(path: str) -> list[str]:
    """Return the names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _enter(left: int, folder: int) -> int:
    os.close(left)
    return folder


def _find(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _proc_device() -> int:
    try:
        return os.stat("/proc/self/fd").st_dev
    except OSError:
        return -1
