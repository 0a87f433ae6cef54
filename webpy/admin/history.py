"""The history of the last ten minutes: requests a second by class of status, and their latencies.

Owns the samples and the thread that takes them. Knows nothing of HTTP or of pages: it compares snapshots of the
master's status, whose counters only rise.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import Any

from ..supervisor.scoreboard.latency import bucket_bounds
from .link import Link, NoAnswer, Snapshot

__all__ = ["History", "Sampler", "percentile_ms"]

_STEP_S = 2.0
_MAX_SAMPLES = 300  # ten minutes
_BOUNDS_US = bucket_bounds()

Counts = dict[int, int]


def percentile_ms(counts: Counts, share: float) -> float | None:
    """Return the time in ms that `share` (0 to 1) of the requests did not exceed; None without requests.

    `counts` maps latency buckets to requests. Within a bucket, an eighth wide at most, the time is interpolated.
    """
    wanted = sum(counts.values()) * share
    if wanted <= 0:
        return None
    seen = 0
    for bucket in sorted(counts):
        if seen + counts[bucket] >= wanted:
            first, last = _BOUNDS_US[bucket]
            return round((first + (last + 1 - first) * (wanted - seen) / counts[bucket]) / 1000, 3)
        seen += counts[bucket]
    return None


class History:
    """Samples of the last ten minutes: {"at", "rates": {class: requests/s}, "p50_ms", "p99_ms"}; for any thread."""

    def __init__(self) -> None:
        self._samples: deque[dict[str, Any]] = deque(maxlen=_MAX_SAMPLES)
        self._last: Snapshot | None = None
        self._lock = threading.Lock()

    def add(self, snapshot: Snapshot) -> None:
        """Add a sample of what has happened since the last snapshot."""
        last, self._last = self._last, snapshot
        if last is None or snapshot.taken_s <= last.taken_s:
            return
        seconds = snapshot.taken_s - last.taken_s
        before, now = (each.status["totals"]["by_class"] for each in (last, snapshot))
        rates = {name: round(max(0, count - before.get(name, 0)) / seconds, 2) for name, count in now.items()}
        old, took = _buckets(last.status), _buckets(snapshot.status)
        news = {bucket: count - old.get(bucket, 0) for bucket, count in took.items() if count > old.get(bucket, 0)}
        sample = {
            "at": round(snapshot.at, 1),
            "rates": rates,
            "p50_ms": percentile_ms(news, 0.5),
            "p99_ms": percentile_ms(news, 0.99),
        }
        with self._lock:
            self._samples.append(sample)

    def since(self, at: float) -> list[dict[str, Any]]:
        """Return the samples after the unix time `at`, the oldest first."""
        with self._lock:
            return [sample for sample in self._samples if sample["at"] > at]


def _buckets(status: dict[str, Any]) -> Counts:
    """Return the counts of a status's latency buckets, summed over all classes."""
    sums: Counts = {}
    for counts in status["latency"].values():
        for bucket, count in counts.items():
            sums[int(bucket)] = sums.get(int(bucket), 0) + count
    return sums


class Sampler:
    """A thread that adds a sample every two seconds; while the master does not answer there is a gap."""

    def __init__(self, link: Link, history: History) -> None:
        self._link = link
        self._history = history
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait until it has ended."""
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(NoAnswer):
                self._history.add(self._link.snapshot())
            self._over.wait(_STEP_S)
