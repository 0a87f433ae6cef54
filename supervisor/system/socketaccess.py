"""Who may connect to a unix socket: the mode and the owner of its file.

Owns making the file with them, and changing them at a reload. Knows nothing of what stood in its place before, nor of
who listens. Runs in the master; `binding` makes the sockets.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..config import Config, SettingsError
from .identity import Identity, group_number

__all__ = ["SocketAccess"]

_DEFAULT_MODE = 0o666  # less the umask; connecting needs the permission to write, and nothing else


@dataclass(frozen=True, slots=True)
class SocketAccess:
    """Owner, group and mode of the file; None stands for those of the master, and for mode 0666 less the umask."""

    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    umask: int | None = None
    """For a file without a `mode`; None stands for the master's."""

    @classmethod
    def of(cls, config: Config, identity: Identity) -> SocketAccess:
        """Return what `config` says of the sockets it binds. Raises SettingsError if their group does not exist, or may
        not be given to a file by this process."""
        if config.socket_group is None:
            return cls(identity.uid, identity.gid, config.socket_mode, identity.umask)
        gid = group_number("socket_group", config.socket_group)
        if os.geteuid() != 0 and gid not in (os.getegid(), *os.getgroups()):
            raise SettingsError(f"socket_group is {config.socket_group!r}: one of this process's groups is wanted")
        return cls(identity.uid, gid, config.socket_mode, identity.umask)

    @classmethod
    def of_sidecars(cls, identity: Identity) -> SocketAccess:
        """Return it for the sockets of sidecars: what opens the server to a proxy must not open them too."""
        return cls(identity.uid, identity.gid, None, identity.umask)

    def bind(self, sock: socket.socket, path: str) -> None:
        """Bind `sock` to `path`, where a file is made. Whoever may write to its folder can put another file in its
        place at any moment: so its mode is right from the beginning, and the owner of no other file is changed."""
        before = os.umask(0o077)
        try:
            mode = self._mode(before)
            with contextlib.suppress(OSError):  # macOS, where the umask alone decides
                os.fchmod(sock.fileno(), mode)
            os.umask(0o777 & ~mode)
            sock.bind(path)
        finally:
            os.umask(before)
        if self._owner() != (-1, -1):
            with _pinned(path) as (file, _):
                os.chown(file, *self._owner())

    def change(self, path: str, device: int, inode: int) -> None:
        """Give the file at `path` this mode and owner, if it is still the one with that device and inode. Raises
        OSError."""
        umask = os.umask(0o077)
        os.umask(umask)
        with contextlib.suppress(FileNotFoundError), _pinned(path) as (file, found):
            if (found.st_dev, found.st_ino) == (device, inode):
                uid, gid = self._owner()
                if os.geteuid() == 0:  # back to the master's own, if nothing else is said
                    uid, gid = (os.geteuid() if uid == -1 else uid), (os.getegid() if gid == -1 else gid)
                os.chown(file, uid, gid)
                os.chmod(file, self._mode(umask))

    def keep(self) -> dict[str, Any]:
        """Return it for the upgrade state, as JSON takes it."""
        return asdict(self)

    @classmethod
    def restore(cls, state: Mapping[str, Any] | None) -> SocketAccess:
        """Return what `keep` described; a program that knew nothing of it gave none."""
        return cls(**(state or {}))

    def _mode(self, umask: int) -> int:
        if self.mode is not None:
            return self.mode
        return _DEFAULT_MODE & ~(umask if self.umask is None else self.umask)

    def _owner(self) -> tuple[int, int]:
        """Return user and group as chown(2) takes them: -1 changes nothing."""
        uid = -1 if self.uid is None or os.geteuid() != 0 else self.uid
        return uid, -1 if self.gid is None else self.gid


@contextlib.contextmanager
def _pinned(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield a path that means the socket's file that is at `path` now, even if another is put there, and its status.
    Raises OSError if it is not a socket."""
    file = -1
    if hasattr(os, "O_PATH") and os.path.isdir("/proc/self/fd"):
        file = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.lstat(path) if file == -1 else os.fstat(file)
        if not stat.S_ISSOCK(found.st_mode):
            raise OSError(errno.EEXIST, "somebody has put another file in its place")
        yield (path if file == -1 else f"/proc/self/fd/{file}"), found
    finally:
        if file != -1:
            os.close(file)
