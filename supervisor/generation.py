"""A generation: one reading of the settings, one loading of the application, and the zygote that holds it.

Owns the zygote: boots it, boots it again when it dies, and has it fork. Knows nothing of slots: whoever keeps
the generation is told when a worker can be forked, and the verdict when the application did not load. Runs in
the master.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .backoff import Backoff
from .board import Board
from .causes import describe
from .child import Child, Children
from .errorlog import ErrorLog
from .eventloop import EventLoop, Timer
from .messages import Message, channel_pair
from .resources import Basis
from .states import ChildState, Event
from .zygote import MASTER_SIGNALS, Zygote

__all__ = ["Generation", "Keeper", "Services"]


@dataclass(slots=True)
class Services:
    """What every part of the master uses."""

    loop: EventLoop
    children: Children
    board: Board
    errors: ErrorLog
    abandon: Callable[[Generation], None]
    """Closes, in a forked child, what is the master's alone."""


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

    @property
    def can_fork(self) -> bool:
        return self._zygote is not None and self._zygote.state is ChildState.READY

    @property
    def zygote(self) -> Child | None:
        return self._zygote

    def boot(self) -> None:
        """Fork a zygote from this process; the keeper is told if that fails."""
        self._again = None
        try:
            self._fork_zygote()
        except OSError as error:
            self._failed(f"zygote gen {self.number} could not be forked: {error.strerror}", young=True)

    def _fork_zygote(self) -> None:
        services = self._services
        ours, theirs = channel_pair()
        master_pid = os.getpid()
        stderr_fd = services.errors.child_fd()
        # a signal that reached the child before its own settings would come out of the master's wakeup socket
        signal.pthread_sigmask(signal.SIG_BLOCK, MASTER_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                try:
                    ours.close()
                    Zygote(
                        self.number,
                        self.config.name,
                        self.application,
                        self.basis.identity,
                        services.board,
                        [listener.socket for listener in self.listeners],
                        theirs,
                        stderr_fd,
                        master_pid,
                    ).main(lambda: services.abandon(self))
                finally:
                    os._exit(1)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, MASTER_SIGNALS)
        theirs.close()
        self._zygote = Child(
            f"zygote gen {self.number}",
            ours,
            services.children,
            pid=pid,
            config=self.config,
            changed=self._zygote_changed,
        )

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
        return worker

    def close(self, *, at_once: bool = False) -> None:
        """End the zygote; it has nothing to finish once it is READY. Workers live on."""
        self._closed = True
        if self._again is not None:
            self._again.cancel()
        if self._zygote is not None:
            booting = self._zygote.state is ChildState.BOOT
            self._zygote.feed(Event.KILL if at_once or booting else Event.DRAIN)

    def _zygote_changed(self, zygote: Child) -> None:
        if zygote.state is ChildState.READY:
            self._proved = True
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
