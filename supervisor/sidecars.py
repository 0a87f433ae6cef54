"""Sidecars: processes beside the workers that the master keeps alive, one of each, such as a status page.

Owns their start, restart and end. A sidecar is forked from the master itself, which has loaded no application; it may
load what it likes. It listens on addresses of its own, and commands its master over a socket that speaks the control
protocol. Nothing of it shows on the workers' scoreboard. Knows nothing of what it does. `Sidecars` runs in the master,
`Sidecar.run` in the process made for it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn

from .config import Sidecar
from .eventloop import Timer
from .logs.childlog import log_record
from .processes.backoff import Backoff
from .processes.causes import describe
from .processes.child import Child
from .processes.context import Context, Means, Place
from .processes.forking import Birth, Output, fork
from .processes.messages import channel_pair
from .processes.states import ChildState, Event
from .resources import Basis
from .scoreboard.scoreboard import Scoreboard
from .services import Services

__all__ = ["SidecarContext", "Sidecars"]

_THREADS = 8
_END_S = 1.0
_RING_BYTES = 1 << 16

ServeControl = Callable[[socket.socket], None]


class SidecarContext(Context):
    """A sidecar's means: as a worker's, with a scoreboard of its own, and a socket to command the master."""

    __slots__ = ("control",)

    control: socket.socket
    """Blocking; speaks the control protocol (see the room `control`)."""


class Sidecars:
    """The sidecars that are wanted, each in a process. Iterating gives the processes that live."""

    def __init__(self, services: Services, serve_control: ServeControl) -> None:
        """serve_control: called with the master's end of each sidecar's control socket."""
        self._services = services
        self._serve_control = serve_control
        self._running: dict[Sidecar, _Process] = {}

    def __iter__(self) -> Iterator[Child]:
        return (process.child for process in self._running.values() if process.child is not None)

    def apply(self, basis: Basis) -> None:
        """Start and end processes so that the sidecars of `basis` run, and no others."""
        for sidecar in tuple(self._running):
            if sidecar not in basis.config.sidecars:
                self._running.pop(sidecar).end()
        for sidecar in basis.config.sidecars:
            if sidecar not in self._running:
                self._running[sidecar] = _Process(sidecar, basis, self._services, self._serve_control)

    def end(self) -> None:
        """End all of them, for good."""
        for process in self._running.values():
            process.end()
        self._running.clear()


class _Process:
    """One sidecar's process, started again when it dies."""

    def __init__(self, sidecar: Sidecar, basis: Basis, services: Services, serve_control: ServeControl) -> None:
        self.child: Child | None = None
        self._sidecar = sidecar
        self._basis = basis
        self._listeners = [each for each in basis.side_listeners if each.bind in sidecar.binds]
        self._services = services
        self._serve_control = serve_control
        self._backoff = Backoff()
        self._again: Timer | None = None
        self._ended = False
        self._start()

    def end(self) -> None:
        """End the process, and start no other; it is killed if it has not ended within 1 s."""
        self._ended = True
        if self._again is not None:
            self._again.cancel()
        if self.child is not None:
            # not DRAIN: it would wait for its idle connections, as there is no other process to hand them to
            self.child.feed(Event.STOP)
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
                pid = self._fork((ours, control), theirs, their_control)
            except OSError as error:
                ours.close()
                control.close()
                self._try_again(f"{self._sidecar.title} could not be forked: {error.strerror}", young=True)
                return
        children, config = self._services.children, self._basis.config
        self.child = children.add(self._sidecar.title, ours, config, self._changed, pid=pid)
        self._serve_control(control)

    def _fork(
        self, masters: tuple[socket.socket, ...], channel: socket.socket, control: socket.socket
    ) -> int:
        """Fork the process and return its pid; masters: the master's ends, which the process closes."""
        services, basis, sidecar = self._services, self._basis, self._sidecar

        def abandon() -> None:
            for end in masters:
                end.close()
            services.abandon(self._listeners)
            services.adoption.close()

        title = f"{basis.config.name}: {sidecar.title}"
        birth = Birth(title, os.getpid(), Output.of(services.errors, basis.config), abandon)

        def live() -> NoReturn:
            birth.set_up()
            basis.identity.take_on()
            birth.stay_with_master()
            channel.setblocking(False)
            scoreboard = Scoreboard(1, _THREADS, _RING_BYTES, _RING_BYTES)
            sockets = [listener.socket for listener in self._listeners]
            context = SidecarContext(Place(0, 0, scoreboard.rows[0]), Means(scoreboard, sockets, channel))
            context.control = control
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
