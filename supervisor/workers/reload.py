"""A reload as a transaction: settings read anew, a new generation booted, slots replaced, or nothing changed.

Owns the phases, one reload at a time; what is asked for meanwhile becomes one more. Whoever asked gets the
verdict. Knows nothing of signals or sockets. Runs in the master.

    IDLE -> WAITING (workers of the last reload still end) -> BOOTING (the zygote) -> ROLLING (the slots)
         -> PROVING (a moment in which its workers must not die) -> IDLE, or -> UNDOING (the slots again) ->
         IDLE
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Protocol

from ..eventloop import EventLoop, Timer
from .fleet import Fleet, Worker
from .generation import Generation

__all__ = ["Phase", "Reload", "Reloads", "Verdict"]

_STRAY_DEATHS = 1  # one young death may be an operator's kill; the next one is the new generation's own doing


class Phase(Enum):
    """What a reload is at."""

    IDLE = "none"
    WAITING = "waiting for workers of the last one to end"
    BOOTING = "loading the application"
    ROLLING = "replacing workers"
    PROVING = "seeing whether the new workers live"
    UNDOING = "going back to the generation before"


@dataclass(slots=True, frozen=True)
class Verdict:
    """How a reload ended: `text` says what is wrong if not `ok`."""

    ok: bool
    generation: int
    text: str
    at: float = field(default_factory=time.time)
    """Unix time."""


Asker = Callable[[Verdict], None]


class Reload(Protocol):
    """What the master does for a reload."""

    def prepare(self, number: int) -> Generation:
        """Read the settings and make generation `number`; an exception changes nothing."""

    def commit(self, new: Generation) -> None:
        """The new one is in force."""

    def undo(self, new: Generation | None, why: str) -> None:
        """The old one is in force again, or still; None if the settings were wrong already."""


class Reloads:
    """`request` asks for one; the other methods are told what happened."""

    def __init__(
        self, loop: EventLoop, fleet: Fleet, master: Reload, say: Callable[[str, str], None]
    ) -> None:
        self.phase = Phase.IDLE
        self.last: Verdict | None = None
        self._loop = loop
        self._fleet = fleet
        self._master = master
        self._say = say
        self._asked: list[Asker] = []
        self._askers: list[Asker] = []
        self._wanted = False
        self._number = 1
        self._old: Generation | None = None
        self._new: Generation | None = None
        self._deaths = 0
        self._failure = ""
        self._wanted_before = 0
        self._preflight: Timer | None = None

    @property
    def number(self) -> int:
        """Of the generation that came last, whether it serves or not."""
        return self._number

    def count_from(self, number: int) -> None:
        """Number the next generation after `number`, which was loaded without a reload."""
        self._number = number

    def keep(self) -> dict[str, Any]:
        """Give the number and the last verdict as JSON takes it, for the program that replaces the master's."""
        return {"number": self._number, "last": None if self.last is None else asdict(self.last)}

    def adopt(self, kept: Mapping[str, Any]) -> None:
        """Take on what `keep` gave."""
        self._number = kept["number"]
        self.last = None if kept["last"] is None else Verdict(**kept["last"])

    def request(self, asker: Asker | None = None) -> None:
        """Ask for a reload; during one, for one more after it."""
        if asker is not None:
            self._asked.append(asker)
        if self._wanted:
            return
        self._wanted = True
        if self.phase is Phase.IDLE:
            self._begin()
        else:
            self._say("info", f"reload asked for during a reload ({self.phase.value}): one more follows")

    def _begin(self) -> None:
        if len(self._fleet.generations()) > 1:
            self.phase = Phase.WAITING
            return
        assert self._fleet.target is not None
        self._wanted = False
        self._askers, self._asked = self._asked, []
        self._deaths = 0
        self._failure = ""
        self._old = self._fleet.target
        self._wanted_before = self._fleet.wanted
        self._number += 1
        self._say("info", f"reload: generation {self._number}")
        self.phase = Phase.BOOTING
        try:
            self._new = self._master.prepare(self._number)
        except Exception as error:
            self._failure = f"{type(error).__name__}: {error}"
            self._end()
            return
        self._new.boot()

    # -- what happens ----------------------------------------------------------------------------------------

    def zygote_ready(self, generation: Generation) -> None:
        """A generation's zygote can fork."""
        if self.phase is not Phase.BOOTING or generation is not self._new:
            return
        assert self._old is not None
        changed = generation.config.workers != self._old.config.workers  # else what TTIN and TTOU made of it stands
        wanted = generation.config.workers if changed else self._fleet.wanted
        if generation.alone and wanted > 1:
            self._failure = f"{wanted} workers: {generation.alone}"
            self._end()
            return
        self.phase = Phase.ROLLING
        self._fleet.wanted = wanted
        self._fleet.target = generation

    def zygote_failed(self, verdict: str) -> None:
        """The new generation's zygote did not become ready."""
        if self.phase is Phase.BOOTING:
            self._failure = verdict
            self._end()

    def settled(self) -> None:
        """Every slot is held by a READY worker of the generation wanted."""
        if self.phase is Phase.ROLLING and self._fleet.target is not None:
            self.phase = Phase.PROVING
            self._preflight = self._loop.after(self._fleet.target.config.healthy_after_s, self._proved)
        elif self.phase is Phase.UNDOING:
            self._end()

    def worker_failed(self, worker: Worker, cause: str) -> None:
        """A worker died before READY or soon after."""
        if self.phase not in (Phase.ROLLING, Phase.PROVING) or worker.generation is not self._new:
            return
        self._deaths += 1
        self._stop_proof()
        self.phase = Phase.ROLLING
        if self._deaths <= _STRAY_DEATHS:
            return
        last = f"the last, {worker.child.title}, {cause}"
        self._failure = f"{self._deaths} workers of the new generation died young; {last}"
        self._say("error", f"reload: {self._failure}; going back")
        self.phase = Phase.UNDOING
        self._fleet.target = self._old
        self._fleet.wanted = self._wanted_before
        for slot in self._fleet.slots:  # the old generation is known to be good
            if slot.again is not None:
                slot.again.cancel()
                slot.again = None

    def worker_gone(self) -> None:
        """A worker has ended."""
        if self.phase is Phase.WAITING:
            self._begin()

    def abandon(self) -> None:
        """Give up, as everything stops."""
        self._stop_proof()
        if self._new is not None and self._new is not self._fleet.target:
            self._new.close(at_once=True)
        if self._old is not None and self._old is not self._fleet.target:
            self._old.close()
        self._askers += self._asked
        self._asked = []
        if self.phase is not Phase.IDLE:
            self._tell(Verdict(False, self._number, "the master is stopping"))
        self.phase = Phase.IDLE

    # -- the end ---------------------------------------------------------------------------------------------

    def _stop_proof(self) -> None:
        if self._preflight is not None:
            self._preflight.cancel()
            self._preflight = None

    def _proved(self) -> None:
        self._preflight = None
        self._end()

    def _end(self) -> None:
        old, new, failure = self._old, self._new, self._failure
        assert old is not None
        self._old = self._new = None
        self.phase = Phase.IDLE
        if failure:
            if new is not None:
                new.close()
            self._master.undo(new, failure)
            self._say("error", f"reload failed, generation {old.number} serves on: {failure}")
            self._tell(Verdict(False, old.number, failure))
        elif new is not None:
            old.close()
            self._master.commit(new)
            self._say("info", f"reload done: generation {new.number} serves")
            self._tell(Verdict(True, new.number, ""))
        if self._wanted:
            self._wanted = False
            self.request()

    def _tell(self, verdict: Verdict) -> None:
        self.last = verdict
        askers, self._askers = self._askers, []
        for asker in askers:
            asker(verdict)
