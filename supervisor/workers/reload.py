"""A reload as a transaction: settings read again, a new generation loaded, workers replaced; or nothing has changed.

Owns the phases, one reload at a time; requests during one become one more reload after it. Whoever asked is called with
the verdict. Knows nothing of signals or sockets. Runs in the master.

    IDLE -> WAITING (for workers of the last reload to end) -> BOOTING (the zygote) -> ROLLING (the slots)
         -> PROVING (for a moment the new workers must not die) -> IDLE, or -> UNDOING (the slots again) -> IDLE

The way of a HUP, from the signal to the verdict:

1. `Supervisor._signalled` (supervisor.py) calls `Master.reload` (master.py), as `webpy ctl reload` does; that calls
   `Reloader.request` (this file). (While the first load has failed it calls `FirstLoad.request`, in firstload.py.)
2. `Reloader._begin` has `Installation.prepare` (workers/installation.py) read the settings, and open the listeners,
   logs and control socket that they name. A mistake in them ends the reload here: go to 8.
3. `Reloader._begin` makes a `Generation` (workers/generation.py); its `boot` forks a zygote, which loads the
   application in `Zygote.main` (processes/zygote.py). The master's loop goes on meanwhile.
4. The zygote's READY makes `Generation` call `Reloader._generation_ready`; its death, `Reloader._generation_failed`: go
   to 8.
5. `Reloader._generation_ready` calls `Fleet.set_target` (workers/fleet.py) with the new generation and the number of
   workers. `Fleet.reconcile` replaces the workers one slot at a time: a new one is forked and becomes READY, then the
   old one is told to DRAIN.
6. When every slot is held by a READY worker of the new generation, the fleet calls `Reloader.fleet_settled`. If none
   dies for `healthy_after_s`, go to 8. After one young death that time begins again; the second one leads to 7.
7. If workers of the new generation die young, `Reloader.worker_failed` calls `Fleet.set_target` with the old
   generation; the slots go back to it, and `Reloader.fleet_settled` is called again.
8. `Reloader._end` calls `Installation.commit`, or `Installation.undo` with the reason, closes the zygote that is not
   needed any more, and calls whoever asked with the verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from ..eventloop import Timer
from ..resources import Basis
from ..services import Services
from .fleet import Fleet
from .generation import Generation
from .installation import Installation
from .worker import Worker

__all__ = ["Asker", "ReloadPhase", "Reloader", "Verdict"]

_STRAY_DEATHS = 1  # one young death may be an operator's kill; with the next one the new generation is to blame


class ReloadPhase(Enum):
    """How far a reload is."""

    IDLE = "none"
    WAITING = "waiting for workers of the last reload to end"
    BOOTING = "loading the application"
    ROLLING = "replacing workers"
    PROVING = "seeing whether the new workers live"
    UNDOING = "going back to the generation before"


@dataclass(slots=True, frozen=True)
class Verdict:
    """How a reload ended: `text` says what is wrong if it is not `ok`, `generation` is the one that serves then."""

    ok: bool
    generation: int
    text: str
    at: float = field(default_factory=time.time)
    """Unix time."""


Asker = Callable[[Verdict], None]


class Reloader:
    """`request` asks for a reload; `fleet_settled`, `worker_failed` and `worker_gone` are called by the fleet."""

    def __init__(self, services: Services, fleet: Fleet, installation: Installation) -> None:
        self.phase = ReloadPhase.IDLE
        self.last: Verdict | None = None
        self._services = services
        self._fleet = fleet
        self._installation = installation
        self._say = services.errors.say
        self._asked: list[Asker] = []
        self._askers: list[Asker] = []
        self._wanted = False
        self._number = 1
        self._old: Generation | None = None
        self._new: Generation | None = None
        self._deaths = 0
        self._failure = ""
        self._wanted_before = self._wanted_by_reload = 0
        self._trial: Timer | None = None

    @property
    def number(self) -> int:
        """The number of the generation that was made last, whether it serves or not."""
        return self._number

    @property
    def loading(self) -> Generation | None:
        """The generation whose application is being loaded at present, for this reload."""
        return self._new if self.phase is ReloadPhase.BOOTING else None

    def count_from(self, number: int) -> None:
        """Number the next generation after `number`, which was made without a reload."""
        self._number = number

    def keep(self) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it: the number and the last verdict."""
        return {"number": self._number, "last": None if self.last is None else asdict(self.last)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set what `keep` returned (in the program that took over)."""
        self._number = state["number"]
        self.last = None if state["last"] is None else Verdict(**state["last"])

    # -- the beginning ---------------------------------------------------------------------------------------

    def request(self, asker: Asker | None = None) -> None:
        """Begin a reload, or note one more to follow the one that is under way; `asker` is called with its verdict."""
        if asker is not None:
            self._asked.append(asker)
        if self._wanted:
            return
        self._wanted = True
        if self.phase is ReloadPhase.IDLE:
            self._begin()
        else:
            self._say("info", f"reload asked for during a reload ({self.phase.value}): one more follows")

    def _begin(self) -> None:
        if len(self._fleet.generations()) > 1:
            self.phase = ReloadPhase.WAITING
            return
        assert self._fleet.target is not None
        self._wanted = False
        self._askers, self._asked = self._asked, []
        self._deaths = 0
        self._failure = ""
        self._old = self._fleet.target
        self._number += 1
        self._say("info", f"reload: generation {self._number}")
        self.phase = ReloadPhase.BOOTING
        try:
            basis = self._installation.prepare(self._number)
        except Exception as error:
            self._failure = f"{type(error).__name__}: {error}"
            self._end()
            return
        self._new = self.generation(self._number, basis)
        self._new.boot()

    def generation(self, number: int, basis: Basis) -> Generation:
        """Return a new generation that tells this reloader when it is ready or has failed."""
        return Generation(number, basis, self._services, self._generation_ready, self._generation_failed)

    # -- what happens ----------------------------------------------------------------------------------------

    def _generation_ready(self, generation: Generation) -> None:
        """Have the fleet replace its workers, if that is the new generation; otherwise a zygote that died was replaced,
        and the fleet may fork again."""
        if self.phase is not ReloadPhase.BOOTING or generation is not self._new:
            self._fleet.reconcile()
            return
        assert self._old is not None
        changed = generation.config.workers != self._old.config.workers  # else the number that TTIN and TTOU set stays
        wanted = generation.config.workers if changed else self._fleet.wanted
        if generation.alone and wanted > 1:
            self._failure = f"{wanted} workers: {generation.alone}"
            self._end()
            self._fleet.reconcile()
            return
        self.phase = ReloadPhase.ROLLING
        self._wanted_before, self._wanted_by_reload = self._fleet.wanted, wanted
        self._fleet.set_target(generation, wanted)

    def _generation_failed(self, generation: Generation, verdict: str) -> None:
        self._say("debug", verdict)
        if self.phase is ReloadPhase.BOOTING:
            self._failure = verdict
            self._end()
        self._fleet.reconcile()

    def fleet_settled(self) -> None:
        """Go on, as every slot is held by a READY worker of the generation that is wanted."""
        if self.phase is ReloadPhase.ROLLING and self._fleet.target is not None:
            self.phase = ReloadPhase.PROVING
            healthy_after_s = self._fleet.target.config.healthy_after_s
            self._trial = self._services.loop.after(healthy_after_s, self._trial_over)
        elif self.phase is ReloadPhase.UNDOING:
            self._end()

    def worker_failed(self, worker: Worker, cause: str) -> None:
        """Count a worker that died before READY or soon after; with the second of the new generation, go back."""
        if self.phase not in (ReloadPhase.ROLLING, ReloadPhase.PROVING) or worker.generation is not self._new:
            return
        self._deaths += 1
        self._stop_trial()
        self.phase = ReloadPhase.ROLLING
        if self._deaths <= _STRAY_DEATHS:
            return
        last = f"the last, {worker.child.title}, {cause}"
        self._failure = f"{self._deaths} workers of the new generation died young; {last}"
        self._say("error", f"reload: {self._failure}; going back")
        self.phase = ReloadPhase.UNDOING
        self._fleet.end_pauses()  # the old generation is known to be good
        scaled = self._fleet.wanted != self._wanted_by_reload  # during the reload: an operator's number stays
        self._fleet.set_target(self._old, self._fleet.wanted if scaled else self._wanted_before)

    def worker_gone(self) -> None:
        """Go on, as a worker has ended: it may have been the last of the reload before."""
        if self.phase is ReloadPhase.WAITING:
            self._begin()

    def abandon(self) -> None:
        """Give up, as the master stops: whoever asked is told so."""
        self._stop_trial()
        if self._new is not None and self._new is not self._fleet.target:
            self._new.close(at_once=True)
        if self._old is not None and self._old is not self._fleet.target:
            self._old.close()
        self._askers += self._asked
        self._asked = []
        if self.phase is not ReloadPhase.IDLE:
            self._tell(Verdict(False, self._number, "the master is stopping"))
        self.phase = ReloadPhase.IDLE

    # -- the end ---------------------------------------------------------------------------------------------

    def _stop_trial(self) -> None:
        if self._trial is not None:
            self._trial.cancel()
            self._trial = None

    def _trial_over(self) -> None:
        self._trial = None
        self._end()

    def _end(self) -> None:
        old, new, failure = self._old, self._new, self._failure
        assert old is not None
        self._old = self._new = None
        self.phase = ReloadPhase.IDLE
        if failure:
            if new is not None:
                new.close()
            self._installation.undo(None if new is None else new.basis, failure)
            self._say("error", f"reload failed, generation {old.number} keeps serving: {failure}")
            self._tell(Verdict(False, old.number, failure))
        elif new is not None:
            old.close()
            self._installation.commit(new)
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
