"""Owns the handing over of connections: the message with which one worker gives a connection to another.

Knows nothing of when a connection is to move, nor of HTTP. `Handover` is used by the leader of the worker that gives,
`unpack` by that of the worker that takes. In between the connection waits in the kernel (`supervisor.Adoption`), with
all that its client sends meanwhile.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from ...framework.origin import Origin
from .connection import Phase, Relay, RelayedConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...supervisor import Adoption
    from .connection import Connection

__all__ = ["Arrival", "Handover", "pack", "unpack"]

_VERSION = 2
# version, phase, seconds in it, whether the client used HTTPS, relay; port and bytes of the host of client and server
_HEADER = struct.Struct("<BBd?BHBHB")
_HOST_BYTES = 255
_MAX_BYTES = 1 << 15  # of what was received and not looked at; with more a connection stays where it is
_MOVABLE = frozenset({Phase.IDLE, Phase.NEW, Phase.HEAD, Phase.PIPELINED})


class Arrival(NamedTuple):
    """What the message says of a connection.

    elapsed_s: how long it had been in its phase. relay, told_server: of a `RelayedConnection`. The others: of any.
    """

    phase: int
    elapsed_s: float
    origin: Origin
    buffer: bytes | bytearray
    relay: Relay = Relay.NONE
    told_server: tuple[str, int] | None = None


def pack(arrival: Arrival) -> bytes:
    """Return the message that says this."""
    client, scheme, _ = arrival.origin
    server = arrival.told_server or ("", 0)
    hosts = [host.encode("utf-8", "backslashreplace")[:_HOST_BYTES] for host, _ in (client, server)]
    start = _VERSION, arrival.phase, arrival.elapsed_s, scheme == "https", arrival.relay
    header = _HEADER.pack(*start, client[1], len(hosts[0]), server[1], len(hosts[1]))
    return b"".join((header, *hosts, arrival.buffer))


def unpack(message: bytes) -> Arrival:
    """Return what the message says. Raises ValueError for one of another version of this file."""
    if not message or message[0] != _VERSION:
        raise ValueError(f"a message of version {message[:1].hex() or 'none'} came with it, wanted {_VERSION:02x}")
    if len(message) < _HEADER.size:
        raise ValueError(f"a message of {len(message)} bytes came with it, wanted {_HEADER.size} or more")
    _, phase, elapsed_s, secure, relay, port, length, told_port, told_length = _HEADER.unpack_from(message)
    if phase not in _MOVABLE:
        raise ValueError(f"a message of phase {phase} came with it, wanted one of {sorted(map(int, _MOVABLE))}")
    middle = _HEADER.size + length
    end = middle + told_length
    host, told_host = (
        part.decode("utf-8", "replace") for part in (message[_HEADER.size : middle], message[middle:end])
    )
    origin = Origin((host, port), "https" if secure else "http")
    told = (told_host, told_port) if told_host else None
    return Arrival(Phase(phase), elapsed_s, origin, message[end:], Relay(relay), told)


class Handover:
    """Gives this worker's connections to the workers that take them (the leader of a worker that drains)."""

    def __init__(self, adoption: Adoption, let_go: Callable[[Connection], None]) -> None:
        """let_go: called with a connection that has been given."""
        self._let_go = let_go
        self._adoption = adoption
        self.full = False  # no more could be given at the last try
        self.failure: OSError | None = None  # none can be given any more

    def give(self, conn: Connection, now_s: float) -> bool:
        """Give a connection that waits for a request, or has begun one. Returns True when it has left.

        A connection that is not in such a phase, is under TLS, or has too much in its buffer stays; and so do all while
        too many wait to be taken.
        """
        if conn.phase not in _MOVABLE or not conn.transport.movable or len(conn.buffer) > _MAX_BYTES:
            return False
        if self.failure is not None:
            return False
        elapsed_s = max(0.0, now_s - conn.since_s)
        told_server = conn.told_server if isinstance(conn, RelayedConnection) else None
        message = pack(Arrival(conn.phase, elapsed_s, conn.origin, conn.buffer, conn.relay, told_server))
        try:
            self.full = not self._adoption.give(conn.fd, message)
        except OSError as error:
            self.failure = error
            return False
        if self.full:
            return False
        self._let_go(conn)
        return True

    def done(self) -> bool:
        """Return whether all that was given has been taken; until then this worker may have to take it back."""
        return not self._adoption.waits
