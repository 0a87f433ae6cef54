"""Sidecars: processes beside the workers that the master keeps alive, one of each, such as a status page.

Owns their start, restart and end. A sidecar is forked from the master itself, which has loaded no application; it
may load what it likes. It listens on addresses of its own, and commands its master by a socket that speaks the
control protocol. What it does is its own: nothing of it shows on the scoreboard of the workers. `Sidecars` runs in the
master, `Sidecar.run` in the process made for it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from .eventloop import Timer
from .logs.childlog import log_record
from .processes.backoff import Backoff
from .processes.causes import describe
from .processes.child import Child
from .processes.context import Context
from .processes.forking import Birth, fork
from .processes.messages import channel_pair
from .processes.states import ChildState, Event
from .resources import Basis
from .scoreboard.scoreboard import Scoreboard
from .system.listeners import Listener
from .workers.generation import Services

__all__ = ["Sidecar", "SidecarContext", "Sidecars"]

_THREADS = 8
_END_S = 1.0
_RING_BYTES = 1 << 16


class SidecarContext(Context):
    """A sidecar's means: as a worker's, with a scoreboard of its own, and a way to command the master."""

    __slots__ = ("control",)

    control: socket.socket
    """Blocking; speaks the control protocol (see `control`)."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What is to run beside the workers. Two are the same if all but `run` is equal: a reload then leaves it alone."""

    title: str
    binds: tuple[str, ...]
    """Addresses to listen on, as `Config.binds`; may be empty."""
    run: Callable[[SidecarContext], None] = field(compare=False)
    """Works until its channel says otherwise; returning ends the process."""
    key: str = field(default="", repr=False)
    """Anything else that a reload must restart it for."""
    scheme: str = ""


class Sidecars:
    """The sidecars that are wanted, each in a process."""

    def __init__(self, services: Services, serve_control: Callable[[socket.socket], None]) -> None:
        """serve_control: told of the master's end of each sidecar's control socket."""
        self._services = services
        self._serve_control = serve_control
        self._running: dict[Sidecar, _Process] = {}

    def __iter__(self) -> Iterator[Child]:
        """Give the living processes."""
        return (process.child for process in self._running.values() if process.child is not None)

    def apply(self, basis: Basis) -> None:
        """Have those of `basis` run, and no others."""
        for sidecar in tuple(self._running):
            if sidecar not in basis.config.sidecars:
                self._running.pop(sidecar).end()
        for sidecar in basis.config.sidecars:
            if sidecar not in self._running:
                listeners = [each for each in basis.side_listeners if each.bind in sidecar.binds]
                self._running[sidecar] = _Process(sidecar, basis, listeners, self._services, self._serve_control)

    def end(self) -> None:
        """End all of them, for good."""
        for process in self._running.values():
            process.end()
        self._running.clear()


class _Process:
    """One sidecar's process, made again when it dies."""

    def __init__(
        self,
        sidecar: Sidecar,
        basis: Basis,
        listeners: Sequence[Listener],
        services: Services,
        serve_control: Callable[[socket.socket], None],
    ) -> None:
        self.child: Child | None = None
        self._sidecar = sidecar
        self._basis = basis
        self._listeners = listeners
        self._services = services
        self._serve_control = serve_control
        self._backoff = Backoff()
        self._again: Timer | None = None
        self._ended = False
        self._start()

    def end(self) -> None:
        self._ended = True
        if self._again is not None:
            self._again.cancel()
        if self.child is not None:
            self.child.feed(Event.STOP)  # not DRAIN: it has nobody to hand its idle connections to, and would keep them
            self._services.loop.after(_END_S, lambda child=self.child: self._end_at_once(child))  # type: ignore[misc]

    def _end_at_once(self, child: Child) -> None:
        if child.state is not ChildState.GONE:
            self._services.errors.say("warning", f"{child.title} [{child.pid}] did not end within {_END_S:g} s")
            child.feed(Event.KILL)

    def _start(self) -> None:
        self._again = None
        with contextlib.ExitStack() as ends:
            ours, theirs = channel_pair()
            ends.callback(theirs.close)
            control, their_control = socket.socketpair()
            ends.callback(their_control.close)
            try:
                pid = self._fork(ours, theirs, control, their_control)
            except OSError as error:
                ours.close()
                control.close()
                self._try_again(f"{self._sidecar.title} could not be forked: {error.strerror}", young=True)
                return
        config = self._basis.config
        self.child = Child(
            self._sidecar.title, ours, self._services.children, pid=pid, config=config, changed=self._changed
        )
        self._serve_control(control)

    def _fork(
        self, ours: socket.socket, theirs: socket.socket, control: socket.socket, their_control: socket.socket
    ) -> int:
        services, basis, sidecar = self._services, self._basis, self._sidecar
        stderr_fd = services.errors.child_fd(basis.config.error_log)
        title = f"{basis.config.name}: {sidecar.title}"

        def abandon() -> None:
            ours.close()
            control.close()
            services.abandon(self._listeners)
            services.adoption.close()

        records_fd, form = services.errors.records_fd(), basis.config.error_format
        birth = Birth(title, os.getpid(), stderr_fd, abandon, records_fd, form)

        def live() -> NoReturn:
            birth.settle()
            basis.identity.take_on()
            birth.stay_with_master()
            theirs.setblocking(False)
            scoreboard = Scoreboard(1, _THREADS, _RING_BYTES, _RING_BYTES)
            sockets = [listener.socket for listener in self._listeners]
            context = SidecarContext(0, 0, scoreboard.rows[0], scoreboard, sockets, theirs)
            context.control = their_control
            try:
                sidecar.run(context)
            except BaseException:
                log_record("critical", f"{sidecar.title} failed", exception=traceback.format_exc().rstrip())
                os._exit(1)
            os._exit(0)

        return fork(live)

    def _changed(self, child: Child) -> None:
        if child.state is ChildState.READY:
            self._services.errors.say("info", f"{child.title} [{child.pid}] is ready")
        elif child.state is ChildState.GONE:
            self.child = None
            if not self._ended:
                cause = child.reason or describe(child.status)
                self._try_again(f"{child.title} [{child.pid}] {cause}", young=child.died_young)

    def _try_again(self, what: str, *, young: bool) -> None:
        self._services.errors.say("error", what)
        self._services.events.add("sidecar", what)
        if young:
            delay_s = self._backoff.failed()
        else:
            self._backoff.succeeded()
            delay_s = 0.0
        self._again = self._services.loop.after(delay_s, self._start)
