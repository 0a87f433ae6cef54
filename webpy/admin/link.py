"""The one way from the admin process to its master: the status, not asked for too often, and commands.

Owns the control connection, which one thread uses at a time, and the last status. Knows nothing of HTTP. Called by
the threads that answer requests and by the sampler.
"""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple, Protocol

__all__ = ["Link", "Master", "NoAnswer", "Snapshot"]

_FRESH_S = 0.5  # however many pages and scrapers ask, the master is asked at most twice a second
_PATIENCE_S = 2.0  # a master that is there answers in milliseconds


class Master(Protocol):
    """Whoever passes commands on: `ControlClient`."""

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
    """The control connection, for any thread."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._lock = threading.Lock()
        self._asked_s = float("-inf")
        self._last: Snapshot | None = None
        self._trouble = ""

    def snapshot(self) -> Snapshot:
        """The status, at most 0.5 s old. Raises NoAnswer."""
        with self._lock:
            # while one thread waits for the master the others wait here, and then share what came of it
            if time.monotonic() - self._asked_s >= _FRESH_S:
                self._look()
            if self._last is None or self._trouble:
                raise NoAnswer(self._trouble, self._last.at if self._last else None)
            return self._last

    def command(self, command: str, **arguments: Any) -> dict[str, Any]:
        """What the master answers to a command: {"ok": bool, "text": str, ...}. Raises NoAnswer."""
        with self._lock:
            try:
                answer = self._master.ask(command, timeout_s=_PATIENCE_S, **arguments)
            except OSError as error:
                raise NoAnswer(_words(error), self._last.at if self._last else None) from None
            self._asked_s = float("-inf")  # the next status shows what has come of it
            return answer

    def _look(self) -> None:
        self._trouble = ""
        try:
            answer = self._master.ask("status", timeout_s=_PATIENCE_S)
            if answer.get("ok"):
                self._last = Snapshot(answer["status"], time.time(), time.monotonic())
            else:
                self._trouble = f"the master gives no status: {answer.get('text')}"
        except OSError as error:
            self._trouble = _words(error)
        self._asked_s = time.monotonic()


def _words(error: OSError) -> str:
    return f"the master does not answer: {error}"
