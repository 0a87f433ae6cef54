"""The access log and the error log, as the settings name them.

Owns opening both, changing both at a reload (all or nothing), and opening them again after a rotation. Knows nothing of
what is written to them. Runs in the master.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from .config import Config, SettingsError
from .descriptors import DescriptorHandoff
from .logs.accesslog import AccessLog
from .logs.destination import Destination
from .logs.errorlog import ErrorLog

__all__ = ["LogFiles"]


class LogFiles:
    """`errors` can be used from the beginning, `records` after `open` or `restore`."""

    records: AccessLog

    def __init__(self) -> None:
        self.errors = ErrorLog()
        self._open = False
        self._next: _Opened | None = None  # of a reload that is under way

    def open(self, config: Config) -> None:
        """Open both. Raises SettingsError, which names the one that cannot be opened."""
        with _naming("error_log", config.error_log):
            destination = self.errors.open(config.error_log)
        self.errors.use(config.error_log, destination, config.log_level, config.error_format)
        with _naming("access_log", config.access_log):
            self.records = AccessLog(config.access_log, self.errors.say)
        self._open = True

    def prepare(self, config: Config) -> None:
        """Open both as a reload's settings name them; `install` uses them, `discard` closes them. Raises SettingsError
        as `open` does; then neither is open."""
        self._next = _Opened.of(config)

    def install(self, config: Config) -> None:
        """Use what `prepare` opened, if it was called."""
        opened, self._next = self._next, None
        if opened is not None:
            self.records.use(config.access_log, opened.records)
            self.errors.use(config.error_log, opened.errors, config.log_level, config.error_format)

    def discard(self) -> None:
        """Close what `prepare` opened."""
        opened, self._next = self._next, None
        if opened is not None:
            opened.close()

    def reopen(self, *, quietly: bool = False) -> str:
        """Open both files again, after they were renamed; return what could not be opened, else "". Success is logged
        unless `quietly`."""
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

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it. Opens both files again, as the next program will:
        raises OSError if that cannot be done."""
        self.records.reopen()
        self.errors.reopen()
        return {"errors": self.errors.keep(handoff), "records": [self.records.bytes, self.records.stalls]}

    def restore(self, state: Mapping[str, Any], config: Config) -> None:
        """Set what `keep` returned, `config` being in force (in the program that took over)."""
        destination = self.errors.open(config.error_log)
        self.errors.use(config.error_log, destination, config.log_level, config.error_format)
        self.errors.restore(state["errors"])
        self.records = AccessLog(config.access_log, self.errors.say)
        self.records.bytes, self.records.stalls = state["records"]
        self._open = True

    def abandon(self) -> None:
        """Close the descriptors (in a child that was just forked, and has its descriptor 2 already)."""
        self.records.close()
        self.errors.abandon()
        self.discard()

    def close(self) -> None:
        """Close both (in the master)."""
        self.discard()
        if self._open:
            self.records.close()
        self.errors.close()


class _Opened:
    """Both logs, opened and not used yet."""

    def __init__(self, records: Destination | None, errors: Destination) -> None:
        self.records = records
        self.errors = errors

    @classmethod
    def of(cls, config: Config) -> _Opened:
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
    """Turn an OSError into a SettingsError that names the setting."""
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{setting} is {value!r}: {error.strerror or error}") from error
