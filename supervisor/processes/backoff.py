"""How long to wait before trying again: by default 0.1 s, doubled by every failure up to 30 s, with jitter.

Owns the count of failures; knows nothing of what fails. Each slot has two, each zygote and each sidecar one, in the
master.
"""

from __future__ import annotations

import random

__all__ = ["Backoff"]

FIRST_S = 0.1
LONGEST_S = 30.0


class Backoff:
    """`failures` is how many there were since the last success."""

    __slots__ = ("_first_s", "_longest_s", "failures")

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.failures = 0

    def failed(self) -> float:
        """Count a failure; return the seconds to wait: between three quarters and five quarters of the step."""
        step_s: float = self._first_s * 2 ** min(self.failures, 20)
        self.failures += 1
        return min(self._longest_s, step_s * random.uniform(0.75, 1.25))

    def succeeded(self) -> None:
        """Start again with the shortest wait at the next failure."""
        self.failures = 0
