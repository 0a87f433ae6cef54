"""Owns the sharing of connections among workers: whether this one may accept now, or leaves what waits to others.

All workers wait at the same listeners. Connections that last are shared by their number, which every worker shows on
the scoreboard: one that has more than its share leaves what waits to those with fewer, for a moment. Connections that
end at once are not counted, as how many there are at one instant says nothing of the next: then as many workers listen
as there are CPUs, in turn, since more would only wake one another. After a worker has died all listen for a while: the
next to die may be one that the others left a connection to. Knows nothing of sockets. The leader's.

Measured (CPU of a connection and its request; wrk -c16, workers on one CPU): one worker 44.9 µs; 2 and 4 workers
47.0 and 50.0; all listening always, 52.1 and 64.4; left to those with fewer, as connections that last are, 252.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from ...settings import effective_cpus
from ...supervisor import CLOSED, Cell
from .connection import Phase

if TYPE_CHECKING:
    from ..parts import Parts
    from .connection import Connection

__all__ = ["Sharing"]

_WINDOW = 32  # connections taken between two looks at what has become of earlier ones
_WINDOW_S = 0.25  # in which they must have come: when fewer come, they can be counted however short they are
_KEPT = 4 * _WINDOW  # connections that are looked at; under way may be three quarters of these
_STANDSTILL_S = 0.05  # a worker that was left connections for so long and takes none is stopped or hangs
_AFTERMATH_NS = 5_000_000_000  # a worker that died since then may not be the last


class Sharing:
    """Compares this worker's connections with those of the others."""

    def __init__(self, parts: Parts) -> None:
        self._conns = parts.table.by_fd
        self._row = parts.row
        self._scoreboard = parts.context.scoreboard
        self._cpus = effective_cpus()
        self._short = False  # what the last look found
        self._recent: deque[Connection] = deque(maxlen=_KEPT)
        self._taken = 0  # since the last look
        self._had = 0  # connections at the last look
        self._look_s = float("-inf")
        self._waited_for: dict[int, tuple[int, int, float]] = {}  # rows: what they showed, and since when

    def took(self, conn: Connection) -> None:
        """Note a connection that was taken."""
        self._recent.append(conn)
        self._taken += 1
        if self._taken < _WINDOW:
            return
        now_s = time.monotonic()
        many = now_s - self._look_s <= _WINDOW_S
        have = len(self._conns)
        stayed, self._had = have - self._had, have  # of those taken now: clients may just have changed their way
        self._taken, self._look_s = 0, now_s
        ended = sum(each.phase == Phase.CLOSED for each in islice(self._recent, _WINDOW))
        self._short = many and 2 * ended >= _WINDOW > 2 * stayed
        if not many:
            self._recent.clear()

    @property
    def short(self) -> bool:
        """Whether many connections come, and most of them end at once."""
        return self._short and time.monotonic() - self._look_s <= _WINDOW_S

    def leaves_to_fewer(self) -> bool:
        """Return whether a connection that waits now is for a worker that has fewer (before it is taken)."""
        if self.short:
            return False
        mine, load = len(self._conns), self._scoreboard.load
        if not _exceeds(mine, min(load)):
            return False
        return self._waits_for([index for index, count in enumerate(load) if _exceeds(mine, count)], 1)

    def leaves_to_enough(self) -> bool:
        """Return whether those that listen are enough without this one (after it took some)."""
        if not self.short:
            return False
        load = self._scoreboard.load.tolist()
        if len(load) - load.count(CLOSED) <= self._cpus:
            return False
        mine = self._row.index
        others = {index: count for index, count in enumerate(load) if count != CLOSED and index != mine}
        if min(others.values()) > len(self._conns) + _WINDOW:
            return False  # theirs last by now, which this one could not learn of the few that it takes
        return self._waits_for(others, self._cpus)

    def others_listen(self) -> bool:
        """Return whether any other worker accepts now."""
        load = self._scoreboard.load.tolist()
        return len(load) - load.count(CLOSED) > 1

    def any_died(self) -> bool:
        """Return whether any worker stands in for one that died lately, perhaps of a request that will come again."""
        now_ns = time.monotonic_ns()
        return any(0 <= now_ns - row.cells[Cell.DEATH_NS] < _AFTERMATH_NS for row in self._scoreboard.rows)

    def _waits_for(self, indexes: Iterable[int], least: int) -> bool:
        """Return whether at least so many of these workers are alive: since a connection was left to them, they took
        one or gave a heartbeat."""
        now_s, rows = time.monotonic(), self._scoreboard.rows
        live = 0
        shown = {}
        for index in indexes:
            cells = rows[index].cells
            accepted, beat_ns = cells[Cell.ACCEPTED], cells[Cell.HEARTBEAT_NS]
            seen = self._waited_for.get(index)
            if seen is None or seen[:2] != (accepted, beat_ns):
                seen = (accepted, beat_ns, now_s)
            shown[index] = seen
            live += now_s - seen[2] < _STANDSTILL_S
        self._waited_for = shown
        return live >= least


def _exceeds(mine: int, other: int) -> bool:
    """Return whether `mine` is more than this worker's share: an eighth above the other's."""
    return mine > other + 1 + (other >> 3)
