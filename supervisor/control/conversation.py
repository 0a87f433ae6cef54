"""What is said on one control connection: a JSON object a line, and for each exactly one as its reply, in order.

Owns the framing, and the bounds that keep a client from holding up the master: a line is so long, an answer is kept
until it is taken and the next request not looked at before, and one request is run in a turn of the loop. A request's
"id" is given back. Knows nothing of who may connect (`control`) nor of what commands mean (`commands`). Runs on the
master's loop.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from ..eventloop import EventLoop

__all__ = ["LINE_BYTES", "Answer", "Conversation", "Run"]

Answer = Callable[[dict[str, Any]], None]
"""Takes the reply {"ok": bool, "text": str, ...}; may be called later, once."""

Run = Callable[[dict[str, Any], Answer, str], None]
"""Runs a request; the last argument says who asks."""

LINE_BYTES = 1 << 16
_READ_BYTES = 1 << 16
_WRITE_BYTES = 1 << 18


class Conversation:
    """With one client, on `sock`, which does not block; `closed` is called with it at its end."""

    __slots__ = (
        "_closed",
        "_loop",
        "_received",
        "_run_request",
        "_scheduled",
        "_serial",
        "_unsent",
        "_watched",
        "bounded",
        "command",
        "ended",
        "id",
        "last",
        "socket",
        "who",
    )

    def __init__(
        self,
        sock: socket.socket,
        who: str,
        loop: EventLoop,
        run: Run,
        closed: Callable[[Conversation], None],
        *,
        bounded: bool,
    ) -> None:
        self.socket = sock
        self.who = who
        self.bounded = bounded
        """Whether it may be closed for being idle, or to make room."""
        self.command = ""
        """What is being run."""
        self.id: Any = None
        self.ended = False
        """Whether nothing more will come, or be looked at."""
        self.last = time.monotonic()
        self._loop = loop
        self._run_request = run
        self._closed = closed
        self._received = b""
        self._unsent = memoryview(b"")
        self._serial = 0
        self._scheduled = False
        self._watched = ""
        self._settle()

    def close(self) -> None:
        self._watch("")
        self.socket.close()
        self._closed(self)

    def await_answer(self, command: str, number: Any) -> Answer:
        """Be as if `command` were being run; give what takes its reply."""
        self.command, self.id = command, number
        self._serial += 1
        serial = self._serial
        self._settle()
        return lambda reply: self._answer(serial, reply)

    # -- in ----------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = self.socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        self.last = time.monotonic()
        self._received += data
        if not data:
            self.ended = True
            if _hung_up(self.socket):  # not only has it said all: it hears nothing either
                self.close()
                return
        self._settle()

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
        self._settle()

    def _run(self, line: bytes) -> None:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            self._send({"ok": False, "text": f"{line[:80]!r} is no request: a JSON object on a line is wanted"})
            return
        number = request.pop("id", None)
        answer = self.await_answer(str(request.get("command"))[:80] or "?", number)
        try:
            self._run_request(request, answer, self.who)
        except Exception as error:
            answer({"ok": False, "text": f"the master failed: {type(error).__name__}: {error}"})
            raise  # the loop logs it

    # -- out ---------------------------------------------------------------------------------------------------

    def _answer(self, serial: int, reply: dict[str, Any]) -> None:
        if serial != self._serial or not self.command or self.socket.fileno() < 0:
            return
        number, self.command, self.id = self.id, "", None
        self._send(reply if number is None else {**reply, "id": number})
        if self.socket.fileno() >= 0:
            self._settle()

    def _send(self, reply: dict[str, Any]) -> None:
        self._unsent = memoryview(json.dumps(reply).encode() + b"\n")
        self._write()

    def _writable(self) -> None:
        self._write()
        if self.socket.fileno() >= 0:
            self._settle()

    def _write(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent[:_WRITE_BYTES]) :]
                self.last = time.monotonic()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()

    # -- what is waited for ------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Watch what can come next."""
        if self.socket.fileno() < 0:
            return
        if self._unsent:
            self._watch("write")
        elif self.command:
            self._watch("" if self.ended or len(self._received) > LINE_BYTES else "read")
        elif self.ended or b"\n" in self._received or len(self._received) > LINE_BYTES:
            self._watch("")
            if not self._scheduled:  # by way of the loop, where others have their turn between two requests
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
    poll = select.poll()
    poll.register(sock, 0)  # an end in both directions is always told
    return bool(poll.poll(0))
