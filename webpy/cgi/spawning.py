"""Owns the worker's side of the spawner: starting it, sending it jobs, and the worker's end of each script's control.

The spawner is started with the first script, and again if it has died. `spawner` defines the messages. `start` may be
called in any thread of a worker. Knows nothing of requests.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass
from typing import IO

from . import spawner
from .spawner import HELD_SIGNALS, Job

__all__ = ["Busy", "Failure", "Job", "Process", "TooLong", "start"]

_JOB_BYTES = 1 << 17  # the kernel takes a datagram of 200 KB, and no single argument longer than this (execve(2))
_SEND_S = 10.0  # for the spawner to take a job
_ENDED_BYTES = 64


class Busy(Exception):
    """As many scripts run in this worker as are allowed."""


class TooLong(Exception):
    """Arguments and environment are longer than a program may be given."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a script could not be started. stage: one of those in `spawner`; errno: the system's error number."""

    stage: str
    errno: int


class Process:
    """A script that the spawner was told to start. Used by one thread at a time.

    stdout, stderr: unbuffered pipes to read from; control: readable when `listen` has something to read.
    """

    __slots__ = ("__weakref__", "control", "failure", "lost", "status", "stderr", "stdout")

    def __init__(self, control: socket.socket, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self.control = control
        self.stdout = stdout
        self.stderr = stderr
        self.status: int | None = None
        """The exit status; negative for the signal that killed it; None while it runs."""
        self.failure: Failure | None = None
        self.lost = False
        """Whether the spawner has died, and the script with it."""

    @property
    def over(self) -> bool:
        """Whether the script has ended, could not be started, or is lost."""
        return self.lost or self.failure is not None or self.status is not None

    def listen(self) -> None:
        """Read one message of the spawner and set `status`, `failure` or `lost`; waits for it."""
        try:
            said = self.control.recv(_ENDED_BYTES)
        except OSError:
            said = b""
        match said.split():
            case [b"ended", status]:
                self.status = int(status)
            case [b"failed", stage, number]:
                self.failure = Failure(stage.decode(), int(number))
            case _:
                self.lost = True

    def release(self) -> None:
        """Release a script that has ended as it should: processes that it left in the background continue."""
        with contextlib.suppress(OSError):
            self.control.send(spawner.DONE)
        self.end()

    def end(self) -> None:
        """Close control and pipes. Unless the script was released, its process group is ended."""
        _running.discard(self)
        with contextlib.suppress(OSError):  # closing is not enough if a forked process has the socket too
            self.control.shutdown(socket.SHUT_RDWR)
        self.control.close()
        self.stdout.close()
        self.stderr.close()


def start(job: Job, stdin: int, max_scripts: int) -> Process:
    """Have the spawner start `job` and return its process. The caller still has to close its descriptor `stdin`.

    Raises Busy if `max_scripts` scripts run in this worker, TooLong, and OSError if there are no descriptors or
    processes left. If the program cannot be run, `failure` of the process says so.
    """
    data = job.pack()
    if len(data) > _JOB_BYTES:
        raise TooLong(f"arguments and environment of {len(data)} bytes, at most {_JOB_BYTES} are possible")
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        control, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.enter_context(control)
        theirs.enter_context(end)
        pipes = []
        for _ in range(2):
            reader, writer = os.pipe()
            theirs.callback(os.close, writer)
            pipes.append((ours.enter_context(open(reader, "rb", buffering=0)), writer))
            if job.identity is not None:  # so that it may open /dev/stderr anew
                os.fchown(writer, *job.identity[:2])
        (stdout, stdout_end), (stderr, stderr_end) = pipes
        process = Process(control, stdout, stderr)
        with _lock:
            if len(_running) >= max_scripts:
                raise Busy(f"{max_scripts} scripts run in this worker")
            _running.add(process)
        try:
            _tell_spawner(data, [end.fileno(), stdin, stdout_end, stderr_end])
        except BaseException:
            _running.discard(process)
            raise
        ours.pop_all()
        return process


# -- this process's spawner --------------------------------------------------------------------------------------------

_lock = threading.Lock()
_running: weakref.WeakSet[Process] = weakref.WeakSet()
_commands: socket.socket | None = None
_spawner: subprocess.Popen[bytes] | None = None
_owner = 0  # the process that started the spawner: a forked one has copies of these variables, but no spawner


def _tell_spawner(data: bytes, descriptors: list[int]) -> None:
    for last in (False, True):
        with _lock:
            commands = _ensure_spawner()
        try:
            socket.send_fds(commands, [data], descriptors)
            return
        except (BrokenPipeError, ConnectionResetError):
            if last:
                raise
            with _lock:
                if commands is _commands:
                    _drop_spawner()


def _ensure_spawner() -> socket.socket:
    global _commands, _spawner, _owner
    if _commands is not None and _owner == os.getpid():
        return _commands
    _owner = os.getpid()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(_SEND_S)
    program = [sys.executable, "-I", "-S", spawner.__file__, str(theirs.fileno()), str(_owner)]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)  # the spawner inherits the mask
    try:
        _spawner = subprocess.Popen(
            program,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    _commands = ours
    return ours


def _drop_spawner() -> None:
    """Forget a spawner that has died, or will, as its socket is closed."""
    global _commands, _spawner
    if _commands is not None:
        _commands.close()
    if _spawner is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            _spawner.wait(1.0)
    _commands = _spawner = None
