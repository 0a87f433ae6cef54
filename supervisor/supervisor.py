"""The master: puts the parts together, turns signals into commands, and hears what generations and workers tell.

Owns the order of starting, the exit status, and what each signal means. The parts do the work: `fleet` keeps
workers, `reload` replaces them, `sidecar` keeps what runs beside them, `drainer` and `errorlog` write the logs,
`ending` stops all of it. Knows nothing of what the application does. Whoever starts a tree of processes calls
`Supervisor(configure).run()`, in the main thread of a process that has only that.
"""

from __future__ import annotations

import os
import signal
import socket
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence

import setproctitle

from .config import Config, SettingsError
from .control.commands import Commands
from .control.server import Control
from .ending import Ending, Stage
from .eventloop import EventLoop
from .events import Events
from .logs.drainer import Drainer
from .logs.stdio import ensure_standard_streams
from .processes.adoption import Adoption
from .processes.child import Children
from .processes.leftovers import Leftovers, children_of
from .processes.stacks import Stacks
from .resources import Basis, Configure, Resources
from .scoreboard.layout import MasterCell
from .scoreboard.scoreboard import Scoreboard
from .sidecars import Sidecars
from .system.kernel import become_subreaper
from .system.listeners import BindError, Listener
from .system.notify import Notify
from .system.openfiles import raise_open_files
from .upgrade.handoff import HELD_SIGNALS, predecessor
from .upgrade.preflight import Program, is_preflight, run_preflight
from .upgrade.state import restore_state
from .upgrade.upgrade import Upgrade
from .workers.firstload import FirstLoad
from .workers.fleet import Fleet, Worker, capacity, rows_for
from .workers.generation import Generation, Services
from .workers.reload import Asker, Phase, Reloads
from .workers.watchdog import Watchdog

__all__ = ["Status", "Supervisor"]

_LEAST_LINES = 64  # so that a reload may raise the number of threads


class Status:
    """Exit statuses of `Supervisor.run`."""

    STOPPED = 0
    FAILED = 1
    SETTINGS = 2
    LOADING = 3
    BINDING = 4


class Supervisor:
    """`configure` gives settings and application, at the start and at reloads; what it raises is why not."""

    def __init__(
        self, configure: Configure, *, program: Sequence[str] | None = None, keeps: Mapping[str, int] | None = None
    ) -> None:
        """program: the command line, as sys.orig_argv has it, that this process can be replaced with in an upgrade;
        keeps: descriptors that the new program then finds by these names, with `kept_descriptor`."""
        self.program = Program.of(program)
        self.keeps = dict(keeps or {})
        self._configure = configure
        self._status = Status.STOPPED
        self._stop_fd: int | None = None

    # The parts, from `_start` on; those who report on the master or command it use them.
    services: Services
    stacks: Stacks
    fleet: Fleet
    reloads: Reloads
    first_load: FirstLoad
    watchdog: Watchdog
    resources: Resources
    sidecars: Sidecars
    control: Control
    ending: Ending
    drainer: Drainer
    notify: Notify
    upgrades: Upgrade
    current: Generation
    """The generation in force: during a reload still the old one."""

    # -- from start to end -----------------------------------------------------------------------------------

    def run(
        self, listeners: Sequence[socket.socket] | None = None, *, stop_fd: int | None = None, theirs: bool = True
    ) -> int:
        """Be the master until stopped (in the main thread); give the exit status, see `Status`.

        `listeners` are bound sockets to use in place of the settings' binds; they are closed as the stop begins, and
        shut for every process unless they are `theirs`: the caller may go on with them. A byte read from `stop_fd` is
        as a TERM; its end means that whoever started us is gone, and stops gracefully too.
        """
        if is_preflight():
            run_preflight(self._configure, self.program is not None and stop_fd is None)
        kept = predecessor(to_succeed=True)
        ensure_standard_streams()
        self._stop_fd = stop_fd
        self.resources = Resources(self._configure)
        self._errors = self.resources.errors
        self._loop = EventLoop(self._signalled, self._erred)
        try:
            self._loop.catch(HELD_SIGNALS)
            if kept is None:
                self._start(self.resources.acquire(listeners, theirs=theirs))
            else:
                restore_state(self, kept)
            self._loop.run()
            self.drainer.drain_last()
            self._errors.say("info", "stopped")
            return self._status or (Status.FAILED if self.ending.left_behind else Status.STOPPED)
        except SettingsError as error:
            self._errors.say_last(str(error))
            return Status.SETTINGS
        except BindError as error:
            self._errors.say_last(str(error))
            return Status.BINDING
        except Exception:
            self._erred()
            return Status.FAILED
        finally:
            self._close()

    def _start(self, basis: Basis) -> None:
        config = basis.config
        raise_open_files(self._errors.say)
        threads = max(config.threads, _LEAST_LINES)
        scoreboard = Scoreboard(rows_for(config.workers), threads, config.ring_bytes, config.pool_ring_bytes)
        scoreboard.master[MasterCell.PID] = os.getpid()
        scoreboard.master[MasterCell.STARTED_NS] = time.monotonic_ns()
        scoreboard.master[MasterCell.STARTED_AT_S] = int(time.time())
        self.assemble(config, scoreboard, Adoption())
        self.current = Generation(1, basis, self.services, self)
        self.fleet.wanted = config.workers
        self.services.events.add("start", "started", pid=os.getpid())
        self.control.listen(config.control, config.name)
        self._errors.say("info", f"loading {config.target or 'the application'}")
        self.current.boot()
        self.sidecars.apply(basis)

    def assemble(
        self, config: Config, scoreboard: Scoreboard, adoption: Adoption, strangers: Sequence[int] | None = None
    ) -> None:
        """Make the parts; strangers: see `Leftovers`, None for whatever children this process has now."""
        children = Children(self._loop, reaps_all=become_subreaper(), emptied=self._emptied)
        self.services = Services(self._loop, children, scoreboard, self._errors, Events(), adoption, self._abandon)
        self.control = Control(self._loop, Commands(self).run, self._errors.say)
        self.stacks = Stacks(self._loop)
        self.fleet = Fleet(self.services, self.stacks, self)
        self.reloads = Reloads(self._loop, self.fleet, self, self._errors.say)
        self.first_load = FirstLoad(self)
        self.watchdog = Watchdog(self.services, self.fleet, self.stacks, lambda: self.reloads.phase is not Phase.IDLE)
        self.watchdog.start()
        self.sidecars = Sidecars(self.services, self.control.serve)
        strangers = children_of(os.getpid()) if strangers is None else strangers
        leftovers = Leftovers(self._loop, self._errors.say, strangers)
        self.ending = Ending(
            self.services, self.fleet, self.reloads, self.sidecars, self.resources, leftovers, self._generations
        )
        self.fleet.half_written = (records := self.resources.records).is_half_written
        self.drainer = Drainer(self._loop, scoreboard, records, self.fleet.rows, self.fleet.reap)
        self._errors.attach(self._loop)
        setproctitle.setproctitle(f"{config.name}: master")
        if self._stop_fd is not None:
            self._loop.watch(self._stop_fd, self._take_stop)
        self.notify = Notify(self._loop, os.environ, self._errors.say)
        self.upgrades = Upgrade(self)

    def _close(self) -> None:
        self.resources.close()
        if hasattr(self, "services"):
            become_subreaper(False)
            self.control.close()
            self.services.adoption.close()
            self.services.scoreboard.close()
        self._loop.close()

    def _abandon(self, kept: Sequence[Listener]) -> None:
        """Close what is the master's alone (in a child that was just forked)."""
        self._loop.abandon()
        self.services.children.abandon()
        self.services.scoreboard.abandon()
        self.control.abandon()
        self.upgrades.leave()
        self.resources.abandon(kept)
        if self._stop_fd is not None:
            os.close(self._stop_fd)

    def _generations(self) -> Iterator[Generation]:
        yield self.current
        if self.fleet.target is not None and self.fleet.target is not self.current:
            yield self.fleet.target

    # -- what wakes the master -------------------------------------------------------------------------------

    def _signalled(self, number: int) -> None:
        match number:
            case signal.SIGCHLD:
                self.services.children.reap()
            case signal.SIGTERM | signal.SIGINT:
                self.stop(signal.Signals(number).name)
            case signal.SIGQUIT:
                self.notify.stopping("stopping at once (SIGQUIT)")
                self.ending.stop_at_once("SIGQUIT")
            case signal.SIGHUP:
                self.reload()
            case signal.SIGUSR1:
                self.reopen_logs()
            case signal.SIGUSR2:
                self.upgrade()
            case signal.SIGTTIN:
                self.scale(self.fleet.wanted + 1)
            case signal.SIGTTOU:
                self.scale(self.fleet.wanted - 1)
            case _:
                self._errors.say("warning", f"{signal.Signals(number).name} does nothing here")

    def _take_stop(self) -> None:
        assert self._stop_fd is not None
        try:
            asked = os.read(self._stop_fd, 1)
        except BlockingIOError:
            return
        except OSError:
            asked = b""
        if asked:
            self.stop("asked by its caller")
            return
        self._loop.forget(self._stop_fd)
        if self.ending.running:
            self.stop("its caller has gone")

    def _erred(self) -> None:
        self._errors.say("critical", "a step of the master failed:", traceback.format_exc().rstrip())

    # -- commands --------------------------------------------------------------------------------------------

    def reload(self, asker: Asker | None = None) -> str:
        """Replace settings, code and workers; `asker` is given the verdict. Says why not, if it cannot be now."""
        if self.ending.running and self.first_load.pending:
            self.first_load.request(asker)
            return ""
        if not self.ending.running or self.fleet.target is None:
            why = f"no reload now: {self.ending.stage.value if self.fleet.target is not None else 'starting'}"
            self._errors.say("warning", why)
            return why
        self.reloads.request(asker)
        self.fleet.reconcile()
        return ""

    def upgrade(self, asker: Asker | None = None) -> str:
        """Replace this process's own program; `asker` is given the verdict if it is refused later. Says why not, if
        it cannot be now."""
        return self.upgrades.request(asker)

    def reopen_logs(self) -> str:
        """Open both log files anew, after they were renamed; say what could not be."""
        failures = self.resources.reopen_logs()
        self.drainer.drain()
        return failures

    def scale(self, workers: int) -> None:
        """Want so many workers, within what is possible."""
        most = capacity(self.services.scoreboard)
        wanted = min(max(workers, 1), most)
        if wanted != workers:
            self._errors.say("warning", f"{workers} workers: 1 to {most} are possible")
        if wanted > 1 and self.current.alone:
            self._errors.say("warning", f"{wanted} workers: {self.current.alone}")
            return
        if wanted != self.fleet.wanted:
            text = f"workers: {self.fleet.wanted} -> {wanted}"
            self._errors.say("info", text)
            self.services.events.add("scale", text)
            self.fleet.wanted = wanted
            self.fleet.reconcile()

    def stop(self, why: str) -> None:
        """Stop gracefully; the second time, stop at once."""
        self.notify.stopping(f"stopping ({why})")
        self.upgrades.abandon()
        self.first_load.abandon()
        self.ending.stop(why, self.current.config.shutdown_delay_s)

    def _emptied(self) -> None:
        self.ending.advance()

    # -- what generations and workers tell -------------------------------------------------------------------

    def generation_ready(self, generation: Generation) -> None:
        if self.ending.stage not in (Stage.RUNNING, Stage.DELAYING):
            return
        if self.fleet.target is None:
            self.fleet.target = generation
            self.services.scoreboard.master[MasterCell.GENERATION] = generation.number
            self.first_load.succeeded(generation)
            self.resources.say_addresses(generation.config)
        self.reloads.zygote_ready(generation)
        self.fleet.reconcile()

    def generation_failed(self, generation: Generation, verdict: str) -> None:
        if self.fleet.target is None and generation.config.awaits_fix and self.ending.running:
            self.first_load.failed(generation, verdict)
        elif self.fleet.target is None:
            self._fail(verdict)
        else:
            self._errors.say("debug", verdict)
            self.reloads.zygote_failed(verdict)
            self.fleet.reconcile()

    def fleet_settled(self) -> None:
        self.reloads.settled()
        if self.ending.running:
            number, count = self.current.number, self.fleet.wanted
            self.notify.status(f"generation {number} serves, {count} worker{'s' if count > 1 else ''}")

    def worker_failed(self, worker: Worker, cause: str) -> None:
        self.reloads.worker_failed(worker, cause)

    def worker_ready(self, worker: Worker) -> None:
        if self.ending.running and not self.notify.told_ready:
            self.notify.ready()

    def worker_gone(self, worker: Worker) -> None:
        if self.ending.running:
            self.reloads.worker_gone()
        self.ending.advance()

    def records_left(self) -> None:
        self.drainer.drain()

    def fleet_hopeless(self, cause: str) -> None:
        if self.ending.running:
            self._fail(f"no worker ever became ready; the last, {cause}")

    def _fail(self, why: str) -> None:
        self._status = Status.LOADING
        self._errors.say_last(why)
        self.ending.kill()

    # -- what a reload wants ---------------------------------------------------------------------------------

    def prepare(self, number: int) -> Generation:
        self.notify.reloading(f"loading generation {number}")
        basis = self.resources.renew(self.check)
        try:
            self.control.prepare(basis.config.control, basis.config.name)
        except SettingsError:
            self.resources.revert(basis)
            raise
        return Generation(number, basis, self.services, self)

    def check(self, config: Config) -> None:
        """Raise SettingsError if a running server cannot take on these settings."""
        most = {"workers": capacity(self.services.scoreboard), "threads": self.services.scoreboard.threads}
        for name, limit in most.items():
            if getattr(config, name) > limit:
                wanted = f"the scoreboard was made for {limit}, a restart is wanted"
                raise SettingsError(f"{name} is {getattr(config, name)}: {wanted}")
        if config.pidfile != self.current.config.pidfile:
            text = f"pidfile is {config.pidfile!r}: it stays {self.current.config.pidfile!r} until a restart"
            self._errors.say("warning", text)

    def install(self, new: Generation) -> None:
        """Have the settings of `new` in force, and it as the current generation."""
        self.resources.settle(new.basis)
        self.sidecars.apply(new.basis)
        self.control.listen(new.config.control, new.config.name)
        self.current = new

    def commit(self, new: Generation) -> None:
        self.install(new)
        self.notify.ready(f"generation {new.number} serves")
        self.services.scoreboard.master[MasterCell.GENERATION] = new.number
        self.services.scoreboard.master[MasterCell.RELOADS] += 1
        self.services.events.add("reload", f"generation {new.number} serves", generation=new.number)

    def undo(self, new: Generation | None, why: str) -> None:
        self.services.scoreboard.master[MasterCell.RELOADS_FAILED] += 1
        self.services.events.add("reload-failed", why)
        self.notify.ready(f"generation {self.current.number} serves on, a reload failed: ", why)
        self.control.discard()
        if new is not None:
            self.resources.revert(new.basis)
