"""How the master stops: gracefully, at once, or because nothing works; and how far that is.

Owns the stage and the order of ending: new connections are kept out, the workers take what is queued and finish, the
sidecars go last, then what the application left behind. Knows nothing of signals. Runs in the master.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from .processes.leftovers import Leftovers
from .processes.states import Event
from .resources import Resources
from .scoreboard.layout import MasterCell
from .services import Services
from .sidecars import Sidecars
from .workers.fleet import Fleet
from .workers.generation import Generation
from .workers.reload import Reloader

__all__ = ["Ending", "PartsToEnd", "Stage"]

_ECHO_S = 0.5
_KILLED_S = 5.0  # for killed processes to be reaped
_TERM_S = 0.5  # for leftovers to end by themselves, even if drain-timeout is over
_DOOR_S = 2.5  # after a stop, for workers to take what is queued at the listeners: they look for 1 s


class Stage(Enum):
    """Where a master stands."""

    RUNNING = "running"
    DELAYING = "stopping, accepting on for the shutdown delay"
    STOPPING = "stopping"
    KILLING = "stopping at once"


@dataclass(frozen=True, slots=True)
class PartsToEnd:
    """The parts of the master that its end is made of."""

    fleet: Fleet
    reloader: Reloader
    sidecars: Sidecars
    resources: Resources
    leftovers: Leftovers
    generations: Callable[[], Iterable[Generation]]
    """Gives those whose zygotes live."""


class Ending:
    """`stop`, `stop_at_once` or `kill` begins it; the loop is stopped when every child has gone."""

    def __init__(self, services: Services, parts: PartsToEnd) -> None:
        self.stage = Stage.RUNNING
        self.left_behind = False
        """Whether children could not be killed."""
        self.leftovers = parts.leftovers
        self._services = services
        self._fleet = parts.fleet
        self._reloader = parts.reloader
        self._sidecars = parts.sidecars
        self._resources = parts.resources
        self._generations = parts.generations
        self._end_at = 0.0  # when drain-timeout is over
        self._why = ""
        self._asked_at = 0.0

    @property
    def running(self) -> bool:
        """Whether no stop has been asked for."""
        return self.stage is Stage.RUNNING

    def stop(self, why: str, delay_s: float) -> None:
        """Stop gracefully: accept what is queued, finish what runs; the second time, stop at once. The same request
        within half a second counts as the first: timeout(1), and others, signal their child and then its group."""
        if self.stage is not Stage.RUNNING:
            if why != self._why or self._services.loop.time() - self._asked_at > _ECHO_S:
                self.stop_at_once(why)
            return
        self._why, self._asked_at = why, self._services.loop.time()
        self.stage = Stage.DELAYING
        self._services.scoreboard.master[MasterCell.STOPPING] = 1
        self._services.events.add("stop", f"stopping ({why})")
        if delay_s:
            self._say("info", f"stopping ({why}) in {delay_s:g} s")
            self._services.loop.after(delay_s, self._stop_now)
        else:
            self._say("info", f"stopping ({why})")
            self._stop_now()

    def _stop_now(self) -> None:
        if self.stage is not Stage.DELAYING:
            return
        self.stage = Stage.STOPPING
        self._resources.keep_out()
        self._fleet.end(Event.STOP)
        self._end_generations()
        self._resources.release_listeners()
        self._services.loop.after(_DOOR_S, self._resources.shut_doors)
        longest_s = max(generation.config.drain_timeout_s for generation in self._generations())
        self._end_at = self._services.loop.time() + longest_s
        self.advance()

    def stop_at_once(self, why: str) -> None:
        """Kill every child and end."""
        if self.stage is not Stage.KILLING:
            self._say("info", f"stopping at once ({why})")
            self.kill()

    def kill(self) -> None:
        """Kill every child and end, without a line in the log."""
        self.stage = Stage.KILLING
        self._services.scoreboard.master[MasterCell.STOPPING] = 1
        self._fleet.end(Event.KILL)
        self._end_generations()
        self._sidecars.end()
        for child in self._services.children:
            child.feed(Event.KILL)
        self._resources.release_listeners()
        self._resources.shut_doors()
        self._services.loop.after(_KILLED_S, self._leave_behind)
        self.advance()

    def advance(self) -> None:
        """Take the next step that can be taken; called when a child has gone."""
        if self.stage not in (Stage.STOPPING, Stage.KILLING):
            return
        if not len(self._fleet):
            self._sidecars.end()
        if not len(self._services.children):
            self._resources.shut_doors()
            left_s = self._end_at - self._services.loop.time()
            within_s = max(left_s, _TERM_S) if self.stage is Stage.STOPPING else 0.0
            self.leftovers.end(within_s, self._services.loop.stop)

    def _end_generations(self) -> None:
        self._reloader.abandon()
        for generation in self._generations():
            generation.close()

    def _leave_behind(self) -> None:
        titles = ", ".join(f"{child.title} [{child.pid}]" for child in self._services.children)
        self._say("error", f"killed, but still there: {titles}")
        self.left_behind = True
        self._services.loop.stop()

    def _say(self, level: str, text: str) -> None:
        self._services.errors.say(level, text)
