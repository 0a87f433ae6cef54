"""What the deaths of workers have in common: many of them are summed up, and a request that was there each time is
named.

Owns the memory of the last unwanted deaths. A storm begins with the tenth death within ten seconds; from then on deaths
are counted, and logged once every ten seconds, until they are few again. Knows a request only by the text of its line
on the scoreboard. Used by `reaping`, in the master.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..eventloop import EventLoop, Timer
from ..scoreboard.row import Row
from ..scoreboard.work import WorkState, work_in_progress

__all__ = ["Crashes", "requests_on"]

_STORM_DEATHS = 10
_STORM_S = 10.0
_FEW = 3  # fewer deaths than this in _STORM_S end the storm
_SAME = 5  # a request that was running in so many deaths, one after the other, is named
_NAMED_S = 60.0  # a request that was named so lately is not named again
_KNOWN = 100  # requests that are remembered


class Crashes:
    """`report(level, text)` writes to the error log."""

    def __init__(self, loop: EventLoop, report: Callable[[str, str], None]) -> None:
        self._loop = loop
        self._report = report
        self._times: deque[float] = deque(maxlen=_STORM_DEATHS)
        self._together: deque[frozenset[str]] = deque(maxlen=_SAME)
        self._named_at: dict[str, float] = {}
        self._generations: dict[str, int] = {}  # by request, the oldest generation that died of it
        self._summary: Timer | None = None
        self._count = 0
        self._last = ""

    @property
    def storm(self) -> bool:
        """Whether deaths are summed up at present: neither they nor their replacements are logged one by one."""
        return self._summary is not None

    def died(self, text: str, requests: frozenset[str], generation: int) -> None:
        """Log that a worker has died, now or in the next summary. `text` says so, `requests` are those it was
        running."""
        now = self._loop.time()
        if self.storm:
            self._count += 1
            self._last = text
        else:
            self._report("error", text)
            self._times.append(now)
            if len(self._times) == _STORM_DEATHS and now - self._times[0] < _STORM_S:
                self._begin_storm()
        self._find_culprit(requests, generation, now)

    def killed_older_workers(self, generation: int, requests: frozenset[str]) -> bool:
        """Return whether workers of an older generation died while they ran one of these requests: then this generation
        is not to blame."""
        return any(self._generations.get(each, generation) < generation for each in requests)

    def _begin_storm(self) -> None:
        text = f"{_STORM_DEATHS} workers died within {_STORM_S:g} s: from now on deaths are counted"
        self._report("error", f"{text}, and logged every {_STORM_S:g} s")
        self._times.clear()
        self._summary = self._loop.after(_STORM_S, self._sum_up)

    def _sum_up(self) -> None:
        if self._count:
            self._report("error", f"{self._count} workers died in the last {_STORM_S:g} s; the last, {self._last}")
        calm = self._count < _FEW
        self._count = 0
        self._summary = None if calm else self._loop.after(_STORM_S, self._sum_up)

    def _find_culprit(self, requests: frozenset[str], generation: int, now: float) -> None:
        self._together.append(requests)
        for each in requests:
            self._generations.setdefault(each, generation)
        while len(self._generations) > _KNOWN:
            del self._generations[next(iter(self._generations))]
        if len(self._together) < _SAME:
            return
        self._named_at = {each: at for each, at in self._named_at.items() if now - at < _NAMED_S}
        for each in sorted(frozenset.intersection(*self._together) - self._named_at.keys()):
            self._named_at[each] = now
            self._report("error", f"{each} was running in the last {_SAME} workers that died")


def requests_on(row: Row) -> frozenset[str]:
    """Return the requests that threads of a worker were running, as its row says: method and path, without client
    address and query. A request that waited for a thread or for its client cannot have killed the worker."""
    on_a_thread = (WorkState.RUNNING, WorkState.PROGRESSING)
    texts = (work.text.split() for work in work_in_progress(row) if work.state in on_a_thread)
    return frozenset(" ".join(words[1:3] or words).partition("?")[0] for words in texts if words)
