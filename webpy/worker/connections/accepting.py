"""Owns where a worker's connections come from: the listeners, and the adoption socket, by which those of other workers
arrive. The leader's.

All workers wait on the same listeners and the same adoption socket. `sharing` says when this one leaves what waits to
others, only ever for a moment; `room`, whether there is room for one more.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ...framework.origin import Origin
from ..log.complaints import Complaints
from .connection import Connection, Phase, Relay, RelayedConnection, peer_label
from .handover import Arrival, unpack
from .listener import Listener
from .proxyheader import ProxyHeaders
from .room import Room
from .sharing import Sharing
from .sources import Sources
from .transport import PlainTransport

if TYPE_CHECKING:
    from ...supervisor import Adoption
    from ..worker import Worker

__all__ = ["Acceptor"]

_Source = TypeVar("_Source", Listener, "Adoption")

_PATIENCE_S = 0.002  # that a connection waits for the workers with fewer
_WAITED_S = 0.02  # after a rest in which what waits now was there already
_EXHAUSTED_S = 0.1  # between tries while the process has no descriptors left
_TURN_S = 0.02  # that others listen in place of this worker, while connections are short
_BATCH = 16  # connections accepted before the others' requests have their turn
_MAX_PEERS = 4096
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOSPC)  # ENOSPC: of epoll's watches
_GONE_ALREADY = (  # what became of the connection while it waited (accept(2))
    errno.ECONNABORTED,
    errno.EPERM,
    errno.EPROTO,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENONET,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
)
_SHUT_DOWN = (errno.EINVAL, errno.EBADF)  # the listener was


class Acceptor:
    """Takes connections, each worker about as many as the others."""

    def __init__(self, worker: Worker, listeners: list[Listener]) -> None:
        self._worker = worker
        self._reactor = worker.reactor
        self._table = worker.table
        self._adoption = worker.context.adoption
        self._listeners = {listener.fileno(): listener for listener in listeners}
        #: whether connections of some listeners can move to another worker, and of some cannot (under TLS)
        self.has_movable = any(listener.context is None for listener in listeners)
        self.has_fixed = any(listener.context is not None for listener in listeners)
        self._sources = Sources(worker.reactor)
        self._peers: dict[str | tuple[str, Relay], tuple[bytes, bytes]] = {}
        self._resume_s = 0.0  # when to listen again; 0.0 while listening
        self._waited_s = float("-inf")  # when the last rest ended: what waits then has been left to others long enough
        self._sharing = Sharing(worker)
        self._complaints = Complaints(worker.log)
        self._room = Room(worker, self._complaints)
        self._proxy_headers: ProxyHeaders | None = None
        if worker.settings.proxy_protocol:
            self._proxy_headers = ProxyHeaders(worker, self._room, self._complaints, self._peer)
        self._exclusive = False  # the kernel wakes one worker for a connection
        self._listens = True  # at all sources, or rests from all
        self._alone = False  # there are no others, or none that will take anything
        self._careful = False  # workers die, as it seems: what this one has taken may die with it

    def start(self) -> None:
        """Begin to accept, and to adopt."""
        for fd, listener in self._listeners.items():
            with contextlib.suppress(OSError):  # a unix socket has no such thing
                listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts inherits it
            self._sources.add(fd, self._from(self._take, listener), self.resting, wakes_one=True)
        self._start_adopting()
        self._careful = self._sharing.any_died()
        self._table.show_load(True)

    def _start_adopting(self) -> None:
        if self._adoption is not None and self._adoption.fileno() not in self._sources:
            self._sources.add(self._adoption.fileno(), self._from(self._adopt, self._adoption), self.resting)

    def stop(self) -> None:
        """Accept and adopt no more, and close the listeners: other workers go on."""
        self.stop_accepting()
        for fd in self._sources:
            self._sources.leave(fd)

    def stop_accepting(self) -> None:
        """Accept no more, and close the listeners; what other workers give is still taken."""
        for fd, listener in self._listeners.items():
            self._sources.leave(fd)
            listener.close()
        self._listeners.clear()

    def take_all(self) -> None:
        """Take what waits, however much the other workers have, and go on so, because they end too. Adopts again if
        that had been stopped."""
        self._alone = True
        self._start_adopting()
        count = self._worker.settings.backlog + 1  # as many as can wait: more may come all the time
        for listener in self._listeners.values():
            self._take_queued(self._take, listener, count)
        if self._adoption is not None:
            self._take_queued(self._adopt, self._adoption, count)

    def _take_queued(self, take: Callable[[_Source], bool], source: _Source, count: int) -> None:
        for _ in range(count):
            if (self._room.full() and not (_waits(source) and self._room.has_any())) or not take(source):
                return

    def look(self, now_s: float) -> None:
        """Listen again if it is time."""
        if now_s >= self._resume_s:
            self._resume_s = 0.0
            self._waited_s = now_s
            self._listen()
            self._table.show_load(True)

    @property
    def resting(self) -> bool:
        """Whether the accept is being left to others."""
        return self._resume_s > 0.0

    def refresh(self) -> None:
        """Look whether something waits; called about once a second.

        Where the kernel wakes one worker for a connection, that worker may be killed, or hang, before it accepts.
        """
        self._careful = self._sharing.any_died()
        if self._exclusive or not self._listens:
            self._exclusive = self._sharing.short and not self._careful
            self._listen()

    def _listen(self) -> None:
        self._listens = self._sources.listen(self.resting, self._exclusive)

    def _hurry(self) -> None:
        """Listen again after the next poll."""
        if self.resting:
            self._resume_s = time.monotonic()
            self._reactor.call_at(self._resume_s, self._end_rest, self._resume_s)

    def _rest(self, seconds: float) -> None:
        self._resume_s = time.monotonic() + seconds
        self._reactor.call_at(self._resume_s, self._end_rest, self._resume_s)
        self._listen()

    def _end_rest(self, now_s: float) -> None:
        if self.resting:
            self.look(now_s)

    def _from(self, take: Callable[[_Source], bool], source: _Source) -> Callable[[int], None]:
        """Return what to call when something waits at `source`.

        After a worker has died, it takes one connection at a time, and only when everything else that is ready has been
        done: a request that ends this process too then takes few others along, and what still waits goes to another.
        """
        ready = self._reactor.ready
        fd = source.fileno()
        behind = False  # this event was put behind the others

        def take_some(event: int) -> None:
            nonlocal behind
            behind = self._careful and bool(ready) and not behind
            if behind:
                ready.append((fd, event))
            else:
                self._take_some(take, source)

        return take_some

    def _take_some(self, take: Callable[[_Source], bool], source: _Source) -> None:
        sharing, careful = self._sharing, self._careful
        for taken in range(1 if careful else _BATCH):
            if not self._alone and not self._has_waited() and sharing.leaves_to_fewer():
                self._rest(_PATIENCE_S)
                return
            self._waited_s = float("-inf")
            if taken and self._room.full():  # no idle one is closed for a connection that may not be there
                break
            if not self._room.has_any():
                self._rest(_EXHAUSTED_S)
                self._room.tell_when_any(self._hurry)
                return
            if not take(source):
                break
        if self.resting:
            return
        if careful:  # all listen: one that the kernel woke alone, or that listens for all, may die before it accepts
            if self._exclusive:
                self._exclusive = False
                self._listen()
        elif not self._alone and sharing.leaves_to_enough():
            self._rest(_TURN_S)
            self._table.show_load(False)
        elif (short := sharing.short) != self._exclusive or (short and sharing.others_listen()):
            self._exclusive = short
            self._listen()  # as the last in the kernel's order: the next connection wakes another worker

    def _has_waited(self) -> bool:
        """Return whether what waits now was left to others before. If they took that, what comes later is left to them
        too."""
        waited_s = self._waited_s
        return waited_s > 0.0 and time.monotonic() - waited_s < _WAITED_S

    def _take(self, listener: Listener) -> bool:
        """Accept one connection; False when none waits."""
        try:
            sock, address = listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _GONE_ALREADY:  # others may wait behind it
                return True
            if error.errno in _SHUT_DOWN:
                self._sources.leave(listener.fileno())  # it would be ready for ever
                return False
            return self._overcome("accept", error)
        if not isinstance(address, tuple):  # of a unix socket: the client's path, mostly empty
            address = ("unix", 0)
        if self._room.refuses(address[0]):
            sock.close()
            return True
        try:
            transport = listener.transport(sock)
        except (OSError, ValueError):  # it has gone already
            sock.close()
            return True
        origin = Origin((address[0], address[1]), listener.scheme)
        if self._proxy_headers is not None:
            return self._add(self._proxy_headers.connection(transport, origin), "accept", accepted=True)
        conn = Connection(transport, origin, self._peer(address[0]), time.monotonic())
        if listener.context is None:
            conn.protocol = self._worker.http1
        else:
            conn.protocol = self._worker.handshake
            conn.protocol.on_start(conn, b"")
        return self._add(conn, "accept", accepted=True)

    def _add(self, conn: Connection, what: str, accepted: bool) -> bool:
        try:
            self._table.add(conn, accepted)
        except OSError as error:  # the user's watches (epoll(7)), or memory
            conn.phase = Phase.CLOSED
            conn.transport.let_go()
            return self._overcome(what, error)
        self._room.entered(conn)
        self._sharing.took(conn)
        return True

    def _adopt(self, adoption: Adoption) -> bool:
        """Take one connection that another worker gave; False when none waits."""
        try:
            taken = adoption.take()
        except OSError as error:
            return self._overcome("adopt", error)
        if taken is None:
            return False
        fd, message = taken
        try:
            arrival = unpack(message)
            sock = socket.socket(fileno=fd)
        except (ValueError, OSError) as error:
            os.close(fd)
            self._worker.log.error("cannot adopt a connection: %s", error)
            return True
        sock.setblocking(False)
        try:
            conn = self._arrived(sock, arrival)
        except OSError:  # it has gone already
            sock.close()
            return True
        if not self._add(conn, "adopt", accepted=False):
            return False
        if conn.phase == Phase.PIPELINED:
            self._reactor.ready.append((fd, 0))
        return True

    def _arrived(self, sock: socket.socket, arrival: Arrival) -> Connection:
        """Return the connection that another worker gave. Raises OSError if its client has gone."""
        origin, relay, now_s = arrival.origin, arrival.relay, time.monotonic()
        peer = self._peer(origin.client_address[0], relay)
        conn: Connection
        if relay:
            conn = relayed = RelayedConnection(PlainTransport(sock), origin, peer, now_s)
            relayed.relay, relayed.told_server = relay, arrival.told_server
            name = sock.getpeername()
            relayed.peer_address = (name[0], name[1]) if isinstance(name, tuple) else ("unix", 0)
        else:
            conn = Connection(PlainTransport(sock), origin, peer, now_s)
        conn.since_s -= arrival.elapsed_s
        conn.protocol = self._worker.http1  # one that speaks TLS cannot move
        conn.phase = arrival.phase
        conn.buffer = arrival.buffer
        return conn

    def _overcome(self, what: str, error: OSError) -> bool:
        """Make room for a connection that could not be taken, or rest for a moment. Returns True if another try may
        succeed."""
        text = f"cannot {what}: {error.strerror}"
        if error.errno in _NO_DESCRIPTORS and self._room.make():
            self._complaints.say(what, f"{text}; idle connections are closed for new ones", level=logging.ERROR)
            return True
        self._complaints.say(what, f"{text}; trying again in {_EXHAUSTED_S} s", level=logging.ERROR)
        if self._sources:
            self._rest(_EXHAUSTED_S)
        return False

    def _peer(self, host: str, relay: Relay = Relay.NONE) -> tuple[bytes, bytes]:
        """Return the host for the log, and padded for the scoreboard: the same objects for all its connections of which
        a PROXY header said as much."""
        key = (host, relay) if relay else host
        peer = self._peers.get(key)
        if peer is None:
            if len(self._peers) >= _MAX_PEERS:
                self._peers.clear()
            peer = self._peers[key] = peer_label(host)
        return peer


def _waits(source: Listener | Adoption) -> bool:
    """Return whether something can be taken there."""
    poller = select.poll()
    poller.register(source.fileno(), select.POLLIN)
    return bool(poller.poll(0))
