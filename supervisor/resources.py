"""What the master holds because the settings say so: listeners, both logs, the pidfile.

Owns taking them at the start, changing them at a reload (all or nothing), and giving them back. Knows nothing of
processes. Runs in the master.
"""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .config import Config, SettingsError
from .descriptors import DescriptorHandoff
from .logfiles import LogFiles
from .processes.context import Application
from .system.doors import doors_of, keep_out, shut
from .system.identity import Identity
from .system.listeners import (
    BindError,
    Listener,
    handed_over,
    inherited,
    listen_again,
    open_listeners,
    schemes_of,
)
from .system.pidfile import PidFile
from .system.socketaccess import SocketAccess

__all__ = ["Basis", "Configure", "Resources"]

Configure = Callable[[], tuple[Config, Application]]


@dataclass(slots=True, frozen=True)
class Basis:
    """What a generation is made from."""

    config: Config
    application: Application
    identity: Identity
    access: SocketAccess
    listeners: list[Listener]
    side_listeners: list[Listener]
    """Those of all sidecars."""

    def schemes(self) -> list[str]:
        """Return what is spoken at each of the listeners; "" where the settings say nothing."""
        return _schemes(self.listeners, self.config)


class Resources:
    """`logs.errors` can be used before `acquire`; the rest after it, or after `restore`."""

    def __init__(self, configure: Configure) -> None:
        self.logs = LogFiles()
        self.listeners: list[Listener] = []
        self.addresses: list[str] = []  # where the server listens, as shown to users
        self.side_listeners: list[Listener] = []
        self._configure = configure
        self.access = SocketAccess()  # to `listeners`, as it is in force
        self._doors: list[socket.socket] = []
        self._given = False  # whether the listeners were made by others: by a service manager, or the caller of `run`
        self._answers = False  # whether something answers there, and the addresses have been logged
        self._pidfile: PidFile | None = None

    # -- at the start ----------------------------------------------------------------------------------------

    def read(self) -> tuple[Config, Application]:
        """Read the settings and return them. Raises SettingsError or BindError if they cannot be used."""
        try:
            return self._configure()
        except (SettingsError, BindError):
            raise
        except Exception as error:
            text = str(error) if isinstance(error, ValueError) else "".join(traceback.format_exception(error))
            raise SettingsError(text.rstrip()) from error

    def acquire(self, sockets: Sequence[socket.socket] | None, *, theirs: bool = True) -> Basis:
        """Read the settings and take everything they name. Raises SettingsError or BindError, which say what is wrong.

        sockets: to listen on in place of the settings' binds; theirs: whether their maker may go on with them."""
        config, application = self.read()
        self.logs.open(config)
        identity = Identity.of(config)
        self.access = SocketAccess.of(config, identity)
        if config.pidfile is not None:
            pidfile = PidFile(config.pidfile)
            pidfile.write()
            self._pidfile = pidfile
        if sockets is not None:
            self.listeners = handed_over(sockets, config.backlog, config.binds, theirs=theirs)
        else:
            self.listeners = inherited(os.environ, config.backlog)
            for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
                os.environ.pop(name, None)  # they are not for programs that the application starts
        self._given = bool(self.listeners)
        if not self._given:
            self.listeners = open_listeners(config.binds, config.backlog, self.access)
        self.addresses = _addresses(self.listeners, config)
        beside = SocketAccess.of_sidecars(identity)
        self.side_listeners = open_listeners(_side_binds(config), config.backlog, beside)
        self._say_side_addresses(self.side_listeners, config)
        return Basis(config, application, identity, self.access, self.listeners, self.side_listeners)

    def say_addresses(self, config: Config) -> None:
        """Log where the server listens; called once there is something that answers."""
        self._answers = True
        self._say_addresses(self.addresses)

    # -- at a reload -----------------------------------------------------------------------------------------

    def renew(self, check: Callable[[Config], None]) -> Basis:
        """Read the settings again, open what they name, and return both. `install` puts them in force, `revert` closes
        them. Raises what `check` raises, SettingsError or BindError; then nothing has changed."""
        config, application = self.read()
        check(config)
        identity = Identity.of(config)
        access, side_access = SocketAccess.of(config, identity), SocketAccess.of_sidecars(identity)
        listeners = self.listeners
        if not self._given:
            listeners = open_listeners(config.binds, config.backlog, access, self.listeners)
        beside = self.side_listeners
        try:
            beside = open_listeners(_side_binds(config), config.backlog, side_access, self.side_listeners)
            self.logs.prepare(config)
        except BaseException:
            _close_those_not_in(self.listeners, listeners)
            _close_those_not_in(self.side_listeners, beside)
            raise
        return Basis(config, application, identity, access, listeners, beside)

    def install(self, basis: Basis) -> None:
        """Put `basis` in force: use what was opened for it, and close what it does not name."""
        config = basis.config
        self.logs.install(config)
        if not self._given:
            listen_again((*basis.listeners, *basis.side_listeners), config.backlog)
        if basis.access != self.access:
            self._set_access(basis.access)
        _close_those_not_in(basis.listeners, self.listeners)
        self.listeners = basis.listeners
        before, self.addresses = self.addresses, _addresses(basis.listeners, config)
        if self._answers:
            self._say_addresses([address for address in self.addresses if address not in before])
        added = [listener for listener in basis.side_listeners if listener not in self.side_listeners]
        _close_those_not_in(basis.side_listeners, self.side_listeners)
        self.side_listeners = basis.side_listeners
        self._say_side_addresses(added, config)

    def revert(self, basis: Basis) -> None:
        """Close what was opened for `basis`, which does not come in force."""
        _close_those_not_in(self.listeners, basis.listeners)
        _close_those_not_in(self.side_listeners, basis.side_listeners)
        self.logs.discard()

    # -- at the end ------------------------------------------------------------------------------------------

    def keep_out(self) -> None:
        """Have the kernel drop new connections, but for sockets that others made and go on with."""
        keep_out(self.listeners)

    def release_listeners(self) -> None:
        """Close the listeners, but for a second descriptor of each, which `shut_doors` closes."""
        self._doors += doors_of(self.listeners)
        for listener in self.listeners:
            listener.close()

    def shut_doors(self) -> None:
        """Have the released sockets listen no more, even if a process that the application left behind holds them."""
        shut(self._doors)
        self._doors.clear()

    def close(self) -> None:
        """Give everything back (in the master)."""
        self.release_listeners()
        self._doors += doors_of(self.side_listeners)
        for listener in self.side_listeners:
            listener.close()
        self.shut_doors()
        if self._pidfile is not None:
            self._pidfile.remove()
        self.logs.close()

    def abandon(self, kept: Sequence[Listener]) -> None:
        """Close the descriptors but those of `kept` (in a child that was just forked, and has its descriptor 2
        already)."""
        self.logs.abandon()
        if self._pidfile is not None:
            self._pidfile.abandon()
        for listener in (*self.listeners, *self.side_listeners):
            if listener not in kept:
                listener.socket.close()
        for door in self._doors:
            door.close()

    # -- at an upgrade ---------------------------------------------------------------------------------------

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it. Raises OSError if a log cannot be opened again, as
        the next program will."""
        return {
            **self.logs.keep(handoff),
            "listeners": [listener.keep(handoff) for listener in self.listeners],
            "side_listeners": [listener.keep(handoff) for listener in self.side_listeners],
            "given": self._given,
            "access": self.access.keep(),
            "pidfile": None if self._pidfile is None else self._pidfile.keep(handoff),
        }

    def restore(self, state: Mapping[str, Any], config: Config) -> None:
        """Set what `keep` returned, `config` being in force (in the program that took over)."""
        self.logs.restore(state, config)
        self.listeners = [Listener.restore(each) for each in state["listeners"]]
        self.side_listeners = [Listener.restore(each) for each in state["side_listeners"]]
        self.addresses = _addresses(self.listeners, config)
        self._given = state["given"]
        self.access = SocketAccess.restore(state.get("access"))
        self._answers = True
        self._pidfile = None if state["pidfile"] is None else PidFile.restore(state["pidfile"])

    def _set_access(self, access: SocketAccess) -> None:
        self.access = access
        for listener in self.listeners:
            try:
                listener.set_access(access)
            except OSError as error:
                text = f"{listener.address}: its mode and group are not changed: {error.strerror}"
                self.logs.errors.say("error", text)

    # -- addresses -------------------------------------------------------------------------------------------

    def _say_addresses(self, addresses: list[str]) -> None:
        for address in addresses:
            self.logs.errors.say("info", f"listening on {address}")

    def _say_side_addresses(self, listeners: list[Listener], config: Config) -> None:
        for sidecar in config.sidecars:
            for listener in listeners:
                if listener.bind in sidecar.binds:
                    self.logs.errors.say("info", f"{sidecar.title} on {_shown(listener, '', sidecar.scheme)}")


def _addresses(listeners: Sequence[Listener], config: Config) -> list[str]:
    """Return where the server listens, as shown to users."""
    schemes = _schemes(listeners, config)
    return [_shown(*each, config.scheme) for each in zip(listeners, schemes, strict=True)]


def _schemes(listeners: Sequence[Listener], config: Config) -> list[str]:
    return schemes_of(listeners, config.binds, config.schemes)


def _shown(listener: Listener, scheme: str, usual_scheme: str) -> str:
    """Return its address as users are shown it; scheme: what the settings say of it."""
    if not scheme and not listener.address.startswith("unix:"):
        scheme = usual_scheme
    return f"{scheme}://{listener.address}" if scheme else listener.address


def _side_binds(config: Config) -> list[str]:
    return [bind for sidecar in config.sidecars for bind in sidecar.binds]


def _close_those_not_in(kept: Sequence[Listener], listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        if listener not in kept:
            listener.close()
