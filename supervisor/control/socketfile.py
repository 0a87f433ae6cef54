"""The control socket as a file: where it lies, how it is made and removed, and how one is found.

Owns the paths and their rights: the directory is ours or root's and nobody else may write to it, the file is made
with mode 600 from its first moment, and only what was made here is removed. Knows nothing of what is said on it. The
master makes one (`make`), `client` and the command line look for one (`find_sockets`, `connect`).

The runtime directory, the first that fits: $RUNTIME_DIRECTORY (what a systemd unit with RuntimeDirectory= gives);
/run/NAME for root; $XDG_RUNTIME_DIR/NAME; /tmp/NAME-UID. In it a socket is called PID.sock.
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

__all__ = ["AUTO", "SocketFile", "connect", "find_sockets", "make"]

AUTO = "auto"

_PATH_BYTES = 107 if hasattr(socket, "SO_PEERCRED") else 103  # sun_path less its NUL: unix(7), and macOS's
_BACKLOG = 128
_AGAIN_S = 0.02
_NEWBORN_S = 0.1  # between bind and listen
_SUFFIX = ".sock"


@dataclass(slots=True)
class SocketFile:
    """A listening socket and the file it was bound to."""

    path: str
    socket: socket.socket
    device: int
    inode: int

    def is_there(self) -> bool:
        """Whether the file still is the one that was made: somebody may have tidied up."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self.device, self.inode)

    def close(self) -> None:
        """Close it and remove the file, if it is the one that was made (in the master)."""
        self.socket.close()
        if self.is_there():
            with contextlib.suppress(OSError):
                os.unlink(self.path)


def make(where: str, name: str) -> SocketFile:
    """Make the control socket at the path `where`, or in the runtime directory if that is AUTO (in the master).

    `name` is the program's. What processes that are gone left behind is removed. OSError, its text for the log, when
    it cannot be made.
    """
    if where == AUTO:
        directory = _own_directory(name)
        _sweep(directory)
        path = os.path.join(directory, f"{os.getpid()}{_SUFFIX}")
    else:
        path = os.path.abspath(where)
    _make_way(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        umask = os.umask(0o177)  # the file has its mode as it appears: nobody can come before a chmod
        try:
            with _short(path) as address:
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
    """Connect to the control socket at `path`; OSError when that cannot be done."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        began = time.monotonic()
        with _short(path) as address:
            while True:
                try:
                    sock.connect(address)
                    break
                except BlockingIOError:  # the queue is full, and only a blocking socket would wait for a place
                    if time.monotonic() - began > timeout_s:
                        raise
                except ConnectionRefusedError:  # nobody, or a master that was just about to listen
                    if time.monotonic() - began > min(timeout_s, _NEWBORN_S):
                        raise
                time.sleep(_AGAIN_S)
    except BaseException:
        sock.close()
        raise
    return sock


def find_sockets(name: str = "webpy") -> list[str]:
    """Give the paths of the control sockets in the runtime directories behind which a master lives that obeys us."""
    directories = _directories(name)
    if not os.environ.get("RUNTIME_DIRECTORY"):
        directories = list(dict.fromkeys([f"/run/{name}", *directories]))  # where a unit's master may have made it
    paths = [path for directory in directories for path in _sockets(directory) if _is_ours(path)]
    return [path for path in paths if _probe(path) in (0, errno.EAGAIN)]


def _directories(name: str) -> list[str]:
    """Give where a socket of this user's may lie, the best first."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]  # systemd.exec(5)
    if given:
        return [given]
    uid = os.geteuid()
    if uid == 0:  # a session's directory that sudo or su left in the environment is somebody else's
        return [f"/run/{name}" if os.path.isdir("/run") else f"/var/run/{name}"]
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    candidates = [f"{session}/{name}"] if session else []
    return list(dict.fromkeys([*candidates, f"/run/user/{uid}/{name}", f"/tmp/{name}-{uid}"]))


def _own_directory(name: str) -> str:
    """Give the first runtime directory that can be used, made if it is not there."""
    failure: OSError = FileNotFoundError(errno.ENOENT, "no runtime directory")
    for directory in _directories(name):
        if not os.path.isdir(os.path.dirname(directory)):
            continue
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o700)
            if why := _distrust(directory):
                raise PermissionError(errno.EPERM, why, directory)
            if not os.access(directory, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), directory)
            return directory
        except OSError as error:
            failure = error
    raise failure


def _distrust(directory: str) -> str:
    """Say why `directory` is not to be used; "" if it is."""
    try:
        found = os.lstat(directory)
    except OSError as error:
        return os.strerror(error.errno or 0)
    if not stat.S_ISDIR(found.st_mode):
        return "it is no directory"
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


def _is_ours(path: str) -> bool:
    """Whether who made it may be believed: anybody can make a directory in /tmp, and answer in a master's place."""
    try:
        owner = os.lstat(path).st_uid
    except OSError:
        return False
    return owner in (0, os.geteuid()) or (os.geteuid() == 0 and not path.startswith("/tmp/"))


def _sweep(directory: str) -> None:
    """Remove the sockets of masters that are gone.

    One that was bound and does not listen yet refuses too, so its process must be gone as well.
    """
    for path in _sockets(directory):
        pid = Path(path).stem
        if pid.isdecimal() and not lives(int(pid)) and _probe(path) == errno.ECONNREFUSED:
            with contextlib.suppress(OSError):
                os.unlink(path)


def _make_way(path: str) -> None:
    """Remove the socket of a process that is gone; OSError when something else is there."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "a file that is no socket is there", path)
    if _probe(path) != errno.ECONNREFUSED:
        raise OSError(errno.EADDRINUSE, "a running process listens there", path)
    os.unlink(path)


def _probe(path: str) -> int:
    """Give 0 if somebody listens at `path`, else the error's number."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        try:
            with _short(path) as address:
                return sock.connect_ex(address)
        except OSError as error:
            return error.errno or errno.EIO


@contextlib.contextmanager
def _short(path: str) -> Iterator[str]:
    """Give `path` as an address holds it: a longer one by way of its directory's descriptor, where there is /proc."""
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
