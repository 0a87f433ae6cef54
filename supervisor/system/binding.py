"""Making and binding a socket for an address of the settings.

Owns the syntax of host and port, and what may stand in the way of a unix socket's file. Knows nothing of who listens
there. Runs in the master, called by `listeners`.
"""

from __future__ import annotations

import errno
import os
import socket
import stat

from .socketaccess import SocketAccess

__all__ = ["BindError", "Made", "bind_tcp", "bind_unix"]

Made = tuple[str, int, int]
"""A socket's file that was made here: path, device and inode."""


class BindError(OSError):
    """An address that cannot be bound; the text names it and the reason."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"cannot bind {address!r}: {reason}")


def bind_tcp(bind: str) -> socket.socket:
    """Return a socket bound to HOST:PORT or [V6]:PORT. Raises BindError."""
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
    # a name with addresses of both families means IPv4, as it does to the standard library
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
        return sock
    except OSError as error:
        sock.close()
        raise BindError(bind, error.strerror or str(error)) from error


def bind_unix(bind: str, access: SocketAccess) -> tuple[socket.socket, Made | None]:
    """Return a socket bound to unix:PATH or unix:@ABSTRACT, and the file that was made for it. Raises BindError."""
    path = bind[len("unix:") :]
    if not path:
        raise BindError(bind, "a path is wanted after unix:")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.startswith("@"):
            sock.bind("\0" + path[1:])
            return sock, None
        _make_way(bind, path)
        path = os.path.abspath(path)
        access.bind(sock, path)
        found = os.lstat(path)
        return sock, (path, found.st_dev, found.st_ino)
    except BindError:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        raise BindError(bind, error.strerror or str(error)) from error


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
