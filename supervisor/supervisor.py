"""The master: puts the parts together, turns signals into commands, and stops in order.

Owns the order of starting and ending, the exit status, and what each signal means. The parts do the work:
`fleet` keeps workers, `reload` replaces them, `drainer` and `errorlog` write the logs. Knows nothing of what
the application does. Whoever starts a tree of processes calls `Supervisor(configure).run()`, in the main
thread of a process that has only that.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from enum import Enum

import setproctitle

from .board import Board, MasterCell
from .child import Children
from .config import Config, SettingsError
from .drainer import Drainer
from .eventloop import EventLoop
from .fleet import Fleet, Worker, capacity, rows_for
from .generation import Generation, Services
from .kernel import become_subreaper
from .listeners import BindError
from .recordlog import Drained
from .reload import Asker, Reloads
from .resources import Basis, Configure, Resources
from .states import Event
from .zygote import MASTER_SIGNALS

__all__ = ["Status", "Supervisor"]

_LEAST_LINES = 64  # so that a reload may raise the number of threads
_KILLED_S = 5.0  # for the killed to be reaped
_LAST_DRAIN_S = 5.0  # for a log that cannot be written, at the end


class Status:
    """Exit statuses of `Supervisor.run`."""

    STOPPED = 0
    FAILED = 1
    SETTINGS = 2
    LOADING = 3
    BINDING = 4


class _Stage(Enum):
    RUNNING = "running"
    DELAYING = "stopping, accepting on for the shutdown delay"
    STOPPING = "stopping"
    KILLING = "stopping at once"


class Supervisor:
    """`configure` gives settings and application, at the start and at reloads; what it raises is why not."""

    def __init__(self, configure: Configure) -> None:
        self._configure = configure
        self._stage = _Stage.RUNNING
        self._status = Status.STOPPED
        self._stop_fd: int | None = None

    # -- from start to end -----------------------------------------------------------------------------------

    def run(self, listeners: Sequence[socket.socket] | None = None, *, stop_fd: int | None = None) -> int:
        """Be the master until stopped (in the main thread); give the exit status, see `Status`.

        `listeners` are bound sockets to use in place of the settings' binds; they are closed as the stop
        begins. A byte read from `stop_fd` is as a TERM; its end means that whoever started us is gone: a
        graceful stop.
        """
        _have_standard_streams()
        self._stop_fd = stop_fd
        self._resources = Resources(self._configure)
        self._errors = self._resources.errors
        self._loop = EventLoop(self._signalled, self._erred)
        try:
            self._loop.catch((*MASTER_SIGNALS, signal.SIGCHLD))
            self._start(self._resources.acquire(listeners))
            self._loop.run()
            self._write_last_records()
            self._errors.say("info", "stopped")
            return self._status
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
        threads = max(config.threads, _LEAST_LINES)
        self._board = Board(rows_for(config.workers), threads, config.ring_bytes, config.pool_ring_bytes)
        self._board.master[MasterCell.PID] = os.getpid()
        self._board.master[MasterCell.STARTED_NS] = time.monotonic_ns()
        self._children = Children(self._loop, reaps_all=become_subreaper(), emptied=self._emptied)
        self._services = Services(self._loop, self._children, self._board, self._errors, self._abandon)
        self._fleet = Fleet(self._loop, self._board, self._errors, self)
        self._reloads = Reloads(self._loop, self._fleet, self, self._errors.say)
        records = self._resources.records
        self._drainer = Drainer(self._loop, self._board, records, self._fleet.rows, self._bury)
        self._errors.attach(self._loop)
        setproctitle.setproctitle(f"{config.name}: master")
        if self._stop_fd is not None:
            self._loop.watch(self._stop_fd, self._take_stop)
        self._first = self._current = Generation(1, basis, self._services, self)
        self._fleet.wanted = config.workers
        self._first.boot()

    def _close(self) -> None:
        self._resources.close()
        if hasattr(self, "_children"):
            become_subreaper(False)
            self._board.close()
        self._loop.close()

    def _abandon(self, generation: Generation) -> None:
        """Close what is the master's alone (in a zygote that was just forked)."""
        self._loop.abandon()
        self._children.abandon()
        self._board.abandon()
        self._resources.abandon(generation.listeners)
        if self._stop_fd is not None:
            os.close(self._stop_fd)

    # -- what wakes the master -------------------------------------------------------------------------------

    def _signalled(self, number: int) -> None:
        match number:
            case signal.SIGCHLD:
                self._children.reap()
            case signal.SIGTERM | signal.SIGINT:
                self.stop(signal.Signals(number).name)
            case signal.SIGQUIT:
                self.stop_at_once("SIGQUIT")
            case signal.SIGHUP:
                self.reload()
            case signal.SIGUSR1:
                self.reopen_logs()
            case signal.SIGTTIN:
                self.scale(self._fleet.wanted + 1)
            case signal.SIGTTOU:
                self.scale(self._fleet.wanted - 1)
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
        if self._stage is _Stage.RUNNING:
            self.stop("its caller has gone")

    def _erred(self) -> None:
        self._errors.say("critical", "a step of the master failed:\n" + traceback.format_exc().rstrip())

    # -- commands --------------------------------------------------------------------------------------------

    def reload(self, asker: Asker | None = None) -> None:
        """Replace settings, code and workers; `asker` is given the verdict."""
        if self._stage is not _Stage.RUNNING or self._fleet.target is None:
            stage = self._stage.value if self._fleet.target is not None else "starting"
            self._errors.say("warning", f"no reload now: {stage}")
            return
        self._reloads.request(asker)
        self._fleet.reconcile()

    def reopen_logs(self) -> None:
        """Open both log files anew, after they were renamed."""
        self._resources.reopen_logs()
        self._drainer.drain()

    def scale(self, workers: int) -> None:
        """Want so many workers, within what is possible."""
        most = capacity(self._board)
        wanted = min(max(workers, 1), most)
        if wanted != workers:
            self._errors.say("warning", f"{workers} workers: 1 to {most} are possible")
        if wanted != self._fleet.wanted:
            self._errors.say("info", f"workers: {self._fleet.wanted} -> {wanted}")
            self._fleet.wanted = wanted
            self._fleet.reconcile()

    def stop(self, why: str) -> None:
        """Stop gracefully: accept what is queued, finish what runs; the second time, stop at once."""
        if self._stage is not _Stage.RUNNING:
            self.stop_at_once(why)
            return
        delay_s = self._current.config.shutdown_delay_s
        self._stage = _Stage.DELAYING
        self._board.master[MasterCell.STOPPING] = 1
        if delay_s:
            self._errors.say("info", f"stopping ({why}) in {delay_s:g} s")
            self._loop.after(delay_s, self._stop_now)
        else:
            self._errors.say("info", f"stopping ({why})")
            self._stop_now()

    def _stop_now(self) -> None:
        if self._stage is not _Stage.DELAYING:
            return
        self._stage = _Stage.STOPPING
        self._fleet.end(Event.STOP)
        self._end_generations()
        self._resources.release_listeners()

    def stop_at_once(self, why: str) -> None:
        """Kill every child and end."""
        if self._stage is _Stage.KILLING:
            return
        self._errors.say("info", f"stopping at once ({why})")
        self._kill()

    def _kill(self) -> None:
        self._stage = _Stage.KILLING
        self._board.master[MasterCell.STOPPING] = 1
        self._fleet.end(Event.KILL)
        self._end_generations()
        for child in self._children:
            child.feed(Event.KILL)
        self._resources.release_listeners()
        self._loop.after(_KILLED_S, self._leave_behind)

    def _end_generations(self) -> None:
        self._reloads.abandon()
        self._first.close()
        if self._fleet.target is not None:
            self._fleet.target.close()
        if not len(self._children):
            self._loop.stop()

    def _leave_behind(self) -> None:
        titles = ", ".join(f"{child.title} [{child.pid}]" for child in self._children)
        self._errors.say("error", f"killed but not gone: {titles}")
        self._status = self._status or Status.FAILED
        self._loop.stop()

    def _emptied(self) -> None:
        if self._stage in (_Stage.STOPPING, _Stage.KILLING):
            self._loop.stop()

    # -- what generations and workers tell -------------------------------------------------------------------

    def generation_ready(self, generation: Generation) -> None:
        if self._stage not in (_Stage.RUNNING, _Stage.DELAYING):
            return
        if self._fleet.target is None:
            self._fleet.target = generation
            self._board.master[MasterCell.GENERATION] = generation.number
        self._reloads.zygote_ready(generation)
        self._fleet.reconcile()

    def generation_failed(self, generation: Generation, verdict: str) -> None:
        if self._fleet.target is None:
            self._status = Status.LOADING
            self._errors.say_last(verdict)
            self._kill()
        else:
            self._errors.say("debug", verdict)
            self._reloads.zygote_failed(verdict)
            self._fleet.reconcile()

    def fleet_settled(self) -> None:
        self._reloads.settled()

    def worker_failed(self, worker: Worker, cause: str) -> None:
        self._reloads.worker_failed(worker, cause)

    def worker_gone(self, worker: Worker) -> None:
        if self._stage is _Stage.RUNNING:
            self._reloads.worker_gone()

    def fleet_hopeless(self, cause: str) -> None:
        if self._stage is _Stage.RUNNING:
            self._status = Status.LOADING
            self._errors.say_last(f"no worker was ever healthy; the last, {cause}")
            self._kill()

    # -- what a reload wants ---------------------------------------------------------------------------------

    def prepare(self, number: int) -> Generation:
        return Generation(number, self._resources.renew(self._check), self._services, self)

    def _check(self, config: Config) -> None:
        most = {"workers": capacity(self._board), "threads": self._board.threads}
        for name, limit in most.items():
            if getattr(config, name) > limit:
                wanted = f"the board was made for {limit}, a restart is wanted"
                raise SettingsError(f"{name} is {getattr(config, name)}: {wanted}")
        if config.pidfile != self._current.config.pidfile:
            text = f"pidfile is {config.pidfile!r}: it stays {self._current.config.pidfile!r} until a restart"
            self._errors.say("warning", text)

    def commit(self, new: Generation) -> None:
        self._resources.settle(new.basis)
        self._current = new
        self._board.master[MasterCell.GENERATION] = new.number
        self._board.master[MasterCell.RELOADS] += 1

    def undo(self, new: Generation | None) -> None:
        self._board.master[MasterCell.RELOADS_FAILED] += 1
        if new is not None:
            self._resources.revert(new.basis, self._current.config)

    # -- records ---------------------------------------------------------------------------------------------

    def records_left(self) -> None:
        self._drainer.drain()

    def _bury(self) -> bool:
        """Free the rows of the dead; True when that left records to be written."""
        records = self._fleet.bury()
        for record in records:
            self._resources.records.add(record)
        return bool(records)

    def _write_last_records(self) -> None:
        give_up = time.monotonic() + _LAST_DRAIN_S
        while True:
            outcome = self._drainer.drain()
            if outcome is Drained.IDLE or not self._drainer.pending_bytes():
                return
            if time.monotonic() > give_up:
                break
            time.sleep(0.01)
        self._errors.say("error", f"{self._drainer.pending_bytes()} bytes of records could not be written")


def _have_standard_streams() -> None:
    """Open what a careless parent closed, lest a socket become descriptor 1 and be logged to."""
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for file in (sys.stdout, sys.stderr):
        if file is not None:
            file.flush()
