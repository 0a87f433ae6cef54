"""The recent events, for the status: a short list of what happened, and how many restarts had which cause.

Owns both, in the master's memory. Knows nothing of processes, logs or sockets. Most parts of the master add to it, the
status reads it, and an upgrade hands it over.

    kinds: start ready death reload reload-failed recycle hang slow scale drain stop upgrade upgrade-failed sidecar
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

__all__ = ["Events"]

_MAX_EVENTS = 256
_TEXT_CHARACTERS = 2000  # a traceback's end says most

Fact = int | str | float


class Events:
    """`recent`: dicts {"at": unix time, "kind", "text", **facts}, oldest first. `counts`: restarts by cause."""

    __slots__ = ("counts", "recent")

    def __init__(self) -> None:
        self.recent: deque[dict[str, Fact]] = deque(maxlen=_MAX_EVENTS)
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, text: str, **facts: Fact) -> None:
        """Add an event; `facts` are for programs that read the status: slot=3, pid=4711."""
        if len(text) > _TEXT_CHARACTERS:
            text = "…" + text[-_TEXT_CHARACTERS:]
        self.recent.append({"at": time.time(), "kind": kind, "text": text, **facts})

    def count(self, cause: str) -> None:
        """Count a worker that ended because of `cause` and is replaced."""
        self.counts[str(cause)] += 1

    def keep(self) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it."""
        return {"recent": list(self.recent), "counts": dict(self.counts)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Add what `keep` returned (in the program that took over)."""
        self.recent.extendleft(reversed(state.get("recent", ())))
        self.counts.update(state.get("counts", {}))
