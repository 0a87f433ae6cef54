"""How the master stops: gracefully, at once, or because nothing works; and which stage it is at.

Owns the stage and the order of ending: nobody new is let in, the workers take what is queued and finish, the
sidecars go last, and then what the application left behind. Knows nothing of signals. Runs in the master.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

from .processes.leftovers import Leftovers
from .processes.states import Event
from .resources import Resources
from .scoreboard.layout import MasterCell
from .sidecars import Sidecars
from .workers.fleet import Fleet
from .workers.generation import Generation, Services
from .workers.reload import Reloads

__all__ = ["Ending", "Stage"]

_ECHO_S = 0.5
_KILLED_S = 5.0  # for the killed to be reaped
_TERM_S = 0.5  # for what was left behind to end by itself, even if drain-timeout is over
_DOOR_S = 2.5  # after a stop, for workers to take what is queued at the listeners: they look for 1 s


class Stage(Enum):
    """Where a master stands."""

    RUNNING = "running"
    DELAYING = "stopping, accepting on for the shutdown delay"
    STOPPING = "stopping"
    KILLING = "stopping at once"


class Ending:
    """`stop`, `stop_at_once`, `kill`; then the loop is stopped when every child has gone."""

    def __init__(
        self,
        services: Services,
        fleet: Fleet,
        reloads: Reloads,
        sidecars: Sidecars,
        resources: Resources,
        leftovers: Leftovers,
        generations: Callable[[], Iterable[Generation]],
    ) -> None:
        """generations: gives those whose zygotes live."""
        self.stage = Stage.RUNNING
        self.left_behind = False
        """Whether children could not be killed."""
        self._services = services
        self._fleet = fleet
        self._reloads = reloads
        self._sidecars = sidecars
        self.leftovers = leftovers
        self._resources = resources
        self._end_at = 0.0  # when drain-timeout is over
        self._generations = generations
        self._why = ""
        self._asked_at = 0.0

    @property
    def running(self) -> bool:
        """Whether nobody has asked to stop."""
        return self.stage is Stage.RUNNING

    def stop(self, why: str, delay_s: float) -> None:
        """Stop gracefully: accept what is queued, finish what runs; the second time, stop at once. The same within a
        moment is the first time still: timeout(1) signals its child and then the group, and so do others."""
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
        self._resources.let_nobody_in()
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
        """Kill every child and end, without a word."""
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
        """Take the next step that can be taken: called when a child has gone."""
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
        self._reloads.abandon()
        for generation in self._generations():
            generation.close()

    def _leave_behind(self) -> None:
        titles = ", ".join(f"{child.title} [{child.pid}]" for child in self._services.children)
        self._say("error", f"killed but not gone: {titles}")
        self.left_behind = True
        self._services.loop.stop()

    def _say(self, level: str, text: str) -> None:
        self._services.errors.say(level, text)
