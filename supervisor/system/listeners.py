"""The sockets that connections arrive on: made from addresses, inherited, or handed over.

Owns what kinds of addresses there are, the options of a listening socket, and its end. Knows nothing of who accepts.
Runs in the master, before anything is forked and at reloads.

    HOST:PORT   [V6]:PORT   unix:PATH   unix:@ABSTRACT   fd:NUMBER
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..descriptors import DescriptorHandoff
from .binding import BindError, Made, bind_tcp, bind_unix
from .socketaccess import SocketAccess

__all__ = ["BindError", "Listener", "handed_over", "inherited", "listen_again", "open_listeners", "schemes_of"]

_FIRST_INHERITED = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)


@dataclass(slots=True)
class Listener:
    """A listening socket, and the address of the settings that it was made for."""

    bind: str
    socket: socket.socket
    address: str
    """Where it listens: "127.0.0.1:43211", "[::1]:80", "unix:/run/x"."""
    made: Made | None = field(default=None, repr=False)
    """The file of a unix socket that was made here."""
    theirs: bool = False
    """Whether others made the socket, and may go on with it when this master has ended."""

    def close(self) -> None:
        """Close this process's descriptor and remove the file of a unix socket that was made here (in the
        master)."""
        self.socket.close()
        if self.made is not None:
            path, device, inode = self.made
            with contextlib.suppress(OSError):
                found = os.lstat(path)
                if (found.st_dev, found.st_ino) == (device, inode):
                    os.unlink(path)
            self.made = None

    def set_access(self, access: SocketAccess) -> None:
        """Change who may connect to a unix socket that was made here (in the master). Raises OSError."""
        if self.made is not None:
            access.change(*self.made)

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it."""
        entry = {"bind": self.bind, "fd": handoff.keep(self.socket), "address": self.address}
        return {**entry, "made": self.made, "theirs": self.theirs}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Listener:
        """Return the listener that `keep` described (in the program that took over)."""
        sock = socket.socket(fileno=state["fd"])
        sock.setblocking(False)
        made = state["made"]
        theirs = state.get("theirs", state["bind"].startswith("fd:"))
        return cls(state["bind"], sock, state["address"], None if made is None else tuple(made), theirs)


def open_listeners(
    binds: Iterable[str], backlog: int, access: SocketAccess, existing: Sequence[Listener] = ()
) -> list[Listener]:
    """Return a listener for each of `binds`, in order; one of `existing` with the same bind is used again.

    Raises BindError if one cannot be made; those made here are closed again then.
    """
    open_by_bind: dict[str, list[Listener]] = {}
    for listener in existing:
        open_by_bind.setdefault(listener.bind, []).append(listener)
    listeners: list[Listener] = []
    try:
        for bind in binds:
            same = open_by_bind.get(bind)  # port 0 may be there more than once
            listeners.append(same.pop(0) if same else _open(bind, backlog, access))
    except BaseException:
        for listener in listeners:
            if listener not in existing:
                listener.close()
        raise
    return listeners


def schemes_of(listeners: Sequence[Listener], binds: Sequence[str], schemes: Sequence[str]) -> list[str]:
    """Return for each listener what is spoken there by the settings, which say it of each of `binds`; "" if they say
    nothing of it.

    Sockets that a service manager has made need not be those of the settings, which may name them by descriptor, by
    address, or by port alone, as the manager may listen on more addresses.
    """
    if not schemes:
        return [""] * len(listeners)
    if [listener.bind for listener in listeners] == list(binds):  # by order: port 0 may be there more than once
        return list(schemes)
    scheme_by_bind = dict(zip(binds, schemes, strict=True))
    return [_scheme_of(listener, scheme_by_bind) for listener in listeners]


def _scheme_of(listener: Listener, scheme_by_bind: Mapping[str, str]) -> str:
    for name in (listener.bind, listener.address):
        if name in scheme_by_bind:
            return scheme_by_bind[name]
    port = _port(listener.address)
    return next((scheme for bind, scheme in scheme_by_bind.items() if port and _port(bind) == port), "")


def _port(address: str) -> str:
    """Return the port of an address, "" for one that has none."""
    return "" if address.startswith(("unix:", "fd:")) else address.rpartition(":")[2]


def listen_again(listeners: Iterable[Listener], backlog: int) -> None:
    """Set another backlog for sockets that listen already."""
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.socket.listen(backlog)


def inherited(environment: Mapping[str, str], backlog: int) -> list[Listener]:
    """Return the sockets that a service manager passed to this process (LISTEN_FDS, LISTEN_PID; sd_listen_fds(3))."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return []
    try:
        count = int(environment.get("LISTEN_FDS", "0"))
    except ValueError:
        return []
    return [_adopt(f"fd:{fd}", fd, backlog) for fd in range(_FIRST_INHERITED, _FIRST_INHERITED + count)]


def handed_over(
    sockets: Sequence[socket.socket], backlog: int, binds: Sequence[str] = (), *, theirs: bool = True
) -> list[Listener]:
    """Return listeners for sockets that the caller has bound; theirs: the caller may go on with them afterwards.

    binds: what the settings call them, if there are as many.
    """
    names = binds if len(binds) == len(sockets) else [f"fd:{sock.fileno()}" for sock in sockets]
    listeners = [_listening(name, sock, backlog) for name, sock in zip(names, sockets, strict=True)]
    for listener in listeners:
        listener.theirs = theirs
    return listeners


def _open(bind: str, backlog: int, access: SocketAccess) -> Listener:
    if bind.startswith("unix:"):
        sock, made = bind_unix(bind, access)
        return _listening_or_closed(bind, sock, backlog, made)
    if bind.startswith("fd:"):
        number = bind[3:]
        if not number.isdecimal():
            raise BindError(bind, "a descriptor's number is wanted after fd:")
        return _adopt(bind, int(number), backlog)
    return _listening_or_closed(bind, bind_tcp(bind), backlog)


def _adopt(bind: str, fd: int, backlog: int) -> Listener:
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        raise BindError(bind, f"descriptor {fd}: {error.strerror}") from error
    listener = _listening_or_closed(bind, sock, backlog)
    listener.theirs = True
    return listener


def _listening_or_closed(bind: str, sock: socket.socket, backlog: int, made: Made | None = None) -> Listener:
    try:
        listener = _listening(bind, sock, backlog)
    except BindError:
        sock.close()
        raise
    listener.made = made
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
