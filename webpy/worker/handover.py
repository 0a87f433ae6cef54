"""Owns the handing over of connections: what one worker tells another about a connection that moves.

Knows nothing of when a connection is to move, nor of HTTP. The leader's: of the worker that gives, in `Handover`, and
of the one that takes, in `unpack`. Between the two the connection is in the kernel's hands (`supervisor.Adoption`),
with all that its client sends meanwhile.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from .connection import Phase

if TYPE_CHECKING:
    from ..supervisor import Adoption
    from .connection import Connection
    from .core import Core

__all__ = ["Arrival", "Handover", "pack", "unpack"]

_VERSION = 1
_HEADER = struct.Struct("<BBdHB")  # version, phase, seconds in it, the client's port, bytes of its host
_HOST_BYTES = 255
_MOST_BYTES = 1 << 15  # of what was received and not looked at; with more a connection stays where it is
_MOVABLE = frozenset({Phase.IDLE, Phase.NEW, Phase.HEAD, Phase.PIPELINED})


class Arrival(NamedTuple):
    """What was told of a connection: elapsed_s, how long it had been in its phase."""

    phase: Phase
    elapsed_s: float
    address: tuple[str, int]
    buffer: bytes


def pack(phase: int, elapsed_s: float, address: tuple[str, int], buffer: bytes | bytearray) -> bytes:
    """The message for a connection in this phase; see `Arrival`."""
    host = address[0].encode("utf-8", "backslashreplace")[:_HOST_BYTES]
    return _HEADER.pack(_VERSION, phase, elapsed_s, address[1], len(host)) + host + buffer


def unpack(message: bytes) -> Arrival:
    """What the message tells; raises ValueError, which says what it got, for one of another version of this file."""
    if not message or message[0] != _VERSION:
        raise ValueError(f"a message of version {message[:1].hex() or 'none'} came with it, wanted {_VERSION:02x}")
    if len(message) < _HEADER.size:
        raise ValueError(f"a message of {len(message)} bytes came with it, wanted {_HEADER.size} or more")
    _, phase, elapsed_s, port, length = _HEADER.unpack_from(message)
    if phase not in _MOVABLE:
        raise ValueError(f"a message of phase {phase} came with it, wanted one of {sorted(map(int, _MOVABLE))}")
    end = _HEADER.size + length
    host = message[_HEADER.size : end].decode("utf-8", "replace")
    return Arrival(Phase(phase), elapsed_s, (host, port), message[end:])


class Handover:
    """Gives this worker's connections to whoever takes them (the leader of a worker that drains)."""

    def __init__(self, core: Core, adoption: Adoption) -> None:
        self._core = core
        self._adoption = adoption
        self.full = False  # no more could be given at the last try
        self.failure: OSError | None = None  # none can be given any more

    def give(self, conn: Connection, now_s: float) -> bool:
        """Give a connection that waits for a request, or has begun one; True when it has left.

        A connection that is not in such a phase, is under TLS, or has too much in its buffer stays, and so do all
        while too many wait to be taken.
        """
        if conn.phase not in _MOVABLE or not conn.transport.movable or len(conn.buffer) > _MOST_BYTES:
            return False
        if self.failure is not None:
            return False
        message = pack(conn.phase, max(0.0, now_s - conn.since_s), conn.origin.client_address, conn.buffer)
        try:
            self.full = not self._adoption.give(conn.fd, message)
        except OSError as error:
            self.failure = error
            return False
        if self.full:
            return False
        self._core.let_go(conn)
        return True

    def done(self) -> bool:
        """Whether all that was given has been taken; until then this worker must not end, lest nobody is left to."""
        return not self._adoption.waits
