"""USR2: the master's own program is replaced in place, by an exec. The pid, sockets, workers and records stay.

Owns the order: a child proves the new program (`preflight`), the log is written out, signals are held back, all there
is goes into a document (`state`, `handoff`), the exec. Until the exec everything can be taken back, and is, with the
reason. Runs in the master; the new program takes up the document where it would start otherwise.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from ..logs.accesslog import DrainOutcome
from ..processes.messages import Message
from ..workers.reload import Asker, Phase, Verdict
from .handoff import HELD_SIGNALS, STATE_VARIABLE, Handoff
from .preflight import Preflight
from .state import save_state

if TYPE_CHECKING:
    from ..supervisor import Supervisor

__all__ = ["Upgrade"]

_LOG_S = 5.0  # for a log that cannot be written
_AGAIN_S = 0.02


class Upgrade:
    """`request` asks for one; one at a time, and who asks during it is told how that one ended."""

    def __init__(self, master: Supervisor) -> None:
        self._master = master
        self._preflight: Preflight | None = None
        self._running = False
        self._askers: list[Asker] = []
        self._give_up_at = 0.0  # on the log
        self._too_many_at = 0.0  # reloads meanwhile, one after the other

    def request(self, asker: Asker | None = None) -> str:
        """Ask for an upgrade; gives why not, if it cannot be now. Of one that comes to pass the asker hears nothing:
        this program is gone."""
        if self._running:
            self._say("info", "upgrade asked for during an upgrade: it is the same one")
        elif why := self._why_never() or self._why_not_now():
            self._say("warning", f"no upgrade now: {why}")
            return why
        if asker is not None:
            self._askers.append(asker)
        if not self._running:
            self._begin()
        return ""

    def abandon(self) -> None:
        """Give up, as everything stops."""
        if self._preflight is not None:
            self._preflight.abandon()
            self._preflight = None
        if self._running:
            self._fail("the master is stopping", "info")

    def leave(self) -> None:
        """Close the descriptors (in a forked child)."""
        if self._preflight is not None:
            self._preflight.leave()

    # -- whether it can be -----------------------------------------------------------------------------------

    def _why_never(self) -> str:
        master = self._master
        if master.program is None:
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
            return f"a reload is under way ({master.reloads.phase.value})"
        return ""

    def _is_reloading(self) -> bool:
        return self._master.reloads.phase is not Phase.IDLE

    # -- the steps -------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        master = self._master
        assert master.program is not None
        self._running = True
        self._say("info", "upgrade: a child proves the new program")
        try:
            self._preflight = Preflight(master.program, master.current.config, master.services.children, self._proved)
        except OSError as error:
            self._fail(f"no child to prove the new program: {error.strerror}")

    def _proved(self, failure: str) -> None:
        self._preflight = None
        if failure:
            self._fail(failure)
            return
        self._say("info", "upgrade: the new program is proved")
        self._give_up_at = self._too_many_at = time.monotonic() + _LOG_S
        self._too_many_at += self._master.current.config.boot_timeout_s
        self._go()

    def _go(self) -> None:
        """Become the new program as soon as nothing is half done."""
        if not self._running:
            return
        if self._is_reloading() and time.monotonic() < self._too_many_at:  # asked for since; it ends by itself
            self._give_up_at = time.monotonic() + _LOG_S
        elif why := self._why_not_now():
            self._fail(why)
            return
        elif self._logs_are_whole():
            self._replace()
            return
        elif time.monotonic() > self._give_up_at:
            self._fail(f"the access log cannot be written out within {_LOG_S:g} s")
            return
        self._master.services.loop.after(_AGAIN_S, self._go)

    def _logs_are_whole(self) -> bool:
        """Write out what waits; say whether all that is left is in the rings of workers that live."""
        outcome = self._master.drainer.drain()
        return outcome in (DrainOutcome.IDLE, DrainOutcome.WROTE) and not self._master.fleet.has_dead

    def _replace(self) -> None:
        master = self._master
        assert master.program is not None
        held: list[int] = []
        handoff = Handoff()
        here = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
        try:
            held = master.services.loop.take_signals()
            os.chdir(master.program.folder)  # where the logs' paths begin, for the next program
            for sidecar in master.sidecars:
                sidecar.tell(Message.STOP)  # they are started anew
            told = handoff.open({**save_state(master, handoff), "signals": held})
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            master.program.execute({**os.environ, **master.notify.variables, STATE_VARIABLE: told})
        except Exception as error:  # as if nothing had been
            handoff.close()
            os.fchdir(here)
            master.resources.reopen_logs(quietly=True)
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            os.close(here)
            for number in held:
                os.kill(os.getpid(), number)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)

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
