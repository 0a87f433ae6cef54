"""How a listening socket stops: new connections are kept out, what is queued is taken, then it listens no more.

Owns the kernel's filter and the descriptors that outlive the listeners. Knows nothing of when the master stops. Runs in
the master, called by `resources`.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys
from collections.abc import Iterable

from .listeners import Listener

__all__ = ["doors_of", "keep_out", "shut"]

_SO_ATTACH_FILTER = 26
_TCP_FLAGS_AT, _SYN = 13, 0x02
# Classic BPF (linux/filter.h): each instruction is code, jump if true, jump if false, operand.
_NO_SYN = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, _TCP_FLAGS_AT),  # load the byte of flags
        (0x54, 0, 0, _SYN),  # and SYN
        (0x15, 0, 1, 0),  # not set: the next instruction; else the one behind it
        (0x06, 0, 0, 0xFFFFFFFF),  # let it in
        (0x06, 0, 0, 0),  # drop it
    )
)


def keep_out(listeners: Iterable[Listener]) -> None:
    """Have the kernel drop the SYN of every new connection from here on (in the master, as it stops).

    Closing a listener resets the connections in its queue, and while that can grow it is never surely empty: with new
    ones kept out, workers can take all of it before the listener is closed. A client that is dropped tries again after
    a second, and is refused, or served by whatever listens there then. Connections whose SYN was answered still arrive.
    Nothing is done where there is no such filter (a unix socket, macOS), or where the socket outlives this master.
    """
    if not sys.platform.startswith("linux"):
        return
    program = ctypes.create_string_buffer(_NO_SYN)
    argument = struct.pack("@HP", len(_NO_SYN) // 8, ctypes.addressof(program))  # struct sock_fprog
    for listener in listeners:
        if not listener.theirs and listener.socket.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):
                listener.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, argument)


def doors_of(listeners: Iterable[Listener]) -> list[socket.socket]:
    """Return a second descriptor of each socket that is open and ours, to be `shut` when no worker accepts any more."""
    ours = (listener.socket for listener in listeners if not listener.theirs)
    return [sock.dup() for sock in ours if sock.fileno() >= 0]


def shut(doors: Iterable[socket.socket]) -> None:
    """Have these sockets listen no more, whatever other process has a descriptor of them, and close ours.

    A process that the application forked and left behind may hold one for ever: it must not keep the address in use.
    """
    for door in doors:
        with contextlib.suppress(OSError):
            door.shutdown(socket.SHUT_RDWR)
        door.close()
