"""What the master holds because the settings say so: listeners, both logs, the pidfile.

Owns taking them at the start, changing them at a reload (all or nothing), and giving them back. Knows nothing
of processes. Runs in the master.
"""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .config import Config, SettingsError
from .context import Application
from .errorlog import ErrorLog
from .identity import Identity
from .listeners import BindError, Listener, handed_over, inherited, open_listeners
from .pidfile import PidFile
from .recordlog import RecordLog

__all__ = ["Basis", "Configure", "Resources"]

Configure = Callable[[], tuple[Config, Application]]


@dataclass(slots=True, frozen=True)
class Basis:
    """What a generation is made from."""

    config: Config
    application: Application
    identity: Identity
    listeners: list[Listener]


class Resources:
    """`errors` can be used before `acquire`; the rest after it."""

    records: RecordLog

    def __init__(self, configure: Configure) -> None:
        self.errors = ErrorLog()
        self.listeners: list[Listener] = []
        self._configure = configure
        self._given = False  # whether the listeners are not of our making
        self._pidfile: PidFile | None = None
        self._records_open = False

    def acquire(self, sockets: Sequence[socket.socket] | None) -> Basis:
        """Read the settings and take everything; SettingsError or BindError say what is wrong."""
        config, application = self._read()
        try:
            self.errors.reopen(config.error_log, config.log_level)
        except OSError as error:
            raise SettingsError(f"error_log is {config.error_log!r}: {error.strerror}") from error
        try:
            self.records = RecordLog(config.access_log, self.errors.say)
        except OSError as error:
            raise SettingsError(f"access_log is {config.access_log!r}: {error.strerror}") from error
        self._records_open = True
        identity = Identity.of(config)
        if config.pidfile is not None:
            pidfile = PidFile(config.pidfile)
            pidfile.write()
            self._pidfile = pidfile
        if sockets is not None:
            self.listeners = handed_over(sockets, config.backlog)
        else:
            self.listeners = inherited(os.environ, config.backlog)
            for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
                os.environ.pop(name, None)  # they are not for what the application starts
        self._given = bool(self.listeners)
        if not self._given:
            self.listeners = open_listeners(config.binds, config.backlog, identity)
        self._say_addresses(self.listeners, config)
        return Basis(config, application, identity, self.listeners)

    def renew(self, check: Callable[[Config], None]) -> Basis:
        """Read the settings and take what they name anew; an exception, of `check` too, leaves all as it was.

        Follow it by `settle`, or by `revert`.
        """
        config, application = self._read()
        check(config)
        identity = Identity.of(config)
        listeners = self.listeners
        if not self._given:
            listeners = open_listeners(config.binds, config.backlog, identity, self.listeners)
        try:
            self._switch_logs(config)
        except OSError:
            _close_those_not_in(self.listeners, listeners)
            raise
        return Basis(config, application, identity, listeners)

    def settle(self, basis: Basis) -> None:
        """`basis` is in force: close what it does not name."""
        added = [listener for listener in basis.listeners if listener not in self.listeners]
        _close_those_not_in(basis.listeners, self.listeners)
        self.listeners = basis.listeners
        self._say_addresses(added, basis.config)

    def revert(self, basis: Basis, before: Config) -> None:
        """`basis` is not: close what it added, and write the logs of `before` again."""
        _close_those_not_in(self.listeners, basis.listeners)
        self._switch_logs(before)

    def reopen_logs(self) -> None:
        """Open both log files anew, after they were renamed."""
        for name, log in (("access", self.records), ("error", self.errors)):
            try:
                log.reopen()
            except OSError as error:
                text = f"cannot reopen the {name} log: {error.strerror}; the old file is kept"
                self.errors.say("error", text)
        self.errors.say("info", "log files reopened")

    def release_listeners(self) -> None:
        """Close this process's copies: a connection that comes when no worker has one any more is refused."""
        for listener in self.listeners:
            listener.close()

    def abandon(self, kept: Sequence[Listener]) -> None:
        """Close the descriptors, but for `kept` (in a forked child that has its descriptor 2 already)."""
        self.records.close()
        self.errors.abandon()
        for listener in self.listeners:
            if listener not in kept:
                listener.socket.close()

    def close(self) -> None:
        """Give everything back."""
        self.release_listeners()
        if self._pidfile is not None:
            self._pidfile.remove()
        if self._records_open:
            self.records.close()
        self.errors.close()

    def _read(self) -> tuple[Config, Application]:
        try:
            return self._configure()
        except (SettingsError, BindError):
            raise
        except Exception as error:
            text = str(error) if isinstance(error, ValueError) else "".join(traceback.format_exception(error))
            raise SettingsError(text.rstrip()) from error

    def _switch_logs(self, config: Config) -> None:
        self.records.reopen(config.access_log)
        self.errors.reopen(config.error_log, config.log_level)

    def _say_addresses(self, listeners: list[Listener], config: Config) -> None:
        scheme = f"{config.scheme}://" if config.scheme else ""
        for listener in listeners:
            where = listener.address if listener.address.startswith("unix:") else scheme + listener.address
            self.errors.say("info", f"listening on {where}")


def _close_those_not_in(kept: Sequence[Listener], listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        if listener not in kept:
            listener.close()
