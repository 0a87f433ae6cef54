"""The sockets that connections arrive on: made from addresses, inherited, or handed over.

Owns the syntax of an address, the options of a listening socket, and a unix socket's file from its making to
its removal. Knows nothing of who accepts. Runs in the master, before anything is forked and at reloads.

    HOST:PORT   [V6]:PORT   unix:PATH   unix:@ABSTRACT   fd:NUMBER
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .identity import Identity

if TYPE_CHECKING:
    from ..upgrade.handoff import Handoff

__all__ = [
    "BindError",
    "Listener",
    "doors_of",
    "handed_over",
    "inherited",
    "let_nobody_in",
    "listen_again",
    "open_listeners",
    "shut",
]

_FIRST_INHERITED = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)


class BindError(OSError):
    """An address that cannot be bound; the text names it and the reason."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"cannot bind {address!r}: {reason}")


@dataclass(slots=True)
class Listener:
    """A listening socket and what it was asked for as."""

    bind: str
    socket: socket.socket
    address: str
    """Where it listens: "127.0.0.1:43211", "[::1]:80", "unix:/run/x"."""
    _made: tuple[str, int, int] | None = field(default=None, repr=False)
    theirs: bool = False
    """Whether somebody else made the socket and may go on with it after us."""

    def close(self) -> None:
        """Close this process's descriptor and remove the file of a unix socket that was made here (in the
        master)."""
        self.socket.close()
        if self._made is not None:
            path, device, inode = self._made
            with contextlib.suppress(OSError):
                found = os.lstat(path)
                if (found.st_dev, found.st_ino) == (device, inode):
                    os.unlink(path)
            self._made = None

    def keep(self, handoff: Handoff) -> dict[str, Any]:
        """Give it as JSON takes it, for the program that replaces the master's."""
        entry = {"bind": self.bind, "fd": handoff.keep(self.socket), "address": self.address}
        return {**entry, "made": self._made, "theirs": self.theirs}

    @classmethod
    def adopt(cls, kept: Mapping[str, Any]) -> Listener:
        """Take on what `keep` gave."""
        sock = socket.socket(fileno=kept["fd"])
        sock.setblocking(False)
        made = kept["made"]
        theirs = kept.get("theirs", kept["bind"].startswith("fd:"))
        return cls(kept["bind"], sock, kept["address"], None if made is None else tuple(made), theirs)


_SO_ATTACH_FILTER = 26
_TCP_FLAGS_AT, _SYN = 13, 0x02
# Classic BPF (linux/filter.h): each instruction is code, jump if true, jump if false, operand.
_NO_SYN = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, _TCP_FLAGS_AT),  # load the byte of flags
        (0x54, 0, 0, _SYN),  # and SYN
        (0x15, 0, 1, 0),  # none: the next; else the one behind it
        (0x06, 0, 0, 0xFFFFFFFF),  # let it in
        (0x06, 0, 0, 0),  # drop it
    )
)


def let_nobody_in(listeners: Iterable[Listener]) -> None:
    """Have the kernel drop whoever begins to connect from here on (in the master, as it stops).

    Closing a listener resets what its queue holds, and a queue that can still grow is never surely empty: with its
    door shut, workers can take all of it before the listener is closed. Who is dropped tries again in a second, and
    is refused, or served by whoever listens there then. Connections on their way in still arrive. Nothing is done
    where there is no such filter (a unix socket, macOS), or where the socket outlives this master.
    """
    if not sys.platform.startswith("linux"):
        return
    program = ctypes.create_string_buffer(_NO_SYN)
    argument = struct.pack("@HP", len(_NO_SYN) // 8, ctypes.addressof(program))  # struct sock_fprog
    for listener in listeners:
        if not listener.theirs and listener.socket.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):
                listener.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, argument)


def open_listeners(
    binds: Iterable[str], backlog: int, identity: Identity, existing: Sequence[Listener] = ()
) -> list[Listener]:
    """Give a listener for each of `binds`, in order; those `existing` that were asked for alike stay as they are.

    BindError when one cannot be had: then those made here are closed again.
    """
    open_by_bind = {listener.bind: listener for listener in existing}
    listeners: list[Listener] = []
    try:
        for bind in binds:
            listener = open_by_bind.get(bind) or _open(bind, backlog, identity)
            listeners.append(listener)
    except BaseException:
        for listener in listeners:
            if listener not in existing:
                listener.close()
        raise
    return listeners


def listen_again(listeners: Iterable[Listener], backlog: int) -> None:
    """Have those that listen already do so with another backlog."""
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.socket.listen(backlog)


def inherited(environment: Mapping[str, str], backlog: int) -> list[Listener]:
    """Give the sockets a service manager passed to this process (LISTEN_FDS, LISTEN_PID;
    sd_listen_fds(3))."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return []
    try:
        count = int(environment.get("LISTEN_FDS", "0"))
    except ValueError:
        return []
    return [_adopt(f"fd:{fd}", fd, backlog) for fd in range(_FIRST_INHERITED, _FIRST_INHERITED + count)]


def handed_over(sockets: Iterable[socket.socket], backlog: int, *, theirs: bool = True) -> list[Listener]:
    """Make listeners of sockets that the caller has bound; theirs: the caller may go on with them afterwards."""
    listeners = [_listening(f"fd:{sock.fileno()}", sock, backlog) for sock in sockets]
    for listener in listeners:
        listener.theirs = theirs
    return listeners


def doors_of(listeners: Iterable[Listener]) -> list[socket.socket]:
    """Give another descriptor of each socket that is open and ours, to be `shut` when nobody accepts any more."""
    ours = (listener.socket for listener in listeners if not listener.theirs)
    return [sock.dup() for sock in ours if sock.fileno() >= 0]


def shut(doors: Iterable[socket.socket]) -> None:
    """Have these sockets listen no more, whoever else has a descriptor of them, and close ours.

    A process that the application forked and left behind may hold one for ever: it must not keep the address.
    """
    for door in doors:
        with contextlib.suppress(OSError):
            door.shutdown(socket.SHUT_RDWR)
        door.close()


def _open(bind: str, backlog: int, identity: Identity) -> Listener:
    if bind.startswith("unix:"):
        return _open_unix(bind, backlog, identity)
    if bind.startswith("fd:"):
        number = bind[3:]
        if not number.isdecimal():
            raise BindError(bind, "a descriptor's number is wanted after fd:")
        return _adopt(bind, int(number), backlog)
    return _open_tcp(bind, backlog)


def _open_tcp(bind: str, backlog: int) -> Listener:
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise BindError(bind, "HOST:PORT, [V6]:PORT, unix:PATH or fd:N is wanted, PORT 0 to 65535")
    v6 = host.startswith("[") and host.endswith("]")
    if ":" in host and not v6:
        raise BindError(bind, "brackets are wanted around an IPv6 address")
    try:
        found = socket.getaddrinfo(
            host.strip("[]") if v6 else ("" if host == "*" else host) or "0.0.0.0",
            int(port),
            socket.AF_INET6 if v6 else socket.AF_UNSPEC,
            socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (OSError, UnicodeError) as error:
        raise BindError(bind, getattr(error, "strerror", None) or str(error)) from error
    # a name of both families means the older one, as it does to the standard library
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BindError(bind, error.strerror or str(error)) from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        return _listening(bind, sock, backlog)
    except OSError as error:
        sock.close()
        raise BindError(bind, error.strerror or str(error)) from error


def _open_unix(bind: str, backlog: int, identity: Identity) -> Listener:
    path = bind[len("unix:") :]
    if not path:
        raise BindError(bind, "a path is wanted after unix:")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.startswith("@"):
            sock.bind("\0" + path[1:])
            return _listening(bind, sock, backlog)
        _make_way(bind, path)
        path = os.path.abspath(path)
        _bind_file(sock, path, identity)
        found = os.lstat(path)
        listener = _listening(bind, sock, backlog)
        listener._made = (path, found.st_dev, found.st_ino)
        return listener
    except BindError:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        raise BindError(bind, error.strerror or str(error)) from error


def _bind_file(sock: socket.socket, path: str, identity: Identity) -> None:
    """Make the socket's file, as the identity's. Who may write to its folder may put another file in its place as soon
    as it is there: so its mode is that of the socket from the beginning, and no other file's owner is changed."""
    with contextlib.suppress(OSError):  # macOS
        os.fchmod(sock.fileno(), 0o666)
    umask = os.umask(0o022)
    os.umask((umask if identity.umask is None else identity.umask) | 0o111)
    try:
        sock.bind(path)
    finally:
        os.umask(umask)
    if os.geteuid() != 0 or (identity.uid is None and identity.gid is None):
        return
    unchanged = -1
    uid = unchanged if identity.uid is None else identity.uid
    gid = unchanged if identity.gid is None else identity.gid
    if not hasattr(os, "O_PATH") or not os.path.isdir("/proc/self/fd"):
        os.chown(path, uid, gid, follow_symlinks=False)
        return
    file = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(file).st_mode):
            raise OSError(errno.EEXIST, "somebody has put another file in its place")
        os.chown(f"/proc/self/fd/{file}", uid, gid)
    finally:
        os.close(file)


def _make_way(bind: str, path: str) -> None:
    """Remove the socket file of a process that is gone; BindError when something else is there."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(bind, "a file that is no socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        failure = probe.connect_ex(path)
    if failure != errno.ECONNREFUSED:
        raise BindError(bind, "Address already in use")
    os.unlink(path)


def _adopt(bind: str, fd: int, backlog: int) -> Listener:
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        raise BindError(bind, f"descriptor {fd}: {error.strerror}") from error
    try:
        listener = _listening(bind, sock, backlog)
    except BindError:
        sock.close()
        raise
    listener.theirs = True
    return listener


def _listening(bind: str, sock: socket.socket, backlog: int) -> Listener:
    try:
        if sock.type != socket.SOCK_STREAM:
            raise BindError(bind, "a stream socket is wanted")
        sock.listen(backlog)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted inherits it
        sock.setblocking(False)
        sock.set_inheritable(False)
        return Listener(bind, sock, _describe(sock))
    except BindError:
        raise
    except OSError as error:
        raise BindError(bind, error.strerror or str(error)) from error


def _describe(sock: socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_INET6:
        return f"[{name[0]}]:{name[1]}"
    if sock.family == socket.AF_INET:
        return f"{name[0]}:{name[1]}"
    path = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)
    return "unix:" + (f"@{path[1:]}" if path.startswith("\0") else path)
