"""Owns the transport of a connection: bytes and files in and out of a socket without blocking, plain or under TLS.

This is the only place that knows whether there is TLS. It must not know HTTP, the loop, or why bytes are sent. Methods
are called by the thread that owns the connection at that moment: the leader, or the thread that answers its request.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import ssl
import struct
import sys
import termios
from collections.abc import Callable
from typing import ClassVar

from ...framework.tlsclient import TLSClient

__all__ = ["CLIENT_LEFT", "WOULD_BLOCK", "PlainTransport", "TLSTransport", "Transport"]

#: what `recv`, `send` and `sendfile` raise when there is nothing to read, or no room to write
WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

#: what `send` and `sendfile` raise because the client has gone, or gives up
CLIENT_LEFT = (ConnectionError, TimeoutError, ssl.SSLError)

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, with a time of zero: close(2) resets the connection
_REFUSED_BYTES = 1 << 16  # of a request without TLS, to be dropped
_GONE = getattr(select, "POLLRDHUP", select.POLLHUP)


class Transport:
    """A connected, non-blocking socket.

    recv, send: the socket's own methods, to be called without a detour. fd: the descriptor, which keeps its value when
    the socket has been closed.
    """

    #: whether another process can take the connection over, with nothing but its descriptor
    movable: ClassVar[bool] = True
    #: of a file in one call, so that one fast client does not keep the leader
    file_step_bytes: ClassVar[int] = 1 << 20

    __slots__ = ("_server_address", "fd", "recv", "send", "sock")

    recv: Callable[[int], bytes]
    send: Callable[[bytes | memoryview[int]], int]

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()

    @property
    def tls(self) -> ssl.SSLSocket | None:
        """The socket as `request.tls` shows it to handlers; None without TLS."""
        return None

    @property
    def tls_client(self) -> TLSClient | None:
        """The certificate that the client has shown; None without one."""
        return None

    # -- the beginning ----------------------------------------------------------------------------------------------

    def recv_before(self, count: int, flags: int = 0) -> bytes:
        """Receive bytes that come before the handshake, and are not the transport's: a PROXY header. flags: of recv(2).
        Raises as `socket.recv` does."""
        return socket.socket.recv(self.sock, count, flags)  # that of an SSLSocket takes no flags

    def handshake(self) -> int:
        """Go on with the handshake. Returns 0 when it is complete, else the epoll events to wait for before the next
        call. Raises OSError or ValueError if it failed."""
        return 0

    def refuse_in_the_clear(self, answer: bytes) -> None:
        """Send an answer without TLS to a client that does not speak it, and end sending: the handshake has failed."""
        raise NotImplementedError

    # -- bytes and files --------------------------------------------------------------------------------------------

    def receive_into(self, place: memoryview[int]) -> int:
        """Receive at the beginning of `place`; returns how many bytes, 0 at the end of the connection. Raises one of
        WOULD_BLOCK if nothing waits."""
        return self.sock.recv_into(place)

    def held_bytes(self) -> int:
        """Return how many bytes have been taken from the socket and not been received: no event will tell of them."""
        return 0

    def send_more(self, data: bytes | memoryview[int]) -> int:
        """Send bytes as `send` does, when more follow at once: they may then share a packet."""
        raise NotImplementedError

    def sendfile(self, fd: int, offset: int, count: int) -> int:
        """Send at most `count` bytes of a file from `offset`. Returns how many were sent; 0 if the file ends there."""
        raise NotImplementedError

    def send_with_file(self, head: bytes, fd: int, offset: int, count: int) -> int:
        """Send `head` as `send` does, and then as much of the file as there is room for; count: at most
        `file_step_bytes`. Returns how many bytes of both were sent."""
        sent = self.send_more(head)
        if sent == len(head):
            try:  # noqa: SIM105 - contextlib.suppress costs 0.4 µs
                sent += self.sendfile(fd, offset, count)
            except (OSError, ValueError):  # no room, mostly; anything else is met again by whoever sends the rest
                pass
        return sent

    def queued_bytes(self) -> int:
        """Return how many sent bytes the kernel still holds for the client. Raises OSError if it cannot tell."""
        return int.from_bytes(fcntl.ioctl(self.fd, termios.TIOCOUTQ, bytes(4)), sys.byteorder)

    # -- looks at the socket ----------------------------------------------------------------------------------------

    @property
    def gone(self) -> bool:
        """Whether the client has closed the connection, or its half of it: the kernel tells no difference."""
        return self._polls(_GONE)

    @property
    def readable(self) -> bool:
        """Whether bytes, or the end, wait to be read."""
        return self._polls(select.POLLIN)

    def unread(self) -> bool:
        """Return whether bytes wait to be read; always False under TLS, where it cannot be told."""
        return False

    @property
    def server_address(self) -> tuple[str, int]:
        """The host and port that the client connected to; ("unix", 0) for a unix socket."""
        try:
            return self._server_address
        except AttributeError:  # WSGI and CGI ask for it with each request, others never
            name = self.sock.getsockname()
            self._server_address: tuple[str, int] = (name[0], name[1]) if isinstance(name, tuple) else ("unix", 0)
            return self._server_address

    # -- the end ----------------------------------------------------------------------------------------------------

    def end_sending(self) -> None:
        """Begin a lingering close: tell the client that nothing more comes, and still take in what it sends."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def discard(self, count: int) -> int:
        """Read at most `count` bytes and drop them, during a lingering close. Returns how many there were, 0 at the end
        of the connection. Raises one of WOULD_BLOCK if nothing waits."""
        try:
            return len(self.sock.recv(count))
        except WOULD_BLOCK:
            raise
        except (OSError, ValueError):
            return 0

    def shutdown(self) -> None:
        """Make reading and writing fail, also for a thread that is at it, and keep the descriptor. Raises OSError."""
        self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection in an orderly way."""
        try:  # noqa: SIM105 - contextlib.suppress costs 0.4 µs
            self.sock.close()
        except OSError:  # the application has closed a descriptor that was not its own
            pass

    def abort(self) -> None:
        """Reset the connection, so that the client cannot take what it got for a whole answer."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        with contextlib.suppress(OSError):
            self.sock.close()

    def let_go(self) -> None:
        """Close this process's descriptor of a connection that lives on in another process."""
        self.sock.close()

    def _polls(self, events: int) -> bool:
        poller = select.poll()
        poller.register(self.fd, events)
        return bool(poller.poll(0))


class PlainTransport(Transport):
    """TCP or a unix socket."""

    __slots__ = ()

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock  # as in Transport: a call less for each connection
        self.fd = sock.fileno()
        self.recv = sock.recv
        self.send = sock.send

    def send_more(self, data: bytes | memoryview[int]) -> int:
        return self.sock.send(data, socket.MSG_MORE)

    def sendfile(self, fd: int, offset: int, count: int) -> int:
        return os.sendfile(self.fd, fd, offset, min(count, self.file_step_bytes))

    def unread(self) -> bool:
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK))
        except (OSError, ValueError):
            return False


class TLSTransport(Transport):
    """TLS on a socket; `handshake` comes first.

    Its two directions share one state, so no thread may read while another writes: as long as the leader receives a
    body, nobody else sends (`Http1.end_intake`).
    """

    movable = False  # the session's keys are this process's
    file_step_bytes = 1 << 16  # read at a time, as the kernel cannot send a file by itself

    __slots__ = ("_client", "_tls")

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock)
        self._tls = sock
        self._client: TLSClient | bool | None = False  # as long as nobody has asked
        self.recv = sock.read
        self.send = sock.write

    @property
    def tls(self) -> ssl.SSLSocket:
        return self._tls

    @property
    def tls_client(self) -> TLSClient | None:
        client = self._client
        if isinstance(client, bool):
            found, der = self._tls.getpeercert(), self._tls.getpeercert(binary_form=True)
            client = self._client = TLSClient(found, der) if found and der else None
        return client

    def handshake(self) -> int:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return select.EPOLLIN
        except ssl.SSLWantWriteError:
            return select.EPOLLOUT
        return 0

    def refuse_in_the_clear(self, answer: bytes) -> None:
        bare = socket.socket  # whose methods know nothing of TLS
        with contextlib.suppress(OSError):
            bare.recv(self._tls, _REFUSED_BYTES)  # closing with bytes unread would reset the connection
        with contextlib.suppress(OSError):
            bare.send(self._tls, answer)
            bare.shutdown(self._tls, socket.SHUT_WR)

    def receive_into(self, place: memoryview[int]) -> int:
        received = 0
        try:
            while received < len(place):  # a record of 16 KB at a time
                count = self._tls.recv_into(place[received:])
                if not count:
                    break
                received += count
        except WOULD_BLOCK:
            if not received:
                raise
        return received

    def held_bytes(self) -> int:
        return self._tls.pending()

    def send_more(self, data: bytes | memoryview[int]) -> int:
        return self.send(data)

    def sendfile(self, fd: int, offset: int, count: int) -> int:
        # After SSLWantWriteError OpenSSL wants at least as many bytes again, and sends those it has encrypted already:
        # they are read again from the same place.
        data = memoryview(os.pread(fd, min(count, self.file_step_bytes), offset))
        sent = 0
        try:
            while sent < len(data):
                sent += self.send(data[sent:])
        except WOULD_BLOCK:
            if not sent:
                raise
        return sent

    def end_sending(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._tls.unwrap()  # sends our close_notify, and raises as the client's is not there yet
        super().end_sending()

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # RFC 8446 section 6.1
            self._tls.unwrap()
        super().close()
