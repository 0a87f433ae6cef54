"""The preflight of a new program before it replaces the master's: a child runs it up to its first worker.

Owns both ends: `Preflight` starts the child with the server's own command line (in the master, for `upgrade`);
`run_preflight` is what that child does instead of serving (called by its supervisor): read the settings, change to the
configured user, load the application, and report whether it could take over. It binds nothing and writes no log.
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
from ..processes.child import Child
from ..processes.children import Children
from ..processes.context import LoadError
from ..processes.forking import MASTER_SIGNALS, fork
from ..processes.messages import Message, channel_pair, send
from ..processes.states import ChildState, Event
from ..resources import Configure
from ..system.identity import Identity
from ..system.kernel import die_with_parent
from .handoff import compatibility

__all__ = ["PREFLIGHT_VARIABLE", "Preflight", "Program", "is_preflight", "run_preflight"]

PREFLIGHT_VARIABLE = "SUPERVISOR_PROVE"
"""Tells the child that it is a preflight. Never change its value: older versions start newer ones with it."""

_MAX_OUTPUT_BYTES = 1 << 16
_READ_BYTES = 1 << 16
_LAST_READS = 16  # what a full pipe holds; processes that the child started may still write


@dataclass(frozen=True, slots=True)
class Program:
    """A command line and the folder in which it was started."""

    path: str
    arguments: tuple[str, ...]
    folder: str

    @classmethod
    def of(cls, arguments: Sequence[str] | None) -> Program | None:
        """Return the program with the command line `arguments`, given as sys.orig_argv.

        None if it cannot be run again: there is no command line, the interpreter is embedded, or the script came from
        standard input.
        """
        if arguments is None or not sys.executable or len(arguments) < 2 or arguments[-1] == "-":
            return None
        return cls(sys.executable, (sys.executable, *arguments[1:]), _folder())

    def execute(self, environment: dict[str, str]) -> NoReturn:
        """Replace this process by the program; the current folder must be its own. Raises OSError when it cannot."""
        os.execve(self.path, self.arguments, environment)


def _folder() -> str:
    # $PWD, as the shell names it: a deployment may have set a symbolic link in it to a new version
    pwd = os.environ.get("PWD", "")
    with contextlib.suppress(OSError):
        if os.path.isabs(pwd) and os.path.samefile(pwd, "."):
            return pwd
    return os.getcwd()


class Preflight:
    """A running preflight of `program`; `ended` is called once with the reason why it failed, "" if it succeeded.

    Raises OSError when the child cannot be started.
    """

    def __init__(self, program: Program, config: Config, children: Children, ended: Callable[[str], None]) -> None:
        self._ended = ended
        self._loop = children.loop
        self._said = b""
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
        self._loop.watch(self._output, self._read_output)
        self._child = children.add("preflight", ours, config, self._changed, pid=pid)

    def abandon(self) -> None:
        """Kill the child; `ended` is not called."""
        self._ended = _ignore
        self._child.feed(Event.KILL)

    def leave(self) -> None:
        """Close the descriptor (in a forked child)."""
        os.close(self._output)

    def _changed(self, child: Child) -> None:
        if child.state is ChildState.READY:
            child.feed(Event.KILL)  # it has done all it has to do
        elif child.state is ChildState.GONE:
            for _ in range(_LAST_READS):
                if not self._read_output_once():
                    break
            self._loop.forget(self._output)
            os.close(self._output)
            self._ended("" if child.ready_at is not None else self._failure(child))

    def _failure(self, child: Child) -> str:
        if child.verdict:
            return child.verdict
        output = self._said.decode("utf-8", "replace").strip()
        return (child.reason or describe(child.status)) + (f":\n{output}" if output else "")

    def _read_output(self) -> None:
        self._read_output_once()

    def _read_output_once(self) -> bool:
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.forget(self._output)
        self._said = (self._said + data)[-_MAX_OUTPUT_BYTES:]
        return bool(data)


def _ignore(_failure: str) -> None:
    """Takes the place of `ended` once the result is not wanted any more."""


def _start(program: Program, channel: socket.socket, output: int) -> int:
    """Fork a child that runs the program, with its output going to `output` (in the master). Return its pid."""
    environment = {**os.environ, PREFLIGHT_VARIABLE: f"{channel.fileno()}:{compatibility()}"}
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
    """Return True if this process was started to run a preflight, not to serve."""
    return PREFLIGHT_VARIABLE in os.environ


def run_preflight(configure: Configure, can_succeed: bool) -> NoReturn:
    """Do everything that comes before the first worker, report the result to the master, and exit.

    Called in the child, if `is_preflight()`. `can_succeed` is False if this program would serve in a process beside its
    own instead of making its own process the master: it cannot take over then.
    """
    number, _, agreed = os.environ.pop(PREFLIGHT_VARIABLE).partition(":")
    with socket.socket(fileno=int(number)) as channel:
        channel.set_inheritable(False)
        try:
            _check_program(configure, can_succeed, agreed)
        except BaseException as error:
            has_message = isinstance(error, (LoadError, ValueError))
            text = str(error) if has_message else _traceback_of(error)
            send(channel, Message.FAILED, text=text.encode("utf-8", "backslashreplace"))
            os._exit(1)
        send(channel, Message.READY)
        os._exit(0)


def _traceback_of(error: BaseException) -> str:
    """Return the traceback of `error` without the frames of this module."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()


def _check_program(configure: Configure, can_succeed: bool, agreed: str) -> None:
    if not can_succeed:
        raise LoadError("the new program starts its server in another process: stop the server and start it again")
    if agreed != compatibility():
        differs = "its shared memory or its messages differ"
        raise LoadError(f"this version cannot take over from the running one ({differs}): restart the server")
    config, application = configure()
    Identity.of(config).take_on()
    die_with_parent()  # changing the user has reset it
    application.load()
