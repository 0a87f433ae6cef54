"""The client of the control socket: sends a command to a master and returns its reply.

Owns one connection and the framing of requests and replies. Knows nothing of what commands mean. Used by the command
line, the admin process and that of `--reload`: in any process but the master, from any thread.

    with ControlClient(find_sockets()[0]) as client:
        client.ask("status")["status"]["workers"]
        client.ask("reload", timeout_s=120, wait=True)      # {"ok": False, "text": "...traceback..."}
"""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import time
from types import TracebackType
from typing import Any

from .socketfile import connect, find_sockets

__all__ = ["ControlClient", "ControlError", "find_sockets"]

_READ_BYTES = 1 << 16
_CONNECT_S = 5.0


class ControlError(OSError):
    """No master answers: it cannot be reached, it has ended, or it sent something that is not a reply."""


class ControlClient:
    """A connection to a master. `where` is the path of its control socket, or a socket connected to it.

    Raises ControlError when no master is there. Threads take turns: one that waits for the verdict of a reload makes
    the others wait, so a process with only one connection asks for a reload without `wait` and polls the status.
    """

    def __init__(self, where: str | os.PathLike[str] | socket.socket) -> None:
        if isinstance(where, socket.socket):
            self._socket = where
            self._name = "the master's channel"
        else:
            self._name = os.fspath(where)
            try:
                self._socket = connect(self._name, _CONNECT_S)
            except OSError as error:
                raise ControlError(error.errno, f"{self._name}: {error.strerror or error}") from error
        self._socket.setblocking(False)
        self._turn = threading.Lock()
        self._number = 0
        self._received = bytearray()

    def ask(self, command: str, timeout_s: float | None = None, **arguments: Any) -> dict[str, Any]:
        """Send a command, wait, and return the reply {"ok": bool, "text": str, ...}.

        Raises TimeoutError when it does not come in `timeout_s` seconds (None: no limit); the connection stays usable.
        Raises ControlError when the master has ended.
        """
        give_up = None if timeout_s is None else time.monotonic() + timeout_s
        with self._turn:
            self.begin(command, give_up, **arguments)
            while (reply := self.poll()) is None:
                self._wait(give_up, select.POLLIN)
            return reply

    # -- in two steps, for callers that wait for other things too ------------------------------------------------------

    def begin(self, command: str, give_up: float | None = None, **arguments: Any) -> None:
        """Send a command; `poll` returns its reply. A reply to an earlier command that has not come yet is dropped.

        `give_up` is the time.monotonic() at which TimeoutError is raised if the command cannot be sent.
        """
        self._number += 1
        unsent = memoryview(json.dumps({"command": command, "id": self._number, **arguments}).encode() + b"\n")
        while unsent:
            try:
                unsent = unsent[self._socket.send(unsent) :]
            except BlockingIOError:
                self._wait(give_up, select.POLLOUT)
            except OSError as error:
                if b"\n" in self._received or self._readable():
                    return  # the master sent the reason before it closed
                raise ControlError(error.errno, f"{self._name}: {error.strerror}") from error

    def poll(self) -> dict[str, Any] | None:
        """Return the reply if it has come, else None. Raises ControlError when the master has ended."""
        while True:
            line, newline, rest = self._received.partition(b"\n")
            if newline:
                self._received = rest
                reply = _parsed(bytes(line), self._name)
                if reply.get("id", self._number) == self._number:
                    return reply
                continue
            try:
                data = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                return None
            except OSError as error:
                raise ControlError(error.errno, f"{self._name}: {error.strerror}") from error
            if not data:
                raise ControlError(f"{self._name}: the master has ended")
            self._received += data

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _readable(self) -> bool:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return any(events & select.POLLIN for _, events in poll.poll(0))

    def _wait(self, give_up: float | None, events: int) -> None:
        left_ms = None if give_up is None else max(0.0, give_up - time.monotonic()) * 1000
        poll = select.poll()
        poll.register(self._socket, events)
        if not poll.poll(left_ms):
            raise TimeoutError(f"{self._name}: no answer in time")


def _parsed(line: bytes, name: str) -> dict[str, Any]:
    try:
        reply = json.loads(line)
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        raise ControlError(f"{name}: this is not a master's reply: {line[:80]!r}")
    return reply
