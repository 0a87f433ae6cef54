"""The load: many keep-alive clients in one process, with pauses between requests; it reports what became of each.

`python -m tests.chaos.load PLAN` with PLAN a JSON object:

    {"groups": [{"kind": "get", "clients": 20, "address": ["127.0.0.1", 8000], "ca": null, "pad_bytes": 0}, ...],
     "think_s": [0.02, 0.18], "max_s": 60, "patience_s": 10, "run": "a", "ends_when_refused": false}

Owns the loop and the records of results, which are:

    answered           a complete answer of 200 that names the request
    lost               part of the request was sent, and no complete answer was received: with the reason, and how far
    wrong              a complete answer that is not the one wanted
    closed while idle  the connection ended while no request was outstanding; nothing is lost by that
    told to close      the answer said `Connection: close`
    refused            the connection, or TLS on it, could not be established

Every request has a unique name (RUN-CLIENT-NUMBER) in its path, by which it is found in the access log. Standard output
gets one JSON object a line: {"ready": true} when every client has had its first answer, the counts so far for every
line `count` on standard input, and the report after `stop`, the end of standard input, or `max_s` seconds. Knows
nothing of webpy but the paths of app.py. Run by rig.Load, in a process of its own so that its GIL and garbage
collection do not disturb the tests.
"""

from __future__ import annotations

import gc
import heapq
import json
import os
import random
import select
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from .client import Client

NOTES = ("lost", "wrong", "closed_idle", "told_to_close", "refused")
SLOW_S = 0.1  # what takes longer is in the report with its time
START_S = 0.3  # in which the clients begin, so that they do not all come at once

_mono = time.monotonic


class Load:
    """All clients, their loop, and the records of results."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.run: str = plan["run"]
        self.patience_s: float = plan["patience_s"]
        self.ends_when_refused: bool = plan.get("ends_when_refused", False)
        self._think_s: tuple[float, float] = tuple(plan["think_s"])
        self._max_s: float = plan["max_s"]
        self._chance = random.Random(plan["run"])
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_number = 0
        self.epoll = select.epoll()
        self._watched: dict[int, Client] = {}
        self.stopping = False
        self._said_ready = False
        self._late_s = 0.0
        self._names: list[str] = []
        self._notes: dict[str, list[dict[str, object]]] = {what: [] for what in NOTES}
        self._counts: dict[str, Counter[str]] = {"kinds": Counter(), "versions": Counter(), "pids": Counter()}
        self._waits: dict[str, list[float]] = {}
        self._worst: tuple[float, str, float] = (0.0, "", 0.0)
        self._worst_by_pid: dict[str, float] = {}
        self._slow: list[tuple[float, float, str]] = []
        groups = [group for group in plan["groups"] for _ in range(group["clients"])]
        self._clients = {Client(self, number, group) for number, group in enumerate(groups)}
        self._unheard = set(self._clients)

    # -- what clients use ----------------------------------------------------------------------------------------------

    def context(self, ca: str) -> ssl.SSLContext:
        """Return the context for an authority's file; cached, as making one takes milliseconds."""
        if ca not in self._contexts:
            context = self._contexts[ca] = ssl.create_default_context(cafile=ca)
            context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # which Python 3.11.2 sets
        return self._contexts[ca]

    def thinking_s(self) -> float:
        """Return how long a client pauses before its next request."""
        return self._chance.uniform(*self._think_s)

    def after(self, delay_s: float, step: Callable[[], None]) -> None:
        """Call `step` after `delay_s` seconds."""
        self._timer_number += 1
        heapq.heappush(self._timers, (_mono() + delay_s, self._timer_number, step))

    def watch(self, client: Client, fd: int, events: int) -> None:
        """Call client.ready on these events of `fd`."""
        self._watched[fd] = client
        self.epoll.register(fd, events)

    def forget(self, fd: int) -> None:
        """End `watch`, before the descriptor is closed."""
        self.epoll.unregister(fd)
        del self._watched[fd]

    def measured(self, kind: str, seconds: float, name: str) -> None:
        """Record how long a client had to wait for the server at a time."""
        self._waits.setdefault(kind, []).append(seconds)
        if seconds > self._worst[0]:
            self._worst = (seconds, name, _mono())
        if seconds > SLOW_S:
            self._slow.append((_mono(), seconds, f"{kind} {name}"))

    def note(self, what: str, client: Client, **facts: object) -> None:
        """Record a result; what: one of NOTES."""
        own = {"kind": client.kind, "tls": client.over_tls, "pid": client.pid, "at": _mono()}
        self._notes[what].append(own | facts)

    def answered(self, client: Client, name: str, version: str, pid: str, wait_s: float) -> None:
        """Record a complete answer of the application's `version` from process `pid`."""
        self._names.append(name)
        self._worst_by_pid[pid] = max(wait_s, self._worst_by_pid.get(pid, 0.0))
        for what, value in (("kinds", client.kind + "-tls" * client.over_tls), ("versions", version), ("pids", pid)):
            self._counts[what][value] += 1

    def heard(self, client: Client) -> None:
        """Note that a client knows the result of its first request; report ready after the last one."""
        if not self._said_ready:
            self._unheard.discard(client)
            if not self._unheard:
                self._said_ready = True
                _say({"ready": True})

    def ended(self, client: Client) -> None:
        """Remove a client that has ended."""
        self._clients.discard(client)

    # -- the loop ------------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Run until told to stop and the outstanding requests have been answered, or their time is over."""
        for client in self._clients:
            client.think(self._chance.uniform(0, START_S))
        self.after(self._max_s, self._stop)
        os.set_blocking(0, False)
        self.epoll.register(0, select.EPOLLIN)
        while self._clients:
            now = _mono()
            next_s = self._timers[0][0] if self._timers else now + 1.0
            for fd, _event in self.epoll.poll(max(0.0, next_s - now)):
                if fd == 0:
                    self._take_commands()
                elif fd in self._watched:
                    self._watched[fd].ready(_mono())
            now = _mono()
            while self._timers and self._timers[0][0] <= now:
                due_s, _, step = heapq.heappop(self._timers)
                self._late_s = max(self._late_s, now - due_s)
                step()
        _say(self._report())

    def _take_commands(self) -> None:
        text = os.read(0, 4096)
        if not text or b"stop" in text:
            self.epoll.unregister(0)
            self._stop()
        for _ in range(text.count(b"count")):
            _say(self._count())

    def _stop(self) -> None:
        if self.stopping:
            return
        self.stopping = True
        for client in tuple(self._clients):
            if not client.name:
                client.end()
        self.after(self.patience_s, self._give_up)

    def _give_up(self) -> None:
        for client in tuple(self._clients):
            client.give_up("no answer when the time was over")

    def _report(self) -> dict[str, Any]:
        return {
            **self._notes,
            **self._counts,
            "names": self._names,
            "latency": {kind: _summary(waits) for kind, waits in sorted(self._waits.items())},
            "histogram": _histogram([wait for waits in self._waits.values() for wait in waits]),
            "worst_by_pid": self._worst_by_pid,
            "slow": self._slow,
            "worst": {"s": self._worst[0], "name": self._worst[1], "at": self._worst[2]},
            "late_s": self._late_s,  # the client's own: what a latency may be off by
        }

    def _count(self) -> dict[str, int]:
        return {"answered": len(self._names), **{what: len(notes) for what, notes in self._notes.items()}}


def _summary(waits: list[float]) -> dict[str, float]:
    waits = sorted(waits)
    return {
        "count": len(waits),
        "p50_s": waits[len(waits) // 2],
        "p99_s": waits[len(waits) * 99 // 100],
        "worst_s": waits[-1],
    }


def _histogram(waits: list[float]) -> dict[str, int]:
    """Return how many waits took up to 1, 2, 4, 8 … ms."""
    found = Counter(1 << max(0, int(wait * 1000)).bit_length() for wait in waits)
    return {str(ms): found[ms] for ms in sorted(found)}


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    gc.disable()  # for a minute of life; and what it takes would be seen in the latencies
    Load(json.loads(sys.argv[1])).serve()
