"""Owns the worker's connections: which there are, whether they are listened to, and how each one ends.

Knows nothing of what is said on them: that is their protocol's. The leader's.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...supervisor import CLOSED, Cell
from .connection import Connection, ConnectionProtocol, Phase

if TYPE_CHECKING:
    from ...supervisor import Row, Scoreboard
    from ..lifecycle import Lifecycle
    from ..log.faults import Faults
    from .reactor import Reactor

__all__ = ["ConnectionTable"]


class ConnectionTable:
    """The connections of one worker.

    by_fd: each by its descriptor. left: called with each connection that goes, if it is set.
    """

    __slots__ = ("_faults", "_lifecycle", "_load_shown", "_reactor", "_row", "_scoreboard", "by_fd", "left")

    def __init__(
        self, reactor: Reactor, lifecycle: Lifecycle, faults: Faults, row: Row, scoreboard: Scoreboard
    ) -> None:
        self._reactor = reactor
        self._lifecycle = lifecycle
        self._faults = faults
        self._row = row
        self._scoreboard = scoreboard
        self._load_shown = True
        self.by_fd: dict[int, Connection] = {}
        self.left: Callable[[Connection], None] | None = None

    # -- coming and going ---------------------------------------------------------------------------------------------

    def add(self, conn: Connection, accepted: bool = True) -> None:
        """Take a connection, a new one or (accepted: False) one of another worker.

        Raises OSError if it cannot be watched; it is still the caller's then.
        """
        self._reactor.epoll.register(conn.fd, select.EPOLLIN)
        self.by_fd[conn.fd] = conn
        self._row.cells[Cell.ACCEPTED] += accepted
        self._show_count()

    def forget(self, conn: Connection) -> None:
        """Close a connection, wherever it stands; what it was doing is abandoned."""
        if self._leave(conn):
            conn.transport.close()

    def abort(self, conn: Connection) -> None:
        """Reset a connection, so that the client cannot take what it got for a whole answer."""
        if self._leave(conn):
            conn.transport.abort()

    def let_go(self, conn: Connection) -> None:
        """Give up a connection that another worker has now: nothing of it is ended."""
        self._leave_out(conn)
        conn.phase = Phase.CLOSED
        conn.transport.let_go()
        self._row.cells[Cell.HANDED_OVER] += 1

    def reset(self, conn: Connection, theirs: bool = True) -> None:
        """Reset a connection on which something failed that should never fail. Raises nothing.

        theirs: if a handler runs, the connection is that thread's: it finds the socket shut down, and ends it.
        """
        if conn.phase == Phase.CLOSED:
            return
        try:
            if theirs and conn.phase == Phase.RUNNING:
                conn.transport.shutdown()
            else:
                self.break_off(conn)
        except BaseException as error:
            self._faults.tell(error, "a connection could not be reset")
            self.by_fd.pop(conn.fd, None)
            conn.phase = Phase.CLOSED
            conn.transport.abort()

    def break_off(self, conn: Connection) -> None:
        """Reset a connection that no thread works on, and end its answers."""
        conn.protocol.abandon(conn)
        self.abort(conn)

    def _leave(self, conn: Connection) -> bool:
        """Take a connection out before it is closed; False if that has been done."""
        if conn.phase == Phase.CLOSED:
            return False
        self._leave_out(conn)
        conn.protocol.on_close(conn)
        conn.phase = Phase.CLOSED
        return True

    def _leave_out(self, conn: Connection) -> None:
        self.by_fd.pop(conn.fd, None)  # one that could not be watched is not there
        if not conn.parked:
            # Closing would not do it while another process has the socket too.
            try:  # noqa: SIM105 - contextlib.suppress costs 0.4 µs
                self._reactor.epoll.unregister(conn.fd)
            except OSError:
                pass
        self._show_count()
        if self.left is not None:
            self.left(conn)
        if self._lifecycle.draining and not self.by_fd:
            self._reactor.hurry()

    # -- what they are listened to for --------------------------------------------------------------------------------

    def watch(self, conn: Connection, events: int) -> None:
        """Wait for these events of a connection, parked or not."""
        if conn.parked:
            conn.parked = False
            self._reactor.epoll.register(conn.fd, events)
        else:
            self._reactor.epoll.modify(conn.fd, events)

    def park(self, conn: Connection) -> None:
        """Stop listening to a connection whose handler runs: the client has sent more, or gone."""
        conn.parked = True
        with contextlib.suppress(OSError):
            self._reactor.epoll.unregister(conn.fd)
        if conn.phase == Phase.IDLE:  # the answer left meanwhile, and its thread may not have seen `parked`
            self.watch(conn, select.EPOLLIN)

    def unpark(self, conn: Connection) -> None:
        """Listen again to a connection that was parked when another thread ended its exchange."""
        if conn.parked and conn.phase == Phase.IDLE:  # otherwise `park` has done it, and the next request may run
            self.watch(conn, select.EPOLLIN)

    def hand(self, conn: Connection, protocol: ConnectionProtocol) -> None:
        """Hand a connection that nothing is under way on to another protocol, which gets what was received already."""
        conn.phase = Phase.OTHER
        conn.protocol = protocol
        conn.since_s = time.monotonic()
        received, conn.buffer = bytes(conn.buffer), b""
        if conn.parked:
            self.watch(conn, select.EPOLLIN)
        protocol.on_start(conn, received)

    # -- the load that other workers see ------------------------------------------------------------------------------

    def show_load(self, shown: bool) -> None:
        """Show the other workers how many connections there are here; or that this worker accepts none."""
        self._load_shown = shown
        shows = shown and not self._lifecycle.draining
        self._scoreboard.load[self._row.index] = len(self.by_fd) if shows else CLOSED

    def _show_count(self) -> None:
        count = len(self.by_fd)
        if self._load_shown and not self._lifecycle.draining:
            self._scoreboard.load[self._row.index] = count
        self._row.cells[Cell.CONNECTIONS] = count

    def close_all(self) -> None:
        """Close the descriptors of all connections (in a process that the application forked: otherwise a connection
        would not end with the worker's answer)."""
        for conn in self.by_fd.values():
            conn.transport.let_go()
