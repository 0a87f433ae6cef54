"""The first loading of the application; for development it is tried again and again until it succeeds.

Owns the time until the first generation has loaded; every later change is a reload (`reload`). If it fails the master
gives up, or with `Config.awaits_fix` waits for a request for another try. Knows nothing of where requests come from.
Runs in the master.
"""

from __future__ import annotations

from collections.abc import Callable

from ..resources import Basis
from ..services import Services
from .fleet import Fleet
from .generation import Generation
from .installation import Installation
from .reload import Asker, Reloader, Verdict

__all__ = ["FirstLoad"]


class FirstLoad:
    """`begin` starts it; `request` asks for another try while `pending`."""

    def __init__(
        self,
        services: Services,
        fleet: Fleet,
        reloader: Reloader,
        installation: Installation,
        give_up: Callable[[str], None],
    ) -> None:
        """give_up: called with the reason if the application did not load and no fix is awaited."""
        self._services = services
        self._fleet = fleet
        self._reloader = reloader
        self._installation = installation
        self._give_up = give_up
        self._failed = False
        self._stopping = False
        self._askers: list[Asker] = []
        self._asked_meanwhile: list[Asker] | None = None  # a list if another try was asked for during one

    @property
    def pending(self) -> bool:
        """Whether a first load failed and none has succeeded since: requests for a reload belong here."""
        return self._failed

    def begin(self, basis: Basis) -> None:
        """Load the application for the first time."""
        first = self._generation(1, basis)
        self._installation.current = first
        self._fleet.set_target(None, basis.config.workers)
        first.boot()

    def request(self, asker: Asker | None = None) -> None:
        """Read the settings and load the application again; `asker` is called with the verdict. A request during a try
        becomes one more try if that one fails, and a reload if it succeeds."""
        if self._asked_meanwhile is None:
            self._asked_meanwhile = []
        if asker is not None:
            self._asked_meanwhile.append(asker)
        if not self._installation.current.loading:
            self._try_again()

    def abandon(self) -> None:
        """Give up, as the master stops: whoever asked is told so, and there will be no other try."""
        self._stopping = True
        self._askers += self._asked_meanwhile or []
        self._asked_meanwhile = None
        self._tell(Verdict(False, self._installation.current.number, "the master is stopping"))

    def _try_again(self) -> None:
        self._askers += self._asked_meanwhile or []
        self._asked_meanwhile = None
        number = self._installation.current.number + 1
        self._say("info", f"loading the application again: generation {number}")
        try:
            basis = self._installation.renew()
        except Exception as error:
            verdict = f"{type(error).__name__}: {error}"
            self._say("error", verdict)
            self._tell(Verdict(False, number, verdict))
            self._say_waiting()
            return
        new = self._generation(number, basis)
        self._installation.install(new)
        self._fleet.set_target(None, new.config.workers)
        new.boot()

    def _generation(self, number: int, basis: Basis) -> Generation:
        return Generation(number, basis, self._services, self._generation_ready, self._generation_failed)

    def _generation_ready(self, generation: Generation) -> None:
        if self._fleet.closed:
            return
        if self._fleet.target is not None:  # its zygote died, and this one replaces it
            self._fleet.reconcile()
            return
        self._fleet.set_target(generation, self._fleet.wanted)
        self._installation.begin(generation)
        if self._failed:
            self._failed = False
            self._reloader.count_from(generation.number)
            self._tell(Verdict(True, generation.number, ""))
        asked, self._asked_meanwhile = self._asked_meanwhile, None
        if asked is not None:  # the change that they asked for may have come too late for this try
            if not asked:
                self._reloader.request()
            for asker in asked:
                self._reloader.request(asker)

    def _generation_failed(self, generation: Generation, verdict: str) -> None:
        if self._stopping or not generation.config.awaits_fix:
            self._give_up(verdict)
            return
        self._failed = True
        self._say("error", verdict)
        self._tell(Verdict(False, generation.number, verdict))
        if self._asked_meanwhile is not None:
            self._try_again()
        else:
            self._say_waiting()

    def _tell(self, verdict: Verdict) -> None:
        askers, self._askers = self._askers, []
        for asker in askers:
            asker(verdict)

    def _say_waiting(self) -> None:
        self._say("info", "waiting for a change of the sources, or a reload, to load the application again")

    def _say(self, level: str, text: str) -> None:
        self._services.errors.say(level, text)
