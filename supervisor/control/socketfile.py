"""The control socket as a file: where it is, how it is made and removed, and how one is found.

Owns the paths and their permissions: the directory belongs to our user or root and no other user may write to it, the
file has mode 600 from the moment it appears, and only what was made here is removed. Knows nothing of what is sent on
it. The master makes one (`create_socket`); `client` and the command line look for one (`find_sockets`, `connect`).

The runtime directory is the first of these that can be used: $RUNTIME_DIRECTORY (set by systemd for a unit with
RuntimeDirectory=); /run/NAME for root; $XDG_RUNTIME_DIR/NAME; /run/user/UID/NAME; /tmp/NAME-UID. In it, a socket is
named PID.sock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..system.pidfile import lives

__all__ = ["AUTO", "SocketFile", "connect", "create_socket", "find_sockets"]

AUTO = "auto"

_PATH_BYTES = 107 if hasattr(socket, "SO_PEERCRED") else 103  # sun_path without its NUL: unix(7); 103 on macOS
_BACKLOG = 128
_RETRY_S = 0.02
_BIND_TO_LISTEN_S = 0.1  # a master that has bound its socket listens within this time
_SUFFIX = ".sock"


@dataclass(slots=True)
class SocketFile:
    """A listening socket and the file it was bound to."""

    path: str
    socket: socket.socket
    device: int
    inode: int

    def is_there(self) -> bool:
        """Return True if the file is still the one that was made; it may have been removed or replaced."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self.device, self.inode)

    def close(self) -> None:
        """Close the socket, and remove the file if it is the one that was made (in the master)."""
        self.socket.close()
        if self.is_there():
            with contextlib.suppress(OSError):
                os.unlink(self.path)


def create_socket(where: str, name: str) -> SocketFile:
    """Make the control socket at the path `where`, or in the runtime directory if that is AUTO (in the master).

    `name` is the program's name. Sockets left behind by processes that have ended are removed. Raises OSError, with a
    text for the log, when it cannot be made.
    """
    if where == AUTO:
        directory = _own_directory(name)
        _remove_stale_sockets(directory)
        path = os.path.join(directory, f"{os.getpid()}{_SUFFIX}")
    else:
        path = os.path.abspath(where)
    _remove_stale_file(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        umask = os.umask(0o177)  # mode 600 from the first moment: a client could connect before a chmod
        try:
            with _short_address(path) as address:
                sock.bind(address)
        finally:
            os.umask(umask)
        found = os.lstat(path)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return SocketFile(path, sock, found.st_dev, found.st_ino)


def connect(path: str, timeout_s: float) -> socket.socket:
    """Return a socket connected to the control socket at `path`. Raises OSError when that cannot be done."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        began = time.monotonic()
        with _short_address(path) as address:
            while True:
                try:
                    sock.connect(address)
                    break
                except BlockingIOError:  # the queue is full; only a blocking socket would wait for a place
                    if time.monotonic() - began > timeout_s:
                        raise
                except ConnectionRefusedError:  # no master, or one that has not called listen yet
                    if time.monotonic() - began > min(timeout_s, _BIND_TO_LISTEN_S):
                        raise
                time.sleep(_RETRY_S)
    except BaseException:
        sock.close()
        raise
    return sock


def find_sockets(name: str = "webpy") -> list[str]:
    """Return the paths of the control sockets in the runtime directories of all masters that this user may command."""
    directories = _directories(name)
    if not os.environ.get("RUNTIME_DIRECTORY"):
        directories = list(dict.fromkeys([f"/run/{name}", *directories]))  # of a systemd unit's master
    paths = [path for directory in directories for path in _sockets(directory) if _is_trusted(path)]
    return [path for path in paths if _probe(path) in (0, errno.EAGAIN)]


def _directories(name: str) -> list[str]:
    """Return the directories where a control socket of this user may be, the preferred first."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]  # systemd.exec(5)
    if given:
        return [given]
    uid = os.geteuid()
    if uid == 0:  # a session's directory that sudo or su left in the environment is another user's
        return [f"/run/{name}" if os.path.isdir("/run") else f"/var/run/{name}"]
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    candidates = [f"{session}/{name}"] if session else []
    return list(dict.fromkeys([*candidates, f"/run/user/{uid}/{name}", f"/tmp/{name}-{uid}"]))


def _own_directory(name: str) -> str:
    """Return the first runtime directory that can be used; it is made if it is not there."""
    failure: OSError = FileNotFoundError(errno.ENOENT, "no runtime directory")
    for directory in _directories(name):
        if not os.path.isdir(os.path.dirname(directory)):
            continue
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o700)
            if why := _why_untrusted(directory):
                raise PermissionError(errno.EPERM, why, directory)
            if not os.access(directory, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), directory)
            return directory
        except OSError as error:
            failure = error
    raise failure


def _why_untrusted(directory: str) -> str:
    """Return why `directory` must not be used, "" if it may."""
    try:
        found = os.lstat(directory)
    except OSError as error:
        return os.strerror(error.errno or 0)
    if not stat.S_ISDIR(found.st_mode):
        return "it is not a directory"
    if found.st_uid not in (0, os.geteuid()):
        return f"it belongs to uid {found.st_uid}, {os.geteuid()} or 0 is wanted"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write to it (mode {stat.S_IMODE(found.st_mode):o})"
    return ""


def _sockets(directory: str) -> list[str]:
    try:
        return sorted(str(path) for path in Path(directory).iterdir() if path.suffix == _SUFFIX and path.is_socket())
    except OSError:
        return []


def _is_trusted(path: str) -> bool:
    """Return True if the socket's owner can be trusted: any user could make a socket in /tmp and pose as a master."""
    try:
        owner = os.lstat(path).st_uid
    except OSError:
        return False
    return owner in (0, os.geteuid()) or (os.geteuid() == 0 and not path.startswith("/tmp/"))


def _remove_stale_sockets(directory: str) -> None:
    """Remove the sockets of masters that have ended.

    A socket that refuses connections may belong to a master that does not listen yet, so its process must be gone too.
    """
    for path in _sockets(directory):
        pid = Path(path).stem
        if pid.isdecimal() and not lives(int(pid)) and _probe(path) == errno.ECONNREFUSED:
            with contextlib.suppress(OSError):
                os.unlink(path)


def _remove_stale_file(path: str) -> None:
    """Remove the socket of a process that has ended. Raises OSError when something else is at `path`."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "a file that is not a socket is there", path)
    if _probe(path) != errno.ECONNREFUSED:
        raise OSError(errno.EADDRINUSE, "a running process listens there", path)
    os.unlink(path)


def _probe(path: str) -> int:
    """Return 0 if a process listens at `path`, else the number of the error."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        try:
            with _short_address(path) as address:
                return sock.connect_ex(address)
        except OSError as error:
            return error.errno or errno.EIO


@contextlib.contextmanager
def _short_address(path: str) -> Iterator[str]:
    """Yield `path`, or if it is too long for an address, a path through its directory's descriptor in /proc."""
    if len(os.fsencode(path)) <= _PATH_BYTES:
        yield path
        return
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        address = f"/proc/self/fd/{directory}/{os.path.basename(path)}"
        if len(os.fsencode(address)) > _PATH_BYTES or not os.path.isdir("/proc/self/fd"):
            text = f"its path has {len(os.fsencode(path))} bytes, at most {_PATH_BYTES} are possible"
            raise OSError(errno.ENAMETOOLONG, text, path)
        yield address
    finally:
        os.close(directory)
