"""What a service manager is told: ready, reloading, stopping, a line of status, and that the master's loop still runs.

Owns the protocol of sd_notify(3) and sd_watchdog_enabled(3). Takes the manager's variables out of the environment, so
that programs the application starts cannot speak for the master. Knows nothing of what the states stand for. Used in
the master; without NOTIFY_SOCKET every call does nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping

from ..eventloop import EventLoop, Timer

__all__ = ["NOTIFY_VARIABLES", "Notify"]

NOTIFY_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

_AGAIN_S = 0.1
_MAX_UNSENT = 16
_MAX_STATUS_CHARS = 400


class Notify:
    """The master's messages to its service manager.

    `environment` is that of the process; the variables are taken out of it. `say(level, text)` writes to the error log.
    """

    def __init__(
        self, loop: EventLoop, environment: MutableMapping[str, str], say: Callable[[str, str], None]
    ) -> None:
        self._loop = loop
        self._say = say
        self._given = {name: environment.pop(name) for name in NOTIFY_VARIABLES if name in environment}
        self._address = _address(self._given.get("NOTIFY_SOCKET", ""))
        self._unsent: deque[bytes] = deque(maxlen=_MAX_UNSENT)
        self._again: Timer | None = None
        self._failed = False
        self._status = ""
        self.told_ready = False
        """Whether the manager has been told that the service is up."""
        if self._given.get("NOTIFY_SOCKET") and not self._address:
            wanted = "a path or an abstract socket's @name is wanted"
            say("warning", f"NOTIFY_SOCKET is {self._given['NOTIFY_SOCKET']!r}: {wanted}; nobody is notified")
        self._watchdog_s = _watchdog_s(self._given) if self._address else 0.0
        if self._watchdog_s:
            self._watch()

    @property
    def variables(self) -> Mapping[str, str]:
        """What was taken from the environment, for the next program in this process (an upgrade)."""
        return self._given

    def ready(self, status: str = "", trouble: str = "") -> None:
        """Tell that the service is up: it has started, or a reload has ended, well or not. Of `trouble` the last line
        is added to the status: a traceback ends with what it is about."""
        self.told_ready = True
        self._send("READY=1", status + trouble.rstrip().rpartition("\n")[2])

    def reloading(self, status: str = "") -> None:
        """Tell that a reload begins; `ready` tells its end."""
        if self.told_ready:
            self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", status)

    def stopping(self, status: str = "") -> None:
        """Tell that the service stops."""
        self._send("STOPPING=1", status)

    def status(self, text: str) -> None:
        """Set the line that the service manager shows (`systemctl status`)."""
        if text != self._status:
            self._send("", text)

    def _watch(self) -> None:
        # sent from the loop: if a step of it never ends, the manager restarts the service
        self._send("WATCHDOG=1")
        self._loop.after(self._watchdog_s / 2, self._watch)

    def _send(self, state: str, status: str = "") -> None:
        if not self._address:
            return
        lines = [state] if state else []
        if status:
            self._status = status
            lines.append("STATUS=" + " ".join(status.split())[:_MAX_STATUS_CHARS])
        self._unsent.append("\n".join(lines).encode("utf-8", "backslashreplace"))
        self._flush()

    def _flush(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        while self._unsent:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                    sock.setblocking(False)
                    sock.sendto(self._unsent[0], self._address)
            except BlockingIOError:  # the manager is busy: the messages wait, in order
                self._again = self._loop.after(_AGAIN_S, self._flush)
                return
            except OSError as error:
                if not self._failed:
                    self._say("warning", f"NOTIFY_SOCKET {self._given['NOTIFY_SOCKET']!r}: {error.strerror}")
                self._failed = True
            self._unsent.popleft()


def _address(text: str) -> str:
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _watchdog_s(given: Mapping[str, str]) -> float:
    """Return the time within which the manager wants a sign of life from this process; 0.0 if it wants none."""
    if given.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = given.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdecimal() else 0.0
