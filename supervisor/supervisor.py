"""The process of the master: puts the parts together, gives signals their meaning, and returns the exit status.

Owns the order of starting, of taking over from another program, and of closing. The parts and their commands are
`master`'s. Knows nothing of what the application does. A program that is to be the master of a tree of processes calls
`Supervisor(configure).run()`, in the main thread of a process that does nothing else.
"""

from __future__ import annotations

import os
import signal
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import setproctitle

from .config import Config, SettingsError
from .control.commands import Commands
from .control.server import Control
from .ending import Ending, PartsToEnd
from .eventloop import EventLoop
from .events import Events
from .logs.drainer import Drainer
from .logs.stdio import ensure_standard_streams
from .master import Master
from .processes.adoption import Adoption
from .processes.children import Children
from .processes.leftovers import Leftovers, children_of
from .processes.stacks import Stacks
from .renewals import Renewals
from .resources import Basis, Configure, Resources
from .scoreboard.layout import MasterCell
from .scoreboard.scoreboard import Scoreboard
from .services import Services
from .sidecars import Sidecars
from .system.binding import BindError
from .system.kernel import become_subreaper
from .system.listeners import Listener
from .system.notify import Notify
from .system.openfiles import raise_open_files
from .upgrade.handoff import BLOCKED_SIGNALS, take_inherited_state
from .upgrade.preflight import Program, is_preflight, run_preflight
from .upgrade.state import config_in_force, restore_state
from .upgrade.upgrade import Upgrade
from .workers.firstload import FirstLoad
from .workers.fleet import Fleet, Hooks
from .workers.installation import ControlSocket, Installation
from .workers.reload import Asker, Reloader, ReloadPhase
from .workers.watchdog import Watchdog
from .workers.worker import rows_for

__all__ = ["Status", "Supervisor"]

_LEAST_ACTIVITIES = 64  # so that a reload may raise the number of threads


class Status:
    """Exit statuses of `Supervisor.run`."""

    STOPPED = 0
    FAILED = 1
    SETTINGS = 2
    LOADING = 3
    BINDING = 4


class Supervisor:
    """`configure` returns settings and application; it is called at the start and at every reload. What it raises is
    the reason why there is no start, or no reload."""

    def __init__(
        self,
        configure: Configure,
        *,
        program: Sequence[str] | None = None,
        keeps: Mapping[str, int] | None = None,
    ) -> None:
        """program: the command line, as sys.orig_argv has it, that this process can be replaced with in an upgrade;
        keeps: descriptors by name that outlive an upgrade: `upgrade.handoff.inherited_descriptor` returns them."""
        self._configure = configure
        self._program = Program.of(program)
        self._keeps = dict(keeps or {})
        self._status = Status.STOPPED
        self._stop_fd: int | None = None
        self._master: Master | None = None

    # Set with `_master`, by `_assemble`.
    _control: Control
    _upgrade: Upgrade

    def run(
        self, listeners: Sequence[socket.socket] | None = None, *, stop_fd: int | None = None, theirs: bool = True
    ) -> int:
        """Be the master until stopped (in the main thread); return the exit status, see `Status`.

        `listeners` are bound sockets to use in place of the settings' binds. They are closed as the stop begins, and
        shut for every process unless they are `theirs`: then the caller may go on with them. A byte that can be read
        from `stop_fd` is a TERM; its end of file means that the caller has gone, and stops gracefully too.
        """
        if is_preflight():
            run_preflight(self._configure, self._program is not None and stop_fd is None)
        state = take_inherited_state()
        ensure_standard_streams()
        self._stop_fd = stop_fd
        self._resources = Resources(self._configure)
        self._errors = self._resources.logs.errors
        self._loop = EventLoop(self._signalled, self._log_exception)
        try:
            self._loop.catch(BLOCKED_SIGNALS)
            if state is None:
                master = self._start(self._resources.acquire(listeners, theirs=theirs))
            else:
                master = self._take_over(state)
            self._loop.run()
            master.drainer.drain_last()
            self._errors.say("info", "stopped")
            return self._status or (Status.FAILED if master.ending.left_behind else Status.STOPPED)
        except SettingsError as error:
            self._errors.say_last(str(error))
            return Status.SETTINGS
        except BindError as error:
            self._errors.say_last(str(error))
            return Status.BINDING
        except Exception:
            self._log_exception()
            return Status.FAILED
        finally:
            self._close()

    # -- putting the parts together --------------------------------------------------------------------------

    def _start(self, basis: Basis) -> Master:
        config = basis.config
        raise_open_files(self._errors.say)
        threads = max(config.threads, _LEAST_ACTIVITIES)
        scoreboard = Scoreboard(rows_for(config.workers), threads, config.ring_bytes, config.pool_ring_bytes)
        scoreboard.master[MasterCell.PID] = os.getpid()
        scoreboard.master[MasterCell.STARTED_NS] = time.monotonic_ns()
        scoreboard.master[MasterCell.STARTED_AT_S] = int(time.time())
        master = self._assemble(config, scoreboard, Adoption(), children_of(os.getpid()))
        master.services.events.add("start", "started", pid=os.getpid())
        self._control.listen(config.control, config.name)
        self._errors.say("info", f"loading {config.target or 'the application'}")
        master.first_load.begin(basis)
        master.sidecars.apply(basis)
        return master

    def _take_over(self, state: Mapping[str, Any]) -> Master:
        """Go on where the program before left off, whose upgrade state this is."""
        config = config_in_force(state)
        self._resources.restore(state["resources"], config)
        scoreboard, adoption = Scoreboard.restore(state["scoreboard"]), Adoption(*state["adoption"])
        master = self._assemble(config, scoreboard, adoption, state.get("strangers", ()))
        restore_state(master, self._control, state)
        return master

    def _assemble(
        self, config: Config, scoreboard: Scoreboard, adoption: Adoption, strangers: Sequence[int]
    ) -> Master:
        """Make the parts and return them; strangers: see `Leftovers`."""
        loop, resources, say = self._loop, self._resources, self._errors.say
        children = Children(loop, reaps_all=become_subreaper(), emptied=lambda: master.ending.advance())
        services = Services(loop, children, scoreboard, self._errors, Events(), adoption, self._abandon)
        master = self._master = Master(services, resources)
        self._control = control = Control(loop, Commands(master, self._request_upgrade).run, say)
        master.stacks = Stacks(loop)
        hooks = Hooks(
            settled=master.fleet_settled,
            worker_ready=master.worker_ready,
            worker_gone=master.worker_gone,
            hopeless=self._fleet_hopeless,
        )
        master.fleet = fleet = Fleet(services, master.stacks, hooks)
        master.notify = Notify(loop, os.environ, say)
        master.sidecars = Sidecars(services, control.serve)
        control_socket = ControlSocket(control.prepare, control.listen, control.discard)
        master.installation = Installation(services, resources, master.sidecars, master.notify, control_socket)
        master.reloader = reloader = Reloader(services, fleet, master.installation)
        hooks.worker_failed = reloader.worker_failed
        master.renewals = Renewals(services, fleet, master.forking_generations)
        loop.after(0.0, master.renewals.look_on)
        master.first_load = FirstLoad(services, fleet, reloader, master.installation, self._fail)
        Watchdog(services, fleet, master.stacks, lambda: reloader.phase is not ReloadPhase.IDLE).start()
        leftovers = Leftovers(loop, say, strangers)
        to_end = PartsToEnd(fleet, reloader, master.sidecars, resources, leftovers, master.generations)
        master.ending = Ending(services, to_end)
        records = resources.logs.records
        fleet.half_written = records.is_half_written
        master.drainer = Drainer(loop, scoreboard, records, fleet.rows, fleet.free_rows)
        hooks.records_left = master.drainer.drain
        self._errors.attach(loop)
        setproctitle.setproctitle(f"{config.name}: master")
        if self._stop_fd is not None:
            loop.watch(self._stop_fd, self._read_stop)
        self._upgrade = Upgrade(master, control, self._program, self._keeps)
        master.on_stop.append(self._upgrade.abandon)
        return master

    def _close(self) -> None:
        self._resources.close()
        if self._master is not None:
            become_subreaper(False)
            self._control.close()
            self._master.services.adoption.close()
            self._master.services.scoreboard.close()
        self._loop.close()

    def _abandon(self, kept: Sequence[Listener]) -> None:
        """Close what belongs to the master alone, but for the listeners `kept` (in a child that was just forked)."""
        assert self._master is not None
        self._loop.abandon()
        self._master.services.children.abandon()
        self._master.services.scoreboard.abandon()
        self._control.abandon()
        self._upgrade.leave()
        self._resources.abandon(kept)
        if self._stop_fd is not None:
            os.close(self._stop_fd)

    # -- what wakes the master -------------------------------------------------------------------------------

    def _signalled(self, number: int) -> None:
        master = self._master
        assert master is not None
        match number:
            case signal.SIGCHLD:
                master.services.children.reap()
            case signal.SIGTERM | signal.SIGINT:
                master.stop(signal.Signals(number).name)
            case signal.SIGQUIT:
                master.notify.stopping("stopping at once (SIGQUIT)")
                master.ending.stop_at_once("SIGQUIT")
            case signal.SIGHUP:
                master.reload()
            case signal.SIGUSR1:
                master.reopen_logs()
            case signal.SIGUSR2:
                self._upgrade.request()
            case signal.SIGTTIN:
                master.scale(master.fleet.wanted + 1)
            case signal.SIGTTOU:
                master.scale(master.fleet.wanted - 1)
            case _:
                self._errors.say("warning", f"{signal.Signals(number).name} does nothing here")

    def _read_stop(self) -> None:
        assert self._stop_fd is not None and self._master is not None
        try:
            asked = os.read(self._stop_fd, 1)
        except BlockingIOError:
            return
        except OSError:
            asked = b""
        if asked:
            self._master.stop("asked by its caller")
            return
        self._loop.forget(self._stop_fd)
        if self._master.ending.running:
            self._master.stop("its caller has gone")

    def _log_exception(self) -> None:
        self._errors.say("critical", "a step of the master failed:", traceback.format_exc().rstrip())

    def _request_upgrade(self, asker: Asker | None) -> str:
        return self._upgrade.request(asker)

    # -- when nothing works ----------------------------------------------------------------------------------

    def _fleet_hopeless(self, cause: str) -> None:
        assert self._master is not None
        if self._master.ending.running:
            self._fail(f"no worker ever became ready; the last, {cause}")

    def _fail(self, why: str) -> None:
        """End, as the application cannot be loaded or no worker of it becomes ready."""
        assert self._master is not None
        self._status = Status.LOADING
        self._errors.say_last(why)
        self._master.ending.kill()
