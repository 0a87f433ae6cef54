"""Owns the listeners in a worker: fair accepting, and TLS handshakes that block nobody. The leader's.

All workers wait on the same listeners. Each sees every worker's number of connections on the board, and one that has
more than its part leaves the accept to others; only for a moment, lest they are stuck.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import ssl
import time
from collections.abc import Callable

from .connection import Connection, Phase
from .core import Core

__all__ = ["Acceptor"]

_PATIENCE_S = 0.01  # that a connection waits for the workers with fewer
_EXHAUSTED_S = 0.1  # between tries while the process has no descriptors left
_BATCH = 16  # connections accepted before the others' requests have their turn
_MOST_PEERS = 4096
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """Takes connections from the listeners, each worker about as many as the others."""

    def __init__(self, core: Core, tls: ssl.SSLContext | None) -> None:
        self._core = core
        self._tls = tls
        self._listeners = {sock.fileno(): sock for sock in core.context.listeners}
        self._peers: dict[str, tuple[bytes, bytes]] = {}
        self._resume_s = 0.0  # when to listen again; 0.0 while listening
        self._impatient = False  # whoever waits now has waited for the others long enough
        self._open = True

    def start(self) -> None:
        """Begin to accept."""
        for fd, listener in self._listeners.items():
            self._core.others[fd] = self._accept_from(listener)
            self._core.epoll.register(fd, select.EPOLLIN)
        self._core.board.load[self._core.row.index] = 0

    def stop(self, take_queued: bool) -> None:
        """Stop accepting; take_queued: first take what waits, as nobody else will."""
        if not self._open:
            return
        if take_queued:
            for listener in self._listeners.values():
                for _ in range(self._core.settings.backlog + 1):  # as many as can wait: more may come all the time
                    if not self._take(listener):
                        break
        self._open = False
        for fd, listener in self._listeners.items():
            self._core.epoll.unregister(fd)
            del self._core.others[fd]
            listener.close()

    def wait_s(self, now_s: float, most_s: float) -> float:
        """How long the loop may sleep, at most `most_s`: until it is time to listen again."""
        return most_s if not self._resume_s else max(0.0, min(most_s, self._resume_s - now_s))

    def look(self, now_s: float) -> None:
        """Listen again when it is time; called after every poll while `resting`."""
        if now_s >= self._resume_s:
            self._resume_s = 0.0
            self._impatient = True
            self._listen(select.EPOLLIN)

    @property
    def resting(self) -> bool:
        """Whether the accept is being left to others."""
        return self._resume_s > 0.0

    def _listen(self, events: int) -> None:
        if self._open:
            for fd in self._listeners:
                self._core.epoll.modify(fd, events)

    def _rest(self, seconds: float) -> None:
        self._resume_s = time.monotonic() + seconds
        self._core.wait_s = min(self._core.wait_s, seconds)
        self._core.due_s = min(self._core.due_s, self._resume_s)
        self._listen(0)

    def _above_the_others(self) -> bool:
        """Whether this worker has more connections than its part: an eighth above the one with the fewest."""
        mine = len(self._core.conns)
        least: int = min(self._core.board.load)
        return mine > least + 1 + (least >> 3)

    def _accept_from(self, listener: socket.socket) -> Callable[[int], None]:
        with contextlib.suppress(OSError):  # a unix socket has no such thing
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts inherits it

        def accept(_event: int) -> None:
            if not self._open:
                return
            for _ in range(_BATCH):
                if not self._impatient and self._above_the_others():
                    self._rest(_PATIENCE_S)
                    return
                self._impatient = False
                if not self._take(listener):
                    return

        return accept

    def _take(self, listener: socket.socket) -> bool:
        """Accept one connection; False when none waits."""
        try:
            sock, address = listener.accept()
        except BlockingIOError:
            return False
        except ConnectionAbortedError:  # it has gone already; others may wait behind it
            return True
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS and self._open:
                self._core.log.error("cannot accept: %s; trying again in %s s", error.strerror, _EXHAUSTED_S)
                self._rest(_EXHAUSTED_S)
            return False
        sock.setblocking(False)
        if not isinstance(address, tuple):  # of a unix socket: the client's path, mostly empty
            address = ("unix", 0)
        if self._tls is not None:
            try:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            except (OSError, ValueError):  # it has gone already
                sock.close()
                return True
        conn = Connection(sock, (address[0], address[1]), self._peer(address[0]), time.monotonic())
        if self._tls is not None:
            conn.phase = Phase.HANDSHAKE
        self._core.add(conn)
        return True

    def _peer(self, host: str) -> tuple[bytes, bytes]:
        """The host for the log and padded for the board; the same objects for all its connections."""
        peer = self._peers.get(host)
        if peer is None:
            if len(self._peers) >= _MOST_PEERS:
                self._peers.clear()
            text = host.encode("ascii", "replace")
            peer = self._peers[host] = (text, b"%-40b" % text[:40])
        return peer

    def shake_hands(self, conn: Connection, _event: int) -> None:
        """Go on with a TLS handshake."""
        assert isinstance(conn.sock, ssl.SSLSocket)
        try:
            conn.sock.do_handshake()
        except ssl.SSLWantReadError:
            self._core.watch(conn, select.EPOLLIN)
        except ssl.SSLWantWriteError:
            self._core.watch(conn, select.EPOLLOUT)
        except (OSError, ValueError) as error:
            self._core.log.debug("TLS handshake with %s failed: %s", conn.client_address[0], error)
            self._core.forget(conn)
        else:
            self._core.watch(conn, select.EPOLLIN)
            conn.phase = Phase.NEW
            conn.since_s = time.monotonic()
