"""A generation: one reading of the settings, one loading of the application, and the zygote that holds it.

Owns the zygote: boots it, boots it again when it dies, and has it fork. Knows nothing of slots: whoever keeps
the generation is told when a worker can be forked, and the verdict when the application did not load. Runs in
the master.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ..eventloop import EventLoop, Timer
from ..events import Events
from ..logs.errorlog import ErrorLog
from ..processes.adoption import Adoption
from ..processes.backoff import Backoff
from ..processes.causes import describe
from ..processes.child import Child, Children
from ..processes.forking import Birth, fork
from ..processes.messages import Message, channel_pair
from ..processes.stacks import is_stopped
from ..processes.states import ChildState, Event
from ..processes.zygote import Zygote
from ..resources import Basis
from ..scoreboard.scoreboard import Scoreboard
from ..system.listeners import Listener

if TYPE_CHECKING:
    from ..upgrade.handoff import Handoff

__all__ = ["Generation", "Keeper", "Services"]

_END_S = 1.0
_STOPPED_S = 2.0  # for a fork to be done, before the zygote is looked at
_NO_FORK_S = 10.0  # before it is given up


@dataclass(slots=True)
class Services:
    """What every part of the master uses."""

    loop: EventLoop
    children: Children
    scoreboard: Scoreboard
    errors: ErrorLog
    events: Events
    adoption: Adoption
    abandon: Callable[[Sequence[Listener]], None]
    """Closes, in a forked child, what is the master's alone; it keeps these listeners."""


class Keeper(Protocol):
    """Who is told of a generation."""

    def generation_ready(self, generation: Generation) -> None:
        """Workers can be forked (again)."""

    def generation_failed(self, generation: Generation, verdict: str) -> None:
        """It was never ready, and will not be."""


class Generation:
    """Number `number` of the generations; `boot` begins it, `close` ends its zygote."""

    def __init__(self, number: int, basis: Basis, services: Services, keeper: Keeper) -> None:
        self.number = number
        self.basis = basis
        self.config = basis.config
        self.application = basis.application
        self.listeners = basis.listeners
        self._services = services
        self._keeper = keeper
        self._zygote: Child | None = None
        self._backoff = Backoff()
        self._again: Timer | None = None
        self._proved = False
        self._closed = False
        self._alone = ""

    @property
    def can_fork(self) -> bool:
        return self._zygote is not None and self._zygote.state is ChildState.READY

    @property
    def loading(self) -> bool:
        """Whether its application is being loaded for the first time."""
        return not self._proved and not self._closed

    @property
    def alone(self) -> str:
        """Why no more than one worker of it can serve, as its zygote said; "" if many can."""
        return self._alone

    @property
    def zygote(self) -> Child | None:
        return self._zygote

    def boot(self) -> None:
        """Fork a zygote from this process; the keeper is told if that fails."""
        self._again = None
        try:
            self._fork_zygote()
        except OSError as error:
            self._failed(f"loader gen {self.number} could not be forked: {error.strerror}", young=True)

    def _fork_zygote(self) -> None:
        services = self._services
        ours, theirs = channel_pair()
        title = f"{self.config.name}: loader gen {self.number}"

        def abandon() -> None:
            ours.close()
            services.abandon(self.listeners)

        errors = services.errors
        form, stderr_fd = self.config.error_format, errors.child_fd(self.config.error_log)
        birth = Birth(title, os.getpid(), stderr_fd, abandon, errors.records_fd(), form)

        def live() -> NoReturn:
            sockets = [listener.socket for listener in self.listeners]
            Zygote(
                self.number,
                self.application,
                self.basis.identity,
                services.scoreboard,
                sockets,
                services.adoption,
                theirs,
                birth.master_pid if services.children.reaps_all else 0,
                self.config,
            ).main(birth)

        pid = fork(live)
        theirs.close()
        self._zygote = Child(
            f"loader gen {self.number}",
            ours,
            services.children,
            pid=pid,
            config=self.config,
            changed=self._zygote_changed,
        )

    def keep(self, handoff: Handoff) -> dict[str, Any]:
        """Give it as JSON takes it, for the program that replaces the master's."""
        return {
            "number": self.number,
            "config": self.config.keep(),
            "identity": asdict(self.basis.identity),
            "zygote": None if self._zygote is None else self._zygote.keep(handoff),
            "closed": self._closed,
            "failures": self._backoff.failures,
            "alone": self._alone,
        }

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Take on what `keep` gave, in place of `boot`."""
        self._proved = True
        self._closed = kept["closed"]
        self._backoff.failures = kept["failures"]
        self._alone = kept.get("alone", "")
        if kept["zygote"] is not None:
            self._zygote = Child.adopt(kept["zygote"], self._services.children, self.config, self._zygote_changed)
        elif not self._closed:
            self.boot()

    def fork(self, slot: int, row: int, changed: Callable[[Child], None]) -> Child:
        """Have the zygote fork a worker (only while `can_fork`)."""
        assert self._zygote is not None
        ours, theirs = channel_pair()
        worker = Child(
            f"worker {slot} gen {self.number}",
            ours,
            self._services.children,
            pid=None,
            config=self.config,
            changed=changed,
        )
        self._zygote.tell(Message.FORK, (row << 32) + slot, theirs.fileno())
        theirs.close()  # if the zygote could not take it, this is the channel's end, and the worker has gone
        zygote = self._zygote
        for after_s in (_STOPPED_S, _NO_FORK_S):
            self._services.loop.after(after_s, lambda after_s=after_s: self._look(zygote, worker, after_s))  # type: ignore[misc]
        return worker

    def _look(self, zygote: Child, worker: Child, after_s: float) -> None:
        """Have a zygote replaced that was told to fork and has not: at once if it is stopped, later if it may only be
        slow."""
        if worker.pid is not None or worker.state is not ChildState.BOOT or zygote is not self._zygote:
            return
        stopped = zygote.pid is not None and is_stopped(zygote.pid)
        if stopped or after_s >= _NO_FORK_S:
            why = "is stopped, by a signal (SIGSTOP or its like), and" if stopped else "lives, but"
            self.distrust(f"{why} did not fork {worker.title} within {after_s:g} s")

    def resume_worker(self, kept: Mapping[str, Any], changed: Callable[[Child], None]) -> Child:
        """Take on what a worker's `Child.keep` gave."""
        return Child.adopt(kept, self._services.children, self.config, changed)

    def distrust(self, why: str) -> None:
        """Have the zygote replaced, as it does not fork."""
        if self._zygote is not None and self._zygote.state is ChildState.READY:
            self._zygote.feed(Event.KILL, why)

    def close(self, *, at_once: bool = False) -> None:
        """End the zygote; it has nothing to finish once it is READY, and is killed if it does not end. Workers live
        on."""
        self._closed = True
        if self._again is not None:
            self._again.cancel()
        if self._zygote is not None:
            booting = self._zygote.state is ChildState.BOOT
            self._zygote.feed(Event.KILL if at_once or booting else Event.DRAIN)
            self._services.loop.after(_END_S, lambda zygote=self._zygote: zygote.feed(Event.KILL))  # type: ignore[misc]

    def _zygote_changed(self, zygote: Child) -> None:
        if zygote.state is ChildState.READY:
            self._proved = True
            self._alone = zygote.alone
            self._services.errors.say("info", f"{zygote.title} [{zygote.pid}] is ready")
            self._keeper.generation_ready(self)
        elif zygote.state is ChildState.GONE:
            self._zygote = None
            if not self._closed:
                self._zygote_died(zygote)

    def _zygote_died(self, zygote: Child) -> None:
        cause = zygote.reason or describe(zygote.status)
        verdict = f"{zygote.title} [{zygote.pid}] {cause}"
        if zygote.verdict:
            verdict = f"{zygote.title} [{zygote.pid}] did not load the application:\n{zygote.verdict}"
        self._failed(verdict, young=zygote.died_young)

    def _failed(self, verdict: str, *, young: bool) -> None:
        if not self._proved:
            self._closed = True
            self._keeper.generation_failed(self, verdict)
            return
        self._services.errors.say("error", verdict)
        if young:
            delay_s = self._backoff.failed()
        else:
            self._backoff.succeeded()
            delay_s = 0.0
        self._again = self._services.loop.after(delay_s, self.boot)
