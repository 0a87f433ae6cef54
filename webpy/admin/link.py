"""The link from the admin process to the master: the status, cached for half a second, and commands.

Owns the control connection, which one thread uses at a time, and the last status. Knows nothing of HTTP. Called by
the threads that answer requests and by the sampler.
"""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple, Protocol

__all__ = ["Link", "Master", "NoAnswer", "Snapshot"]

_FRESH_S = 0.5  # the master is asked at most twice a second, however many pages and scrapers there are
_TIMEOUT_S = 2.0  # the master usually answers in milliseconds


class Master(Protocol):
    """What sends commands to the master: a `ControlClient`."""

    def ask(self, command: str, timeout_s: float | None = None, **arguments: Any) -> dict[str, Any]: ...


class NoAnswer(Exception):
    """The master does not answer. The text says why, `since` is the unix time of its last answer (None: never)."""

    def __init__(self, text: str, since: float | None) -> None:
        super().__init__(text)
        self.since = since


class Snapshot(NamedTuple):
    """A status and when it was taken."""

    status: dict[str, Any]
    at: float
    """Unix time."""
    taken_s: float
    """time.monotonic()."""


class Link:
    """The control connection, usable by any thread."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._lock = threading.Lock()
        self._asked_s = float("-inf")
        self._last: Snapshot | None = None
        self._failure = ""

    def snapshot(self) -> Snapshot:
        """Return the status, at most 0.5 s old. Raises NoAnswer."""
        with self._lock:
            # while one thread asks, the others wait here and then share its result
            if time.monotonic() - self._asked_s >= _FRESH_S:
                self._ask_status()
            if self._last is None or self._failure:
                raise NoAnswer(self._failure, self._last.at if self._last else None)
            return self._last

    def command(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a command; return the reply {"ok": bool, "text": str, ...}. Raises NoAnswer."""
        with self._lock:
            try:
                answer = self._master.ask(command, timeout_s=_TIMEOUT_S, **arguments)
            except OSError as error:
                raise NoAnswer(_text_of(error), self._last.at if self._last else None) from None
            self._asked_s = float("-inf")  # so that the next status shows the effect
            return answer

    def _ask_status(self) -> None:
        self._failure = ""
        try:
            answer = self._master.ask("status", timeout_s=_TIMEOUT_S)
            if answer.get("ok"):
                self._last = Snapshot(answer["status"], time.time(), time.monotonic())
            else:
                self._failure = f"the master sends no status: {answer.get('text')}"
        except OSError as error:
            self._failure = _text_of(error)
        self._asked_s = time.monotonic()


def _text_of(error: OSError) -> str:
    return f"the master does not answer: {error}"
