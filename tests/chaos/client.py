"""One client of the load: it pauses, sends a request, waits, reconnects if it must, and records the result.

Owns a connection and the request that is outstanding on it. Knows nothing of the other clients, of the loop (which
calls `ready` and runs its timers) or of reports. Used by load.py, in its process.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Protocol

from .message import request, whole_answer

__all__ = ["Books", "Client"]

UPLOAD_PAUSE_S = 0.04

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_mono = time.monotonic


class Books(Protocol):
    """What a client needs of load.Load: it records results there, and gets timers and events from it."""

    run: str
    patience_s: float
    ends_when_refused: bool
    stopping: bool
    epoll: select.epoll

    def context(self, ca: str) -> ssl.SSLContext: ...
    def thinking_s(self) -> float: ...
    def after(self, delay_s: float, step: Callable[[], None]) -> None: ...
    def watch(self, client: Client, fd: int, events: int) -> None: ...
    def forget(self, fd: int) -> None: ...
    def measured(self, kind: str, seconds: float, name: str) -> None: ...
    def note(self, what: str, client: Client, **facts: object) -> None: ...
    def answered(self, client: Client, name: str, version: str, pid: str, wait_s: float) -> None: ...
    def heard(self, client: Client) -> None: ...
    def ended(self, client: Client) -> None: ...


class Client:
    """A client of the load. group: one of the plan's groups."""

    def __init__(self, load: Books, number: int, group: dict[str, Any]) -> None:
        self._load = load
        self._number = number
        self.kind: str = group["kind"]
        self._address = (group["address"][0], group["address"][1])
        self._tls = load.context(group["ca"]) if group.get("ca") else None
        self.over_tls = self._tls is not None
        self._padding = "/" + "x" * group["pad_bytes"] if group.get("pad_bytes") else ""
        self._asked = 0
        self._sock: socket.socket | None = None
        self._fd = -1
        self._turn = 0  # a timer set for an earlier turn is void
        self.ready: Callable[[float], None] = self._nothing
        """Called by the loop when the descriptor is ready."""
        self.pid = ""
        """The pid of the worker that answered last on this connection."""
        self._clear()

    def _clear(self) -> None:
        self.name = ""  # of the request that is outstanding
        self._unsent: list[bytes] = []
        self._is_blocked = False  # as the socket took a part of a piece
        self._sent_bytes = self._whole_bytes = 0
        self._data = b""
        self._began_s = 0.0  # when the request's first byte left
        self._waiting_since_s = 0.0
        self._wait_s = 0.0  # the longest that the client had to wait for the server, in this request

    # -- turns ---------------------------------------------------------------------------------------------------------

    def think(self, delay_s: float | None = None) -> None:
        """Send the next request after a pause."""
        self._later(self._load.thinking_s() if delay_s is None else delay_s, self._ask)

    def _later(self, delay_s: float, step: Callable[[], None]) -> None:
        self._turn += 1
        turn = self._turn
        self._load.after(delay_s, lambda: step() if turn == self._turn else None)

    def end(self) -> None:
        """End this client and close its connection."""
        self._turn += 1
        self._drop()
        self._load.ended(self)

    def give_up(self, why: str) -> None:
        """Record an outstanding request as lost, and end this client."""
        if self.name:
            self._lose(why)
        self.end()

    # -- connecting ----------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._drop()
        self.pid = ""
        self._waiting_since_s = _mono()
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._take(sock, self._connected)
        self._later(self._load.patience_s, lambda: self._refused("no connection within the time"))
        try:
            sock.connect(self._address)
        except BlockingIOError:
            return
        except OSError as error:
            self._refused(error.strerror or repr(error))

    def _connected(self, now: float) -> None:
        assert self._sock is not None
        error = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._refused(os.strerror(error))
        elif self._tls is None:
            self._is_there(now)
        else:
            self._load.forget(self._fd)
            raw, self._sock = self._sock, None
            try:
                wrapped = self._tls.wrap_socket(
                    raw, server_hostname="localhost", do_handshake_on_connect=False, suppress_ragged_eofs=False
                )
            except (OSError, ValueError) as broken:
                raw.close()
                self._refused(f"TLS: {broken!r}")
                return
            self._take(wrapped, self._shake_hands)
            self._shake_hands(now)

    def _shake_hands(self, now: float) -> None:
        assert isinstance(self._sock, ssl.SSLSocket)
        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            self._load.epoll.modify(self._fd, select.EPOLLIN)
        except ssl.SSLWantWriteError:
            self._load.epoll.modify(self._fd, select.EPOLLOUT)
        except (OSError, ValueError) as error:
            self._refused(f"TLS: {error!r}")
        else:
            self._is_there(now)

    def _is_there(self, now: float) -> None:
        kind = "connect-tls" if self.over_tls else "connect"
        self._load.measured(kind, now - self._waiting_since_s, kind)
        self._begin()

    def _refused(self, why: str) -> None:
        self._drop()
        self._load.note("refused", self, why=why)
        self._load.heard(self)
        if self._load.ends_when_refused:
            self.end()
        else:
            self.think()

    # -- asking --------------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Send the next request, on the connection that is there or a new one."""
        if self._load.stopping:
            self.end()
        elif self._sock is not None and self._look():
            self._begin()
        else:
            self._connect()

    def _look(self) -> bool:
        """Return whether the idle connection is still open."""
        assert self._sock is not None
        why = "the connection ended"
        try:
            data = self._sock.recv(1 << 16)
        except _WOULD_BLOCK:
            return True
        except OSError as error:
            data, why = b"", repr(error)
        if data:
            self._load.note("wrong", self, name="", text=f"unasked: {data[:200]!r}")
        self._load.note("closed_idle", self, why=why)
        self._drop()
        return False

    def _begin(self) -> None:
        self._asked += 1
        self._clear()
        self.name = f"{self._load.run}-{self._number}-{self._asked}"
        self._unsent = request(self.kind, self.name, self._padding)
        self._whole_bytes = sum(map(len, self._unsent))
        self._began_s = _mono()
        self.ready = self._act
        self._send()

    def _send(self) -> None:
        """Send the next piece."""
        assert self._sock is not None
        piece = self._unsent[0]
        self._waiting_since_s = _mono()
        try:
            sent = self._sock.send(piece)
        except _WOULD_BLOCK:
            sent = 0
        except OSError as error:
            self._broke(repr(error))
            return
        self._sent_bytes += sent
        self._is_blocked = sent < len(piece)
        if self._is_blocked:
            self._unsent[0] = piece[sent:]
            self._load.epoll.modify(self._fd, select.EPOLLIN | select.EPOLLOUT)
            self._later(self._load.patience_s, lambda: self._broke("the request was not taken in time"))
            return
        self._unsent.pop(0)
        self._load.epoll.modify(self._fd, select.EPOLLIN)
        if self._unsent:
            self._later(UPLOAD_PAUSE_S, self._send)
        else:
            self._later(self._load.patience_s, lambda: self._broke("no whole answer in time"))

    def _act(self, now: float) -> None:
        """Read what has been received, and send what is left of the request."""
        assert self._sock is not None
        while True:
            try:
                data = self._sock.recv(1 << 16)
            except _WOULD_BLOCK:
                break
            except OSError as error:
                self._broke(repr(error))
                return
            if not data:
                self._broke("the connection ended")
                return
            self._data += data
            if not self._unsent:
                self._wait_s = max(self._wait_s, now - self._waiting_since_s)
                self._waiting_since_s = now
            whole = whole_answer(self._data)
            if whole is not None:
                self._answered(*whole)
                return
        if self._is_blocked:
            self._send()

    def _answered(self, status: int, close: bool, body: bytes) -> None:
        name, self.name = self.name, ""
        words = body.decode("latin-1").split()
        if status == 200 and not self._unsent and len(words) >= 3 and words[-1] == name:
            self.pid = words[1]
            self._load.answered(self, name, words[0], self.pid, self._wait_s)
            self._load.measured(self.kind + "-tls" * self.over_tls, self._wait_s, name)
            if close:
                self._load.note("told_to_close", self)
        else:
            early = ", before the whole request was sent" if self._unsent else ""
            self._load.note("wrong", self, name=name, text=f"{status} {body[:200]!r}{early}")
            close = True
        if close:
            self._drop()
        else:
            self.ready = self._idle
        self._load.heard(self)
        self.think()

    def _idle(self, _now: float) -> None:
        """Handle an event while no request is outstanding: the connection's end, or a session ticket of TLS."""
        self._look()

    def _broke(self, why: str) -> None:
        """Handle a connection that failed during a request."""
        if self._sent_bytes:
            self._lose(why)
        else:  # not a byte of it has left
            self._load.note("closed_idle", self, why=why)
        self.name = ""
        self._drop()
        self._load.heard(self)
        self.think()

    def _lose(self, why: str) -> None:
        sent = f"{self._sent_bytes} of {self._whole_bytes} bytes sent, {len(self._data)} came"
        whole = self._sent_bytes == self._whole_bytes
        self._load.note("lost", self, name=self.name, why=why, how_far=sent, was_sent=whole, began=self._began_s)

    # -- the socket ----------------------------------------------------------------------------------------------------

    def _take(self, sock: socket.socket, step: Callable[[float], None]) -> None:
        self._sock, self._fd, self.ready = sock, sock.fileno(), step
        self._load.watch(self, self._fd, select.EPOLLIN | select.EPOLLOUT)

    def _drop(self) -> None:
        if self._sock is not None:
            self._load.forget(self._fd)
            self._sock.close()
        self._sock, self._fd, self.ready = None, -1, self._nothing

    def _nothing(self, _now: float) -> None:
        pass
