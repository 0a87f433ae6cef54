"""What a worker is given: its place on the scoreboard, the listeners, and its channel to the master.

Owns the worker's end of the channel. Knows nothing of how the worker was made, nor of what it serves. Made in
the worker by the zygote's fork, used by `Application.run`.
"""

from __future__ import annotations

import signal
import socket
from typing import Protocol

from ..scoreboard.row import Row
from ..scoreboard.scoreboard import Scoreboard
from .adoption import Adoption
from .forking import MASTER_SIGNALS, leave_to_master
from .messages import Message, receive, send

__all__ = ["Application", "Context", "LoadError"]


class LoadError(Exception):
    """The application cannot be loaded, and the text tells all: raised by `load`, shown without a traceback."""


class Application(Protocol):
    """What a supervisor supervises.

    It may have an attribute `alone`: once loaded, why no more than one worker of it can serve; "" if many can.
    """

    def load(self) -> None:
        """Load everything (in the zygote, once a generation); an exception is a failed boot and its
        verdict."""

    def run(self, context: Context) -> None:
        """Work until told to stop (in a worker); returning ends the process with status 0."""

    def lost(self, text: bytes, started: float, row: Row) -> bytes:
        """Give the log record of what a dead worker was doing (in the master); b"" for none.

        `text` is what the worker's line said, without its padding, `started` its time.monotonic(), `row` the
        dead worker's row. It is called for whatever bytes stand there and must not raise.
        """


class Context:
    """A worker's means. Not for threads: the channel belongs to the one that leads."""

    __slots__ = ("adoption", "channel", "generation", "listeners", "row", "scoreboard", "slot")

    slot: int
    generation: int
    row: Row
    scoreboard: Scoreboard
    listeners: list[socket.socket]
    """Non-blocking, shared by all workers, in the order of the binds."""
    channel: socket.socket
    """Non-blocking; readable when a message waits, or when the master has died."""
    adoption: Adoption | None
    """Where connections that leave one worker are taken by another; None for a process that is alone."""

    def __init__(
        self,
        slot: int,
        generation: int,
        row: Row,
        scoreboard: Scoreboard,
        listeners: list[socket.socket],
        channel: socket.socket,
        adoption: Adoption | None = None,
        *,
        waits_for_log: bool = False,
    ) -> None:
        """waits_for_log: whether records wait for room in the row's rings, see `Lane.attach`."""
        self.slot = slot
        self.generation = generation
        self.row = row
        self.scoreboard = scoreboard
        self.listeners = listeners
        self.channel = channel
        self.adoption = adoption
        row.attach(channel.fileno(), waits=waits_for_log)

    def ready(self) -> None:
        """Tell the master that this worker accepts connections."""
        send(self.channel, Message.READY)

    def leave(self) -> None:
        """Close what belongs to the worker, and have signals do what they do by default (in a process that the
        application forked: it must not keep addresses and connections open, and it may be ended)."""
        for listener in self.listeners:
            listener.close()
        self.channel.close()
        if self.adoption is not None:
            self.adoption.close()
        for number in MASTER_SIGNALS:
            if signal.getsignal(number) is leave_to_master:
                signal.signal(number, signal.SIG_DFL)

    def receive(self) -> Message | None:
        """Give the next message, or None if there is none now; ORPHANED, for ever, once the master has
        died."""
        packet = receive(self.channel)
        return None if packet is None else packet.message
