"""What happened lately, for whoever asks: a short memory of events, and how many restarts had which cause.

Pure memory of the master; knows nothing of processes, logs or sockets. The fleet, the watchdog, reloads and the
master's commands add; the status reads; an upgrade carries it through the exec (`state`, `restore`).

    kinds: start ready death reload reload-failed recycle hang slow scale drain stop upgrade upgrade-failed sidecar
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

__all__ = ["Events"]

_KEPT = 256
_TEXT_CHARACTERS = 2000  # a traceback's end says most

Fact = int | str | float


class Events:
    """`recent`: dicts {"at": unix time, "kind", "text", **facts}, oldest first. `counts`: restarts by cause."""

    __slots__ = ("counts", "recent")

    def __init__(self) -> None:
        self.recent: deque[dict[str, Fact]] = deque(maxlen=_KEPT)
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, text: str, **facts: Fact) -> None:
        """Remember that something happened; `facts` are for programs: slot=3, pid=4711."""
        if len(text) > _TEXT_CHARACTERS:
            text = "…" + text[-_TEXT_CHARACTERS:]
        self.recent.append({"at": time.time(), "kind": kind, "text": text, **facts})

    def count(self, cause: str) -> None:
        """Count a restart: a worker that ended and is replaced, because of `cause`."""
        self.counts[str(cause)] += 1

    def state(self) -> dict[str, Any]:
        """Give everything as JSON takes it."""
        return {"recent": list(self.recent), "counts": dict(self.counts)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave (in the program that replaced the one before)."""
        self.recent.extendleft(reversed(state.get("recent", ())))
        self.counts.update(state.get("counts", {}))
