"""A generation: one reading of the settings, one loading of the application, and the zygote that holds it.

Owns the zygote process: boots it, boots it again if it dies, has it fork workers. Knows nothing of slots. Whoever makes
a generation (`firstload`, `reload`) passes two functions: one is called when workers can be forked, the other with the
verdict if the application did not load. Runs in the master.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from ..content import Facts, Renewable
from ..descriptors import DescriptorHandoff
from ..eventloop import Timer
from ..processes.backoff import Backoff
from ..processes.causes import describe
from ..processes.child import Changed, Child
from ..processes.context import Means
from ..processes.forking import Birth, Output, fork
from ..processes.messages import Message, Packet, channel_pair
from ..processes.stacks import is_stopped
from ..processes.states import ChildState, Event
from ..processes.zygote import Zygote
from ..resources import Basis
from ..services import Services

__all__ = ["Generation"]

_END_S = 1.0
_STOPPED_S = 2.0  # a fork takes milliseconds: if it is not done by then, look whether the zygote is stopped
_NO_FORK_S = 10.0  # if it is not done by then, replace the zygote


class Generation:
    """`boot` starts its zygote, `close` ends it. Workers that were forked live on."""

    def __init__(
        self,
        number: int,
        basis: Basis,
        services: Services,
        on_ready: Callable[[Generation], None],
        on_failed: Callable[[Generation, str], None],
    ) -> None:
        """on_ready: called whenever a zygote is READY: the first, and each that replaces one that died; on_failed:
        called with the reason if the first zygote did not become READY: the generation is closed then."""
        self.number = number
        self.basis = basis
        self.config = basis.config
        self.application = basis.application
        self.listeners = basis.listeners
        self._services = services
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._zygote: Child | None = None
        self._backoff = Backoff()
        self._again: Timer | None = None
        self._loaded = False
        self._closed = False
        self._alone = ""
        self.facts: Facts = {}
        """What its zygote says of the content it uses (`Renewable.facts`): a dict of anything."""
        self.uses_other_content = False
        """Whether its zygote may use other content than the application in this process has: it is of the program
        before an upgrade."""
        self.renewal_answered: Callable[[Packet], None] | None = None
        """Called with the zygote's answers to RENEW."""

    @property
    def can_fork(self) -> bool:
        return self._zygote is not None and self._zygote.state is ChildState.READY

    @property
    def loading(self) -> bool:
        """Whether its application is being loaded for the first time."""
        return not self._loaded and not self._closed

    @property
    def alone(self) -> str:
        """Why only one worker of it can serve, as its zygote said; "" if many can."""
        return self._alone

    @property
    def closed(self) -> bool:
        """Whether it forks no workers any more."""
        return self._closed

    @property
    def renewable(self) -> Renewable | None:
        """What its application takes on without a reload; None if it takes nothing."""
        found: Renewable | None = getattr(self.application, "renewable", None)
        return found

    @property
    def zygote(self) -> Child | None:
        return self._zygote

    # -- the zygote ------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Fork a zygote from this process. If the fork fails, that is handled as the death of a zygote is."""
        self._again = None
        try:
            self._fork_zygote()
        except OSError as error:
            self._failed(f"loader gen {self.number} could not be forked: {error.strerror}", young=True)

    def _fork_zygote(self) -> None:
        services = self._services
        ours, theirs = channel_pair()

        def abandon() -> None:
            ours.close()
            services.abandon(self.listeners)

        title = f"{self.config.name}: loader gen {self.number}"
        birth = Birth(title, os.getpid(), Output.of(services.errors, self.config), abandon)

        def live() -> NoReturn:
            sockets = [listener.socket for listener in self.listeners]
            Zygote(
                generation=self.number,
                application=self.application,
                identity=self.basis.identity,
                means=Means(services.scoreboard, sockets, theirs, services.adoption, self.basis.schemes()),
                adopting_pid=birth.master_pid if services.children.reaps_all else 0,
                config=self.config,
            ).main(birth)

        pid = fork(live)
        theirs.close()
        title = f"loader gen {self.number}"
        self._zygote = services.children.add(title, ours, self.config, self._zygote_changed, pid=pid)
        self._zygote.renewal_answered = self._take_answer

    def _zygote_changed(self, zygote: Child) -> None:
        if zygote.state is ChildState.READY:
            self._loaded = True
            self._alone = zygote.alone
            self._services.errors.say("info", f"{zygote.title} [{zygote.pid}] is ready")
            self._on_ready(self)
        elif zygote.state is ChildState.GONE:
            self._zygote = None
            if not self._closed:
                self._zygote_died(zygote)

    def _take_answer(self, packet: Packet) -> None:
        if packet.message is Message.RENEWED:
            try:
                facts = json.loads(packet.text or b"{}", parse_constant=_refuse_constant)
            except (ValueError, RecursionError):
                facts = None
            self.facts = facts if isinstance(facts, dict) else {}
        if packet.number and self.renewal_answered is not None:
            self.renewal_answered(packet)

    def _zygote_died(self, zygote: Child) -> None:
        cause = zygote.reason or describe(zygote.status)
        verdict = f"{zygote.title} [{zygote.pid}] {cause}"
        if zygote.verdict:
            verdict = f"{zygote.title} [{zygote.pid}] did not load the application:\n{zygote.verdict}"
        self._failed(verdict, young=zygote.died_young)

    def _failed(self, verdict: str, *, young: bool) -> None:
        if not self._loaded:
            self._closed = True
            self._on_failed(self, verdict)
            return
        self._services.errors.say("error", verdict)
        if young:
            delay_s = self._backoff.failed()
        else:
            self._backoff.succeeded()
            delay_s = 0.0
        self._again = self._services.loop.after(delay_s, self.boot)

    def replace_zygote(self, why: str) -> None:
        """Kill the zygote, as it does not fork; `boot` is called again once it has gone."""
        if self._zygote is not None and self._zygote.state is ChildState.READY:
            self._zygote.feed(Event.KILL, why)

    def close(self, *, at_once: bool = False) -> None:
        """End the zygote for good. It has nothing to finish once it is READY, and is killed after 1 s if it has not
        ended; at once if it still boots, or `at_once` is given."""
        self._closed = True
        if self._again is not None:
            self._again.cancel()
        if self._zygote is not None:
            booting = self._zygote.state is ChildState.BOOT
            self._zygote.feed(Event.KILL if at_once or booting else Event.DRAIN)
            self._services.loop.after(_END_S, lambda zygote=self._zygote: zygote.feed(Event.KILL))  # type: ignore[misc]

    # -- its workers -----------------------------------------------------------------------------------------

    def fork(self, slot: int, row: int, changed: Changed) -> Child:
        """Have the zygote fork a worker, and return it (only while `can_fork`). Raises OSError if there are no
        descriptors left."""
        assert self._zygote is not None
        ours, theirs = channel_pair()
        worker = self._services.children.add(f"worker {slot} gen {self.number}", ours, self.config, changed)
        self._zygote.tell(Message.FORK, (row << 32) + slot, theirs.fileno())
        theirs.close()  # if the zygote did not get it, the channel ends here, and the worker is GONE
        zygote = self._zygote
        for after_s in (_STOPPED_S, _NO_FORK_S):
            self._services.loop.after(after_s, lambda after_s=after_s: self._check_fork(zygote, worker, after_s))  # type: ignore[misc]
        return worker

    def _check_fork(self, zygote: Child, worker: Child, after_s: float) -> None:
        """Replace the zygote if it was told to fork this worker and has not: after 2 s if it is stopped, after 10 s
        whatever it does."""
        if worker.pid is not None or worker.state is not ChildState.BOOT or zygote is not self._zygote:
            return
        stopped = zygote.pid is not None and is_stopped(zygote.pid)
        if stopped or after_s >= _NO_FORK_S:
            why = "is stopped, by a signal (SIGSTOP or the like), and" if stopped else "lives, but"
            self.replace_zygote(f"{why} did not fork {worker.title} within {after_s:g} s")

    # -- an upgrade ------------------------------------------------------------------------------------------

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it."""
        return {
            "number": self.number,
            "config": self.config.keep(),
            "identity": asdict(self.basis.identity),
            "zygote": None if self._zygote is None else self._zygote.keep(handoff),
            "closed": self._closed,
            "failures": self._backoff.failures,
            "alone": self._alone,
            "facts": self.facts,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Set what `keep` returned; called in place of `boot` in the program that took over."""
        self._loaded = True
        self._closed = state["closed"]
        self._backoff.failures = state["failures"]
        self._alone = state.get("alone", "")
        self.facts = state.get("facts", {})
        if state["zygote"] is not None:
            self._zygote = self._services.children.restore(state["zygote"], self.config, self._zygote_changed)
            self._zygote.renewal_answered = self._take_answer
            self.uses_other_content = True
        elif not self._closed:
            self.boot()

    def resume_worker(self, state: Mapping[str, Any], changed: Changed) -> Child:
        """Return the worker that `Child.keep` described."""
        return self._services.children.restore(state, self.config, changed)


def _refuse_constant(name: str) -> None:
    """Raise ValueError for NaN and the infinities, which JSON has not."""
    raise ValueError(name)
