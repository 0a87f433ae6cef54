"""The first loading of the application, tried again and again until it succeeds: for development, with
`Config.awaits_fix`.

Owns what lies between a first load that failed and one that did not. Everything later is a reload (`reload`). Knows
nothing of what asks for another try. Runs in the master.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .generation import Generation
from .reload import Asker, Verdict

if TYPE_CHECKING:
    from ..supervisor import Supervisor

__all__ = ["FirstLoad"]


class FirstLoad:
    """`failed` and `succeeded` are told how a load ended; `request` asks for another."""

    def __init__(self, master: Supervisor) -> None:
        self._master = master
        self._failed = False
        self._askers: list[Asker] = []
        self._asked_meanwhile: list[Asker] | None = None  # a list if another try was asked for during one

    @property
    def pending(self) -> bool:
        """Return True if a first load failed and none has succeeded since: requests for a reload come here."""
        return self._failed

    def failed(self, generation: Generation, verdict: str) -> None:
        """Log why the application did not load, tell whoever asked for this try, and wait for the next request."""
        self._failed = True
        self._say("error", verdict)
        self._tell(Verdict(False, generation.number, verdict))
        if self._asked_meanwhile is not None:
            self._begin()
        else:
            self._say_waiting()

    def succeeded(self, generation: Generation) -> None:
        """Tell whoever asked for it that the application has loaded."""
        if self._failed:
            self._failed = False
            self._master.reloads.count_from(generation.number)
            self._tell(Verdict(True, generation.number, ""))
        asked, self._asked_meanwhile = self._asked_meanwhile, None
        if asked is not None:  # what changed since may not be in what was loaded
            if not asked:
                self._master.reloads.request()
            for asker in asked:
                self._master.reloads.request(asker)

    def request(self, asker: Asker | None = None) -> None:
        """Load the application again, with the settings of now; `asker` is given the verdict. A request during a try
        becomes one more try if that one fails, or a reload."""
        if self._asked_meanwhile is None:
            self._asked_meanwhile = []
        if asker is not None:
            self._asked_meanwhile.append(asker)
        if not self._master.current.loading:
            self._begin()

    def abandon(self) -> None:
        """Tell whoever asked that everything stops."""
        self._askers += self._asked_meanwhile or []
        self._asked_meanwhile = None
        self._tell(Verdict(False, self._master.current.number, "the master is stopping"))

    def _begin(self) -> None:
        self._askers += self._asked_meanwhile or []
        self._asked_meanwhile = None
        number = self._master.current.number + 1
        self._say("info", f"loading the application again: generation {number}")
        try:
            basis = self._master.resources.renew(self._master.check)
        except Exception as error:
            verdict = f"{type(error).__name__}: {error}"
            self._say("error", verdict)
            self._tell(Verdict(False, number, verdict))
            self._say_waiting()
            return
        new = Generation(number, basis, self._master.services, self._master)
        self._master.install(new)
        self._master.fleet.wanted = new.config.workers
        new.boot()

    def _tell(self, verdict: Verdict) -> None:
        askers, self._askers = self._askers, []
        for asker in askers:
            asker(verdict)

    def _say_waiting(self) -> None:
        self._say("info", "waiting for a change of the sources, or a reload, to load the application again")

    def _say(self, level: str, text: str) -> None:
        self._master.services.errors.say(level, text)
