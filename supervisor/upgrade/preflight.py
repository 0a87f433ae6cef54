"""The preflight of a program before it replaces the master's: a child runs all of it up to the first worker.

Owns both ends: the child that is started with the very same command line, and what that child does in place of
serving: read the settings, take on the identity, load the application, and say whether it could take over. Binds
nothing, and writes no log. `Preflight` is used by `upgrade`, in the master; `run_preflight` by
the supervisor of that child.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from ..config import Config
from ..processes.causes import describe
from ..processes.child import Child, Children
from ..processes.context import LoadError
from ..processes.forking import MASTER_SIGNALS, fork
from ..processes.messages import Message, channel_pair, send
from ..processes.states import ChildState, Event
from ..resources import Configure
from ..system.identity import Identity
from ..system.kernel import die_with_parent
from .handoff import terms

__all__ = ["PREFLIGHT_VARIABLE", "Preflight", "Program", "is_preflight", "run_preflight"]

PREFLIGHT_VARIABLE = "SUPERVISOR_PROVE"

_TOLD_BYTES = 1 << 16
_READ_BYTES = 1 << 16
_LAST_READS = 16  # a pipe holds no more; what the child started may still write


@dataclass(frozen=True, slots=True)
class Program:
    """A command line and the folder it was given in."""

    path: str
    arguments: tuple[str, ...]
    folder: str

    @classmethod
    def of(cls, arguments: Sequence[str] | None) -> Program | None:
        """Take `arguments`, as sys.orig_argv has them, for this process's own. None if they cannot be run again (there
        are none, an embedded interpreter, a script that came from standard input)."""
        if arguments is None or not sys.executable or len(arguments) < 2 or arguments[-1] == "-":
            return None
        return cls(sys.executable, (sys.executable, *arguments[1:]), _folder())

    def execute(self, environment: dict[str, str]) -> NoReturn:
        """Become it (in its folder). OSError when that cannot be done."""
        os.execve(self.path, self.arguments, environment)


def _folder() -> str:
    # as the shell calls it: a symbolic link that a deployment has since set to the new version is followed anew
    told = os.environ.get("PWD", "")
    with contextlib.suppress(OSError):
        if os.path.isabs(told) and os.path.samefile(told, "."):
            return told
    return os.getcwd()


class Preflight:
    """One try of `program`, under way; `over` is called once with what is wrong with it, "" for nothing.

    OSError when it cannot be started.
    """

    def __init__(self, program: Program, config: Config, children: Children, over: Callable[[str], None]) -> None:
        self._over = over
        self._loop = children.loop
        self._told = b""
        ours, theirs = channel_pair()
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)
        try:
            pid = _start(program, theirs, output)
        except OSError:
            ours.close()
            os.close(self._output)
            raise
        finally:
            theirs.close()
            os.close(output)
        self._loop.watch(self._output, self._hear)
        self._child = Child("preflight", ours, children, pid=pid, config=config, changed=self._changed)

    def abandon(self) -> None:
        """End it at once; `over` is not called."""
        self._over = _nobody
        self._child.feed(Event.KILL)

    def leave(self) -> None:
        """Close the descriptor (in a forked child)."""
        os.close(self._output)

    def _changed(self, child: Child) -> None:
        if child.state is ChildState.READY:
            child.feed(Event.KILL)  # it has nothing to do any more
        elif child.state is ChildState.GONE:
            for _ in range(_LAST_READS):
                if not self._hear_more():
                    break
            self._loop.forget(self._output)
            os.close(self._output)
            self._over("" if child.ready_at is not None else self._failure(child))

    def _failure(self, child: Child) -> str:
        if child.verdict:
            return child.verdict
        told = self._told.decode("utf-8", "replace").strip()
        return (child.reason or describe(child.status)) + (f":\n{told}" if told else "")

    def _hear(self) -> None:
        self._hear_more()

    def _hear_more(self) -> bool:
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.forget(self._output)
        self._told = (self._told + data)[-_TOLD_BYTES:]
        return bool(data)


def _nobody(_failure: str) -> None:
    """The answer is not wanted any more."""


def _start(program: Program, channel: socket.socket, output: int) -> int:
    """Fork, and have the child run the program (in the master); its output goes to `output`."""
    environment = {**os.environ, PREFLIGHT_VARIABLE: f"{channel.fileno()}:{terms()}"}
    master_pid = os.getpid()

    def live() -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            for number in (*MASTER_SIGNALS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            die_with_parent()
            if os.getppid() != master_pid:
                os._exit(1)
            channel.set_inheritable(True)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(program.folder)
            program.execute(environment)
        except OSError as error:
            os.write(output, f"{program.path}, in {program.folder}: {error.strerror}\n".encode("utf-8", "replace"))
            os._exit(1)

    return fork(live)


# -- in the child --------------------------------------------------------------------------------------------


def is_preflight() -> bool:
    """Whether this process is to prove its program and not to serve."""
    return PREFLIGHT_VARIABLE in os.environ


def run_preflight(configure: Configure, can_succeed: bool) -> NoReturn:
    """Do everything that comes before the first worker, tell the master how it went, and exit (where `is_preflight`).

    `can_succeed` is whether this program makes its own process the master, as the one that runs did.
    """
    number, _, agreed = os.environ.pop(PREFLIGHT_VARIABLE).partition(":")
    with socket.socket(fileno=int(number)) as channel:
        channel.set_inheritable(False)
        try:
            _try(configure, can_succeed, agreed)
        except BaseException as error:
            told = isinstance(error, (LoadError, ValueError))
            text = str(error) if told else _shown(error)
            send(channel, Message.FAILED, text=text.encode("utf-8", "backslashreplace"))
            os._exit(1)
        send(channel, Message.READY)
        os._exit(0)


def _shown(error: BaseException) -> str:
    """Give its traceback, without the steps of this module."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()


def _try(configure: Configure, can_succeed: bool, agreed: str) -> None:
    if not can_succeed:
        raise LoadError("the new program starts its server in a process beside it: stop it and start it anew")
    if agreed != terms():
        raise LoadError("this version cannot take over from the one that runs (its scoreboard differs): restart it")
    config, application = configure()
    Identity.of(config).take_on()
    die_with_parent()  # a change of user has undone it
    application.load()
