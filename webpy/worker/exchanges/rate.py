"""Owns the least rate of bodies and answers (`--min-body-rate`): a slower client is given up.

A client that sends or takes a byte now and then keeps every limit on silence, and would hold memory or a thread for
ever. Only time in which the client is waited for counts, never that of a slow handler. No sockets, no clock.
"""

from __future__ import annotations

__all__ = ["ClientTime", "LeastRate"]

GRACE_S = 10.0  # of waiting, before the rate is looked at


class ClientTime:
    """How long a body or an answer has waited for its client, in one go or several."""

    __slots__ = ("_since_s", "_total_s")

    def __init__(self) -> None:
        self._total_s = 0.0
        self._since_s: float | None = None

    def begin(self, now_s: float) -> None:
        """Begin to wait for the client."""
        if self._since_s is None:
            self._since_s = now_s

    def end(self, now_s: float) -> None:
        """Stop waiting for the client, for now."""
        self._total_s = self.total(now_s)
        self._since_s = None

    @property
    def runs(self) -> bool:
        """Whether the client is waited for now."""
        return self._since_s is not None

    def total(self, now_s: float) -> float:
        """Return how long it has been waited for so far, in seconds."""
        since_s = self._since_s  # read once: the thread that reads a stream may change it meanwhile
        return self._total_s if since_s is None else self._total_s + now_s - since_s


class LeastRate:
    """Tells which clients are too slow. bytes_s: the least bytes a second, 0 for any."""

    __slots__ = ("bytes_s", "grace_s")

    def __init__(self, bytes_s: int, grace_s: float | None = None) -> None:
        self.bytes_s = bytes_s
        self.grace_s = GRACE_S if grace_s is None else grace_s

    def is_missed(self, time: ClientTime, moved_bytes: float, now_s: float) -> bool:
        """Return whether what moved in this time, sent or taken by the client, is too little."""
        waited_s = time.total(now_s)
        return waited_s > self.grace_s and moved_bytes < self.bytes_s * waited_s
