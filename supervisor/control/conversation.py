"""One control connection: requests, one JSON object a line, and for each exactly one reply, in order.

Owns the framing, and the limits that keep a client from blocking the master: a line has a maximal length, the next
request is read only after the reply to the last one was sent, and one request is run in a turn of the loop. The reply
repeats the request's "id". Knows nothing of who may connect (`server`) nor of what commands mean (`commands`). Runs on
the master's loop.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ..eventloop import EventLoop

__all__ = ["LINE_BYTES", "Answer", "Conversation", "Peer", "Run"]

Answer = Callable[[dict[str, Any]], None]
"""Sends the reply {"ok": bool, "text": str, ...}; called once, at once or later."""

Run = Callable[[dict[str, Any], Answer, str], None]
"""Runs a request; the last argument is the peer's name."""

LINE_BYTES = 1 << 16
"""Length of the longest request."""

_READ_BYTES = 1 << 16
_WRITE_BYTES = 1 << 18


class Peer(NamedTuple):
    """The other end of a connection."""

    name: str
    """How the log names it."""
    limited: bool = True
    """Whether the connection counts against the limit of connections, and may be closed when it is idle."""


class Conversation:
    """The connection with `peer` on `sock`, which must not block.

    `run` is called for every request, `closed` with the conversation when it has ended.
    """

    __slots__ = (
        "_closed",
        "_loop",
        "_received",
        "_run_request",
        "_scheduled",
        "_serial",
        "_unsent",
        "_watched",
        "command",
        "ended",
        "id",
        "last_s",
        "peer",
        "socket",
    )

    def __init__(
        self,
        sock: socket.socket,
        peer: Peer,
        loop: EventLoop,
        run: Run,
        closed: Callable[[Conversation], None],
    ) -> None:
        self.socket = sock
        self.peer = peer
        self.command = ""
        """The command that is being run, "" for none."""
        self.id: Any = None
        """The "id" of that request."""
        self.ended = False
        """Whether no more requests will be read."""
        self.last_s = time.monotonic()
        """time.monotonic() when bytes were last received or sent."""
        self._loop = loop
        self._run_request = run
        self._closed = closed
        self._received = b""
        self._unsent = memoryview(b"")
        self._serial = 0
        self._scheduled = False
        self._watched = ""
        self._watch_next()

    def close(self) -> None:
        self._watch("")
        self.socket.close()
        self._closed(self)

    def await_answer(self, command: str, number: Any) -> Answer:
        """Go into the state in which `command` is being run; return the function that sends its reply.

        `number` is the request's "id".
        """
        self.command, self.id = command, number
        self._serial += 1
        serial = self._serial
        self._watch_next()
        return lambda reply: self._answer(serial, reply)

    # -- requests ----------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = self.socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        self.last_s = time.monotonic()
        self._received += data
        if not data:
            self.ended = True
            if _hung_up(self.socket):  # closed in both directions: it would not get a reply
                self.close()
                return
        self._watch_next()

    def _take_turn(self) -> None:
        self._scheduled = False
        if self.socket.fileno() < 0 or self.command or self._unsent:
            return
        line, newline, rest = self._received.partition(b"\n")
        if len(line) > LINE_BYTES:
            self._received, self.ended = b"", True
            self._send({"ok": False, "text": f"a request of more than {LINE_BYTES} bytes"})
        elif newline:
            self._received = rest
            self._run(line)
        elif self.ended:
            self.close()
            return
        self._watch_next()

    def _run(self, line: bytes) -> None:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            self._send({"ok": False, "text": f"{line[:80]!r} is not a request: a JSON object on a line is wanted"})
            return
        number = request.pop("id", None)
        answer = self.await_answer(str(request.get("command"))[:80] or "?", number)
        try:
            self._run_request(request, answer, self.peer.name)
        except Exception as error:
            answer({"ok": False, "text": f"the master failed: {type(error).__name__}: {error}"})
            raise  # the loop logs it

    # -- replies ---------------------------------------------------------------------------------------------------

    def _answer(self, serial: int, reply: dict[str, Any]) -> None:
        if serial != self._serial or not self.command or self.socket.fileno() < 0:
            return
        number, self.command, self.id = self.id, "", None
        self._send(reply if number is None else {**reply, "id": number})
        if self.socket.fileno() >= 0:
            self._watch_next()

    def _send(self, reply: dict[str, Any]) -> None:
        self._unsent = memoryview(json.dumps(reply).encode() + b"\n")
        self._write()

    def _writable(self) -> None:
        self._write()
        if self.socket.fileno() >= 0:
            self._watch_next()

    def _write(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent[:_WRITE_BYTES]) :]
                self.last_s = time.monotonic()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()

    # -- events to wait for ------------------------------------------------------------------------------------

    def _watch_next(self) -> None:
        """Watch the socket for what can happen next in this state."""
        if self.socket.fileno() < 0:
            return
        if self._unsent:
            self._watch("write")
        elif self.command:
            self._watch("" if self.ended or len(self._received) > LINE_BYTES else "read")
        elif self.ended or b"\n" in self._received or len(self._received) > LINE_BYTES:
            self._watch("")
            if not self._scheduled:  # through the loop, so that others have their turn between two requests
                self._scheduled = True
                self._loop.after(0, self._take_turn)
        else:
            self._watch("read")

    def _watch(self, what: str) -> None:
        if what == self._watched:
            return
        if self._watched:
            self._loop.forget(self.socket)
        self._watched = what
        if what:
            call = self._writable if what == "write" else self._readable
            self._loop.watch(self.socket, call, write=what == "write")


def _hung_up(sock: socket.socket) -> bool:
    """Return True if the peer has closed both directions."""
    poll = select.poll()
    poll.register(sock, 0)  # POLLHUP is always reported
    return bool(poll.poll(0))
