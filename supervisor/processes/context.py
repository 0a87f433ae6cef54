"""What a worker is given: its place on the scoreboard, the listeners, and its channel to the master.

Owns the worker's end of the channel. Knows nothing of how the worker was made, nor of what it serves. Made in the
worker after its fork, and handed to `Application.run`.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ..content import read_content
from ..scoreboard.row import Row
from ..scoreboard.scoreboard import Scoreboard
from .adoption import Adoption
from .forking import MASTER_SIGNALS, leave_to_master
from .messages import Message, Packet, receive, send

__all__ = ["Application", "Context", "LoadError", "Means", "Place", "answer_renewal"]


class LoadError(Exception):
    """The application cannot be loaded. Raised by `load`; its text is shown without a traceback, as it says all."""


class Application(Protocol):
    """What a supervisor supervises.

    It may have an attribute `alone`: once loaded, why only one worker of it can serve; "" if many can. And it may have
    an attribute `renewable` (`content.Renewable`) for what it takes on without a reload.
    """

    def load(self) -> None:
        """Load everything (in the zygote, once a generation). If it raises, the generation has failed to boot, and the
        exception is why."""

    def run(self, context: Context) -> None:
        """Serve until told to stop (in a worker). Returning ends the process with status 0."""

    def lost(self, text: bytes, started: float, row: Row) -> bytes:
        """Return the log record of work that a dead worker left unfinished, b"" for none (in the master).

        `text` is what the worker's activity on the scoreboard said, without padding, `started` its time.monotonic(),
        `row` the dead worker's row. `text` may be any bytes, and this must not raise.
        """


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker stands: its slot among the workers, its generation, and its row of the scoreboard."""

    slot: int
    generation: int
    row: Row


@dataclass(frozen=True, slots=True)
class Means:
    """What a worker works with. A zygote has the same, with its own channel."""

    scoreboard: Scoreboard
    listeners: list[socket.socket]
    """Non-blocking, shared by all workers, in the order of the binds."""
    channel: socket.socket
    """Readable when a message waits, or when the master has died. A worker's is non-blocking."""
    adoption: Adoption | None = None
    """Where connections that leave one worker are taken by another; None for a process that is alone."""
    schemes: list[str] = field(default_factory=list)
    """What the settings say that is spoken at each listener, "" for nothing; empty if they say nothing of any."""


class Context:
    """A worker's place and means. Not for threads: the channel belongs to the thread that leads."""

    __slots__ = ("adoption", "channel", "generation", "listeners", "renew", "row", "schemes", "scoreboard", "slot")

    def __init__(self, place: Place, means: Means, *, waits_for_log: bool = False) -> None:
        """waits_for_log: whether records wait for room in the row's rings (`Lane.attach`)."""
        self.slot = place.slot
        self.generation = place.generation
        self.row = place.row
        self.scoreboard = means.scoreboard
        self.listeners = means.listeners
        self.schemes = means.schemes or [""] * len(means.listeners)
        self.channel = means.channel
        self.adoption = means.adoption
        self.renew: Callable[[bytes], None] | None = None
        """`Renewable.take`: called by `receive` with new content that the master sends; None for a worker that takes
        none."""
        place.row.attach(means.channel.fileno(), waits=waits_for_log)

    def ready(self) -> None:
        """Tell the master that this worker accepts connections."""
        send(self.channel, Message.READY)

    def leave(self) -> None:
        """Close the worker's descriptors and set signals to their defaults. Called in a process that the application
        forked: it must not hold addresses and connections open, and signals may end it."""
        for listener in self.listeners:
            listener.close()
        self.channel.close()
        if self.adoption is not None:
            self.adoption.close()
        for number in MASTER_SIGNALS:
            if signal.getsignal(number) is leave_to_master:
                signal.signal(number, signal.SIG_DFL)

    def receive(self) -> Message | None:
        """Return the next message of the master, None if there is none now. Once the master has died it is always
        ORPHANED."""
        packet = receive(self.channel)
        if packet is None:
            return None
        if packet.message is Message.RENEW:
            answer_renewal(self.channel, packet, self.renew)
        elif packet.descriptor >= 0:
            os.close(packet.descriptor)
        return packet.message


def answer_renewal(
    channel: socket.socket, packet: Packet, take: Callable[[bytes], None] | None, facts: Callable[[], bytes] = bytes
) -> None:
    """Have `take` use the content that a RENEW message brings, and tell the master how that went (in a zygote or a
    worker). facts: called for the text that goes with RENEWED."""
    refusal = ""
    try:
        if packet.descriptor < 0:
            refusal = "there are too many open files to take it"
        elif take is None:
            os.close(packet.descriptor)
            refusal = "it takes no new content"
        else:
            take(read_content(packet.descriptor))
    except (OSError, ValueError) as error:
        refusal = str(error)
    except Exception as error:
        refusal = f"{type(error).__name__}: {error}"
    answer = Message.REFUSED if refusal else Message.RENEWED
    text = refusal.encode("utf-8", "backslashreplace") if refusal else facts()
    send(channel, answer, packet.number, text)
