"""What the master holds because the settings say so: listeners, both logs, the pidfile.

Owns taking them at the start, changing them at a reload (all or nothing), and giving them back. Knows nothing
of processes. Runs in the master.
"""

from __future__ import annotations

import contextlib
import os
import socket
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .config import Config, SettingsError
from .logs.accesslog import AccessLog
from .logs.destination import Destination
from .logs.errorlog import ErrorLog
from .processes.context import Application
from .system.identity import Identity
from .system.listeners import (
    BindError,
    Listener,
    doors_of,
    handed_over,
    inherited,
    let_nobody_in,
    listen_again,
    open_listeners,
    shut,
)
from .system.pidfile import PidFile

if TYPE_CHECKING:
    from .upgrade.handoff import Handoff

__all__ = ["Basis", "Configure", "Resources"]

Configure = Callable[[], tuple[Config, Application]]


@dataclass(slots=True, frozen=True)
class Basis:
    """What a generation is made from."""

    config: Config
    application: Application
    identity: Identity
    listeners: list[Listener]
    side_listeners: list[Listener]
    """Those of all sidecars."""


@dataclass(slots=True)
class _Logs:
    """Both logs, opened and not used yet."""

    records: Destination | None
    errors: Destination

    @classmethod
    def of(cls, config: Config) -> _Logs:
        """Open them; SettingsError names the one that cannot be."""
        with _naming("error_log", config.error_log):
            errors = ErrorLog.open(config.error_log)
        try:
            with _naming("access_log", config.access_log):
                return cls(AccessLog.open(config.access_log), errors)
        except BaseException:
            errors.close()
            raise

    def close(self) -> None:
        self.errors.close()
        if self.records is not None:
            self.records.close()


@contextlib.contextmanager
def _naming(setting: str, value: str) -> Iterator[None]:
    """Have an OSError say which setting it is about."""
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{setting} is {value!r}: {error.strerror or error}") from error


class Resources:
    """`errors` can be used before `acquire`; the rest after it."""

    records: AccessLog

    def __init__(self, configure: Configure) -> None:
        self.errors = ErrorLog()
        self.listeners: list[Listener] = []
        self.side_listeners: list[Listener] = []
        self._configure = configure
        self._doors: list[socket.socket] = []
        self._given = False  # whether the listeners are not of our making
        self._answers = False  # whether there is something that answers there: what it listens on has been said
        self._pidfile: PidFile | None = None
        self._records_open = False
        self._next_logs: _Logs | None = None  # of a reload that is under way

    def acquire(self, sockets: Sequence[socket.socket] | None, *, theirs: bool = True) -> Basis:
        """Read the settings and take everything; SettingsError or BindError say what is wrong. theirs: whoever made
        `sockets` may go on with them."""
        config, application = self.read()
        with _naming("error_log", config.error_log):
            destination = self.errors.open(config.error_log)
        self.errors.use(config.error_log, destination, config.log_level, config.error_format)
        with _naming("access_log", config.access_log):
            self.records = AccessLog(config.access_log, self.errors.say)
        self._records_open = True
        identity = Identity.of(config)
        if config.pidfile is not None:
            pidfile = PidFile(config.pidfile)
            pidfile.write()
            self._pidfile = pidfile
        if sockets is not None:
            self.listeners = handed_over(sockets, config.backlog, theirs=theirs)
        else:
            self.listeners = inherited(os.environ, config.backlog)
            for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
                os.environ.pop(name, None)  # they are not for what the application starts
        self._given = bool(self.listeners)
        if not self._given:
            self.listeners = open_listeners(config.binds, config.backlog, identity)
        self.side_listeners = open_listeners(_side_binds(config), config.backlog, identity)
        self._say_side_addresses(self.side_listeners, config)
        return Basis(config, application, identity, self.listeners, self.side_listeners)

    def renew(self, check: Callable[[Config], None]) -> Basis:
        """Read the settings and open what they name anew; an exception, of `check` too, leaves all as it was.

        Nothing of it is used until `settle`; `revert` closes it again.
        """
        config, application = self.read()
        check(config)
        identity = Identity.of(config)
        listeners = self.listeners
        if not self._given:
            listeners = open_listeners(config.binds, config.backlog, identity, self.listeners)
        beside = self.side_listeners
        try:
            beside = open_listeners(_side_binds(config), config.backlog, identity, self.side_listeners)
            self._next_logs = _Logs.of(config)
        except BaseException:
            _close_those_not_in(self.listeners, listeners)
            _close_those_not_in(self.side_listeners, beside)
            raise
        return Basis(config, application, identity, listeners, beside)

    def say_addresses(self, config: Config) -> None:
        """Log where the server listens, as soon as there is something that answers."""
        self._answers = True
        self._say_addresses(self.listeners, config)

    def settle(self, basis: Basis) -> None:
        """`basis` is in force: use what was opened for it, and close what it does not name."""
        config = basis.config
        logs, self._next_logs = self._next_logs, None
        if logs is not None:
            self.records.use(config.access_log, logs.records)
            self.errors.use(config.error_log, logs.errors, config.log_level, config.error_format)
        if not self._given:
            listen_again((*basis.listeners, *basis.side_listeners), config.backlog)
        added = [listener for listener in basis.listeners if listener not in self.listeners]
        _close_those_not_in(basis.listeners, self.listeners)
        self.listeners = basis.listeners
        if self._answers:
            self._say_addresses(added, config)
        added = [listener for listener in basis.side_listeners if listener not in self.side_listeners]
        _close_those_not_in(basis.side_listeners, self.side_listeners)
        self.side_listeners = basis.side_listeners
        self._say_side_addresses(added, config)

    def revert(self, basis: Basis) -> None:
        """`basis` is not: close what was opened for it."""
        _close_those_not_in(self.listeners, basis.listeners)
        _close_those_not_in(self.side_listeners, basis.side_listeners)
        self._close_next_logs()

    def _close_next_logs(self) -> None:
        logs, self._next_logs = self._next_logs, None
        if logs is not None:
            logs.close()

    def reopen_logs(self, *, quietly: bool = False) -> str:
        """Open both log files anew, after they were renamed; say what could not be."""
        failures = []
        for name, log in (("access", self.records), ("error", self.errors)):
            try:
                log.reopen()
            except OSError as error:
                text = f"cannot reopen the {name} log: {error.strerror}; the old file is kept"
                self.errors.say("error", text)
                failures.append(text)
        if not quietly and not failures:
            self.errors.say("info", "log files reopened")
        return "; ".join(failures)

    def release_listeners(self) -> None:
        """Close the listeners, but for a descriptor of each that is for `shut_doors`."""
        self._doors += doors_of(self.listeners)
        for listener in self.listeners:
            listener.close()

    def shut_doors(self) -> None:
        """Have nobody listen on the released sockets any more, not even what the application left behind."""
        shut(self._doors)
        self._doors.clear()

    def let_nobody_in(self) -> None:
        """Leave whoever connects from now on outside, but for sockets that others made and go on with."""
        let_nobody_in(self.listeners)

    def keep(self, handoff: Handoff) -> dict[str, Any]:
        """Give everything as JSON takes it, for the program that replaces the master's. Opens both logs anew, as that
        will: OSError when that cannot be done."""
        self.records.reopen()
        self.errors.reopen()
        return {
            "errors": self.errors.keep(handoff),
            "records": [self.records.bytes, self.records.stalls],
            "listeners": [listener.keep(handoff) for listener in self.listeners],
            "side_listeners": [listener.keep(handoff) for listener in self.side_listeners],
            "given": self._given,
            "pidfile": None if self._pidfile is None else self._pidfile.keep(handoff),
        }

    def adopt(self, kept: Mapping[str, Any], config: Config) -> None:
        """Take on what `keep` gave, `config` being in force."""
        destination = self.errors.open(config.error_log)
        self.errors.use(config.error_log, destination, config.log_level, config.error_format)
        self.errors.adopt(kept["errors"])
        self.records = AccessLog(config.access_log, self.errors.say)
        self.records.bytes, self.records.stalls = kept["records"]
        self._records_open = True
        self.listeners = [Listener.adopt(each) for each in kept["listeners"]]
        self.side_listeners = [Listener.adopt(each) for each in kept["side_listeners"]]
        self._given = kept["given"]
        self._answers = True
        self._pidfile = None if kept["pidfile"] is None else PidFile.adopt(kept["pidfile"])

    def abandon(self, kept: Sequence[Listener]) -> None:
        """Close the descriptors, but for `kept` (in a forked child that has its descriptor 2 already)."""
        self.records.close()
        self.errors.abandon()
        self._close_next_logs()
        if self._pidfile is not None:
            self._pidfile.abandon()
        for listener in (*self.listeners, *self.side_listeners):
            if listener not in kept:
                listener.socket.close()
        for door in self._doors:
            door.close()

    def close(self) -> None:
        """Give everything back."""
        self.release_listeners()
        self._doors += doors_of(self.side_listeners)
        for listener in self.side_listeners:
            listener.close()
        self.shut_doors()
        if self._pidfile is not None:
            self._pidfile.remove()
        self._close_next_logs()
        if self._records_open:
            self.records.close()
        self.errors.close()

    def read(self) -> tuple[Config, Application]:
        """Give what the settings of now say; SettingsError or BindError when they cannot be used."""
        try:
            return self._configure()
        except (SettingsError, BindError):
            raise
        except Exception as error:
            text = str(error) if isinstance(error, ValueError) else "".join(traceback.format_exception(error))
            raise SettingsError(text.rstrip()) from error

    def _say_addresses(self, listeners: list[Listener], config: Config) -> None:
        for listener in listeners:
            self.errors.say("info", f"listening on {_shown(listener, config.scheme)}")

    def _say_side_addresses(self, listeners: list[Listener], config: Config) -> None:
        for sidecar in config.sidecars:
            for listener in listeners:
                if listener.bind in sidecar.binds:
                    self.errors.say("info", f"{sidecar.title} on {_shown(listener, sidecar.scheme)}")


def _shown(listener: Listener, scheme: str) -> str:
    """Its address as the log shows it."""
    plain = not scheme or listener.address.startswith("unix:")
    return listener.address if plain else f"{scheme}://{listener.address}"


def _side_binds(config: Config) -> list[str]:
    return [bind for sidecar in config.sidecars for bind in sidecar.binds]


def _close_those_not_in(kept: Sequence[Listener], listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        if listener not in kept:
            listener.close()
