"""Owns the room for connections: how many a worker may have, of one client too, and which one makes way for another.

At `max_connections` the connections that have waited longest for a request (or for its first byte, the rest of a
handshake, their client to close) are closed for new ones. While none waits so, new ones stay in the listener's queue,
for other workers to take. Looking for the longest idle reads the whole table, so several go at a time. The leader's.
"""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...framework.clients import client_network
from ...supervisor import Cell, open_files
from .connection import Connection, Relay

if TYPE_CHECKING:
    from ...settings import Settings
    from ..log.complaints import Complaints
    from ..parts import Parts

__all__ = ["Room", "room_for"]

_KEPT_FILES = 24  # what a worker has open however many connect: listeners, channel, scoreboard, epoll, logs, a margin
_LEAST = 8  # however few files there may be
_AT_ONCE = 64  # one in so many connections goes at a time
_SPARE_LOOKS = 16  # of the longest idle, as some may have a request waiting
_BARREN_S = 0.1  # until the next look, after no idle connection was found
_UNIX = "unix"


def room_for(settings: Settings) -> int:
    """Return how many connections a worker may have: as set, or three quarters of the files it may open.

    The rest is for bodies in temporary files, files that are served, and the application's own.
    """
    files = max(_LEAST, open_files() - _KEPT_FILES)
    if isinstance(settings.max_connections, int):
        return min(settings.max_connections, files)
    return max(_LEAST, files * 3 // 4)


class Room:
    """The room of one worker."""

    def __init__(self, parts: Parts, complaints: Complaints) -> None:
        self._table = parts.table
        self._cells = parts.row.cells
        self._complaints = complaints
        self._max = room_for(parts.settings)
        self._max_per_client = parts.settings.max_connections_per_client
        self._forwarding = parts.forwarding
        self._clients: dict[str, int] = {}  # connections by `client_network`, when they are counted
        self._barren_until_s = 0.0
        self._told: Callable[[], None] | None = None  # called when a connection goes
        if self._max_per_client:
            self._table.left = self._left

    def full(self) -> bool:
        """Return whether there are as many connections as may be."""
        return len(self._table.by_fd) >= self._max

    def has_any(self) -> bool:
        """Return whether a connection that waits may be taken; makes room for it if that can be done."""
        if not self.full():
            return True
        if not self.make():
            self._complaints.say(
                "full", f"all {self._max} connections (max-connections) are busy; new ones wait to be accepted"
            )
            return False
        self._complaints.say(
            "made room", f"{self._max} connections (max-connections): the longest idle are closed for new ones"
        )
        return True

    def make(self) -> bool:
        """Close the connections that have been idle longest, one or a few. Returns False if none is idle."""
        now_s = time.monotonic()
        if now_s < self._barren_until_s:
            return False
        conns = self._table.by_fd
        count = 1 + len(conns) // _AT_ONCE
        idle = [conn for conn in conns.values() if not conn.parked and conn.protocol.may_make_way(conn)]
        longest = heapq.nsmallest(count + _SPARE_LOOKS, idle, key=_since)
        gone = 0
        for conn in _silent(longest)[:count]:
            self._table.forget(conn)
            gone += 1
        self._cells[Cell.CLOSED_FOR_NEW] += gone
        if not gone:
            self._barren_until_s = now_s + _BARREN_S
        return gone > 0

    def tell_when_any(self, tell: Callable[[], None]) -> None:
        """Call `tell` once when a connection goes."""
        self._told = tell
        self._table.left = self._left

    def refuses(self, host: str, relay: Relay = Relay.NONE) -> bool:
        """Return whether a client has as many connections as it may; counts the refusal."""
        if not self._counts(host, relay):
            return False
        if self._clients.get(client_network(host), 0) < self._max_per_client:
            return False
        self._cells[Cell.REFUSED] += 1
        self._complaints.say(
            "per client",
            f"{host} has {self._max_per_client} connections (max-connections-per-client); more are closed at once",
        )
        return True

    def entered(self, conn: Connection) -> None:
        """Count a connection that was taken, or whose client is known now by a PROXY header."""
        host = conn.origin.client_address[0]
        if self._counts(host, conn.relay):
            client = client_network(host)
            self._clients[client] = self._clients.get(client, 0) + 1

    def _counts(self, host: str, relay: Relay) -> bool:
        """Return whether connections from there are counted: not those of proxies, which carry many clients."""
        if not self._max_per_client or host == _UNIX or relay == Relay.UNNAMED:
            return False
        is_proxy = self._forwarding.trusts_named if relay else self._forwarding.trusts
        return not is_proxy(host)

    def _left(self, conn: Connection) -> None:
        told, self._told = self._told, None
        if not self._max_per_client:
            self._table.left = None
        elif self._counts(conn.origin.client_address[0], conn.relay):
            client = client_network(conn.origin.client_address[0])
            left = self._clients.get(client, 0) - 1
            if left > 0:
                self._clients[client] = left
            else:
                self._clients.pop(client, None)
        if told is not None:
            told()


def _since(conn: Connection) -> float:
    return conn.since_s


def _silent(conns: list[Connection]) -> list[Connection]:
    """Return those that have nothing to read: neither a request that has come meanwhile nor their end."""
    poller = select.poll()
    for conn in conns:
        poller.register(conn.fd, select.POLLIN)
    heard = {fd for fd, _ in poller.poll(0)}
    return [conn for conn in conns if conn.fd not in heard]
