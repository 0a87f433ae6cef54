"""The upgrade (USR2): replaces the master's own program by an exec. Pid, sockets, workers and log records are kept.

Owns the order of the steps: a child runs the preflight of the new program (`preflight`); the log is written out;
signals are blocked; everything the master holds is saved in a document (`state`, `handoff`); the exec. A failure before
the exec undoes all of it and is reported with its reason. Runs in the master; the new program restores the document
instead of starting.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping

from ..control.server import Control
from ..logs.accesslog import DrainOutcome
from ..master import Master
from ..processes.messages import Message
from ..workers.reload import Asker, ReloadPhase, Verdict
from .handoff import BLOCKED_SIGNALS, STATE_VARIABLE, Handoff
from .preflight import Preflight, Program
from .state import save_state

__all__ = ["Upgrade"]

_LOG_S = 5.0  # to write out the access log
_RETRY_S = 0.02


class Upgrade:
    """Upgrades of `master`, one at a time; a request during an upgrade gets the verdict of that one."""

    def __init__(self, master: Master, control: Control, program: Program | None, keeps: Mapping[str, int]) -> None:
        """program: what this process can be replaced with, None if it cannot; keeps: descriptors by name that outlive
        the upgrade, besides those of the parts."""
        self._master = master
        self._control = control
        self._program = program
        self._keeps = keeps
        self._preflight: Preflight | None = None
        self._running = False
        self._askers: list[Asker] = []
        self._log_deadline = 0.0  # to write out the access log
        self._reload_deadline = 0.0  # to wait for reloads that were asked for meanwhile

    def request(self, asker: Asker | None = None) -> str:
        """Begin an upgrade; return why it is refused, "" if it is accepted.

        `asker` is called with the verdict if it fails. After a success it is not: this program is gone then, and the
        new one answers connections that wait (`Control.restore`).
        """
        if self._running:
            self._say("info", "upgrade requested while one is running: both get its verdict")
        elif why := self._why_never() or self._why_not_now():
            self._say("warning", f"no upgrade now: {why}")
            return why
        if asker is not None:
            self._askers.append(asker)
        if not self._running:
            self._begin()
        return ""

    def abandon(self) -> None:
        """End a running upgrade as failed, because the master stops."""
        if self._preflight is not None:
            self._preflight.abandon()
            self._preflight = None
        if self._running:
            self._fail("the master is stopping", "info")

    def leave(self) -> None:
        """Close the descriptors (in a forked child)."""
        if self._preflight is not None:
            self._preflight.leave()

    # -- conditions -----------------------------------------------------------------------------------

    def _why_never(self) -> str:
        master = self._master
        if self._program is None:
            return "this process cannot be run again: its server was started by another program, or from a pipe"
        if not hasattr(os, "memfd_create") or master.services.scoreboard.memory_fd < 0:
            return "this system has no memory that outlives a program"
        return ""

    def _why_not_now(self) -> str:
        master = self._master
        if not master.ending.running:
            return master.ending.stage.value
        if master.fleet.target is None:
            return "starting"
        if self._is_reloading():
            return f"a reload is under way ({master.reloader.phase.value})"
        if master.renewals.under_way:
            return "workers are taking on new content"
        return ""

    def _is_reloading(self) -> bool:
        return self._master.reloader.phase is not ReloadPhase.IDLE

    # -- the steps -------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        master = self._master
        assert self._program is not None
        self._running = True
        self._say("info", "upgrade: running the preflight of the new program")
        try:
            children = master.services.children
            self._preflight = Preflight(self._program, master.current.config, children, self._preflight_ended)
        except OSError as error:
            self._fail(f"cannot start the preflight: {error.strerror}")

    def _preflight_ended(self, failure: str) -> None:
        self._preflight = None
        if failure:
            self._fail(failure)
            return
        self._say("info", "upgrade: the preflight succeeded")
        self._log_deadline = self._reload_deadline = time.monotonic() + _LOG_S
        self._reload_deadline += self._master.current.config.boot_timeout_s
        self._replace_when_ready()

    def _replace_when_ready(self) -> None:
        """Replace the program as soon as no reload runs and the access log is written out."""
        if not self._running:
            return
        if self._is_reloading() and time.monotonic() < self._reload_deadline:  # requested since; it ends by itself
            self._log_deadline = time.monotonic() + _LOG_S
        elif why := self._why_not_now():
            self._fail(why)
            return
        elif self._logs_are_written():
            self._replace()
            return
        elif time.monotonic() > self._log_deadline:
            self._fail(f"the access log cannot be written out within {_LOG_S:g} s")
            return
        self._master.services.loop.after(_RETRY_S, self._replace_when_ready)

    def _logs_are_written(self) -> bool:
        """Drain the logs; return True if only rings of living workers can still hold records."""
        outcome = self._master.drainer.drain()
        return outcome in (DrainOutcome.IDLE, DrainOutcome.WROTE) and not self._master.fleet.has_dead_rows

    def _replace(self) -> None:
        master = self._master
        assert self._program is not None
        held: list[int] = []
        handoff = Handoff()
        here = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED_SIGNALS)
        try:
            held = master.services.loop.take_signals()
            os.chdir(self._program.folder)  # relative paths of logs begin there in the new program
            for sidecar in master.sidecars:
                sidecar.tell(Message.STOP)  # the new program starts them again
            variable = handoff.open({**save_state(master, self._control, self._keeps, handoff), "signals": held})
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            self._program.execute({**os.environ, **master.notify.variables, STATE_VARIABLE: variable})
        except Exception as error:  # undo everything
            handoff.close()
            os.fchdir(here)
            master.resources.logs.reopen(quietly=True)
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            os.close(here)
            for number in held:
                os.kill(os.getpid(), number)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_SIGNALS)

    def _fail(self, why: str, level: str = "error") -> None:
        master = self._master
        self._running = False
        self._say(level, f"upgrade refused, nothing has changed: {why}")
        master.services.events.add("upgrade-failed", why)
        askers, self._askers = self._askers, []
        for asker in askers:
            asker(Verdict(False, master.current.number, why))

    def _say(self, level: str, text: str) -> None:
        self._master.services.errors.say(level, text)
