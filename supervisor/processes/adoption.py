"""The adoption socket: connections that leave one worker and are taken by another.

Owns a socket pair that the master makes before its first fork: every worker holds both ends. What is given at one end
(a descriptor, and bytes about it) waits in the kernel until any worker takes it at the other, even if the giver has
ended meanwhile. Knows nothing of what the descriptor is or the bytes say. `give` and `take` are called by the thread
that leads a worker; the master only makes, keeps and closes the pair.
"""

from __future__ import annotations

import array
import errno
import os
import select
import socket

__all__ = ["Adoption"]

_MESSAGE_BYTES = 1 << 16
_SEND_BUFFER_BYTES = 1 << 20  # asked for; the kernel gives what it allows, by default enough for 250 descriptors
_CLOEXEC: int = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_FD_BYTES = array.array("i").itemsize
#: the queue is full; too many descriptors are on their way (unix(7)); the datagram is longer than the system takes
_NOT_NOW = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS, errno.EINTR, errno.EMSGSIZE)


class Adoption:
    """Both ends of the pair: a new one, or one that outlived an exec, with these descriptors."""

    __slots__ = ("_giver", "_taker")

    def __init__(self, giver: int = -1, taker: int = -1) -> None:
        if giver >= 0:
            self._giver, self._taker = socket.socket(fileno=giver), socket.socket(fileno=taker)
        else:
            self._giver, self._taker = _pair()
            self._giver.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        for end in (self._giver, self._taker):
            end.setblocking(False)
            end.set_inheritable(False)

    @property
    def descriptors(self) -> tuple[int, int]:
        """The giver's and the taker's, to be handed over in an upgrade."""
        return self._giver.fileno(), self._taker.fileno()

    def fileno(self) -> int:
        """Return the descriptor that is readable while something waits to be taken."""
        return self._taker.fileno()

    @property
    def waits(self) -> bool:
        """Whether something that was given has not been taken yet."""
        poller = select.poll()
        poller.register(self._taker, select.POLLIN)
        return bool(poller.poll(0))

    def give(self, fd: int, data: bytes) -> bool:
        """Give a descriptor and at most 60 KB about it, and return True: the caller then closes its own descriptor.

        Returns False if that cannot be done now, as too much waits to be taken. Raises OSError if it can never be done.
        """
        try:
            self._giver.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        except OSError as error:
            if error.errno in _NOT_NOW:
                return False
            raise
        return True

    def take(self) -> tuple[int, bytes] | None:
        """Return a descriptor, which is the caller's to close, and the bytes about it; None if nothing waits.

        Raises OSError (EMFILE) if this process can open no more descriptors; what waits is then left to other workers.
        """
        # The kernel drops a descriptor that this process has no room for, and a connection with it: so try that first.
        os.close(os.dup(self._taker.fileno()))
        try:
            data, ancillary, _, _ = self._taker.recvmsg(_MESSAGE_BYTES, socket.CMSG_SPACE(_FD_BYTES), _CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return None
        received = array.array("i")
        for level, kind, part in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received.frombytes(part[: len(part) - len(part) % _FD_BYTES])
        for surplus in received[1:]:
            os.close(surplus)
        if not received:
            if not data:  # the other end is closed (seen on macOS only)
                return None
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if not _CLOEXEC:
            os.set_inheritable(received[0], False)
        return received[0], data

    def close(self) -> None:
        """Close both ends. What still waits is closed once no other process holds them."""
        self._giver.close()
        self._taker.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    try:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError:  # macOS
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
