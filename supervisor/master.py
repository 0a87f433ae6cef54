"""The parts of a running master, and what it can be told to do with them: reload, scale, reopen its logs, stop.

Owns the commands that signals and the control interface share. The parts do the work: `fleet` keeps workers, `reloader`
replaces them, `sidecars` keeps what runs beside them, `drainer` writes the access log, `ending` stops all of it. Knows
nothing of where a command comes from, nor of how the parts were made (`supervisor`). Read by what reports on the master
(`control.status`) and what saves it (`upgrade.state`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .ending import Ending
from .logs.drainer import Drainer
from .processes.stacks import Stacks
from .renewals import Renewals
from .resources import Resources
from .services import Services
from .sidecars import Sidecars
from .system.notify import Notify
from .workers.firstload import FirstLoad
from .workers.fleet import Fleet
from .workers.generation import Generation
from .workers.installation import Installation
from .workers.reload import Asker, Reloader
from .workers.worker import Worker, capacity

__all__ = ["Master"]


class Master:
    """The supervisor sets the parts, one after the other, before the loop runs."""

    services: Services
    resources: Resources
    stacks: Stacks
    fleet: Fleet
    installation: Installation
    reloader: Reloader
    renewals: Renewals
    first_load: FirstLoad
    sidecars: Sidecars
    ending: Ending
    drainer: Drainer
    notify: Notify

    def __init__(self, services: Services, resources: Resources) -> None:
        self.services = services
        self.resources = resources
        self.on_stop: list[Callable[[], None]] = []
        """Called whenever a graceful stop is asked for: what is under way is given up."""

    @property
    def current(self) -> Generation:
        """The generation in force: during a reload still the old one."""
        return self.installation.current

    def generations(self) -> Iterator[Generation]:
        """Give the generations whose zygotes live, but for one that a reload has only begun to load."""
        yield self.current
        if self.fleet.target is not None and self.fleet.target is not self.current:
            yield self.fleet.target

    def forking_generations(self) -> Iterator[Generation]:
        """Give the generations that fork workers, now or soon: those of `generations`, and one that is being
        loaded."""
        yield from self.generations()
        if self.reloader.loading is not None:
            yield self.reloader.loading

    # -- commands --------------------------------------------------------------------------------------------

    def reload(self, asker: Asker | None = None) -> str:
        """Replace settings, code and workers; `asker` is called with the verdict. Return why not, if it cannot be done
        now, else ""."""
        if self.ending.running and self.first_load.pending:
            self.first_load.request(asker)
            return ""
        if not self.ending.running or self.fleet.target is None:
            why = f"no reload now: {self.ending.stage.value if self.fleet.target is not None else 'starting'}"
            self._say("warning", why)
            return why
        self.reloader.request(asker)
        self.fleet.reconcile()
        return ""

    def reopen_logs(self) -> str:
        """Open both log files again, after they were renamed; return what could not be opened, else ""."""
        failures = self.resources.logs.reopen()
        self.drainer.drain()
        return failures

    def scale(self, workers: int) -> None:
        """Want so many workers, or the nearest number that is possible."""
        limit = capacity(self.services.scoreboard)
        wanted = min(max(workers, 1), limit)
        if wanted != workers:
            self._say("warning", f"{workers} workers: 1 to {limit} are possible")
        if wanted > 1 and self.current.alone:
            self._say("warning", f"{wanted} workers: {self.current.alone}")
            return
        if wanted != self.fleet.wanted:
            text = f"workers: {self.fleet.wanted} -> {wanted}"
            self._say("info", text)
            self.services.events.add("scale", text)
            self.fleet.set_target(self.fleet.target, wanted)

    def stop(self, why: str) -> None:
        """Stop gracefully; the second time, stop at once."""
        self.notify.stopping(f"stopping ({why})")
        for give_up in self.on_stop:
            give_up()
        self.first_load.abandon()
        self.ending.stop(why, self.current.config.shutdown_delay_s)

    # -- what the fleet tells --------------------------------------------------------------------------------

    def fleet_settled(self) -> None:
        """Let a reload go on, and tell the service manager how many workers serve."""
        self.reloader.fleet_settled()
        if self.ending.running:
            number, count = self.current.number, self.fleet.wanted
            self.notify.status(f"generation {number} serves, {count} worker{'s' if count > 1 else ''}")

    def worker_ready(self, worker: Worker) -> None:
        """Tell the service manager that the service is up, with the first worker."""
        if self.ending.running and not self.notify.told_ready:
            self.notify.ready()

    def worker_gone(self, worker: Worker) -> None:
        """Let a reload, or the ending, take the step that it has waited for."""
        if self.ending.running:
            self.reloader.worker_gone()
        self.renewals.worker_gone()
        self.ending.advance()

    def _say(self, level: str, text: str) -> None:
        self.services.errors.say(level, text)
