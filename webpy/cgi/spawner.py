"""The spawner: a small program that starts the scripts of one worker, and ends those that the worker leaves behind.

Owns the scripts' processes and the messages between worker and spawner. Knows nothing of HTTP. `spawning` starts it, as
a process of its own with one thread, and imports the messages from here. It imports nothing of webpy and is one file,
because it runs alone, without the package around it: `python -I -S spawner.py`.

Why the worker does not fork scripts itself: it has threads and many pages, and scripts would outlive it. The kernel's
"die with your parent" (prctl(2), PR_SET_PDEATHSIG) is tied to the *thread* that forked, and a worker's threads come and
go. Here every script has a socket, its control. When the worker's end of it closes, because the request is over or the
worker was killed by any signal, the script's process group is ended: SIGTERM, and SIGKILL 1 s later. When the spawner
itself is killed, the kernel kills the scripts, as its only thread forked them.

A job is one datagram (`Job`) with four descriptors: the control, and the script's standard input, output and error.
On a control, the spawner sends `failed STAGE ERRNO` (setsid, user, directory, run) if the script could not be started,
and `ended STATUS` (as in `subprocess`: -9 for SIGKILL). The worker sends `done` when a script has ended as it should:
then processes that it left in the background continue. If the control closes without that, the group is ended.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

__all__ = ["DONE", "HELD_SIGNALS", "Job", "main"]

DONE = b"done"
"""What the worker sends on a control."""

#: signals that a terminal or a service manager sends to all processes; the spawner ends only with its worker
HELD_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
)

_GRACE_S = 1.0  # between SIGTERM and SIGKILL
_JOB_BYTES = 1 << 18
_DESCRIPTORS = 4
_PR_SET_PDEATHSIG = 1


class Job:
    """A program to run: its path and arguments, its environment (each "NAME=value"), directory and user.

    identity: user, group and further groups to switch to, None for the spawner's own.
    """

    __slots__ = ("arguments", "directory", "environment", "identity", "path")

    def __init__(
        self,
        path: bytes,
        arguments: list[bytes],
        environment: list[bytes],
        directory: bytes,
        identity: tuple[int, ...] | None,
    ) -> None:
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.identity = identity

    def pack(self) -> bytes:
        """Return the job as a datagram. Raises ValueError if one of its strings holds a NUL, which separates them."""
        identity = b" ".join(b"%d" % number for number in self.identity or ())
        head = (self.path, self.directory, identity, b"%d" % len(self.arguments))
        parts = (*head, *self.arguments, *self.environment)
        for part in parts:
            if b"\0" in part:
                raise ValueError(f"{part!r} holds a NUL, which cannot be passed to a program")
        return b"\0".join(parts)

    @classmethod
    def unpack(cls, data: bytes) -> Job:
        """Return the job that `pack` was called on."""
        path, directory, identity, count, *rest = data.split(b"\0")
        numbers = tuple(int(number) for number in identity.split())
        return cls(path, rest[: int(count)], rest[int(count) :], directory, numbers or None)


class _Script:
    """A script that was started. After its end it is not reaped at once, so that its group's number is not reused."""

    __slots__ = ("control", "ending", "kill_s", "pid", "status")

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self.control = control
        self.status: int | None = None
        self.ending = False
        self.kill_s = float("inf")

    def signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:  # it has not called setsid yet
                os.kill(self.pid, number)

    def poll(self) -> bool:
        """Return whether the script has ended since the last call."""
        if self.status is not None:
            return False
        end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if end is None:
            return False
        self.status = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
        return True


class _Spawner:
    """Starts scripts on command, reports their ends, and ends those whose control is closed."""

    def __init__(self, commands: socket.socket, worker_pid: int) -> None:
        self._commands = commands
        self._scripts: dict[int, _Script] = {}  # by the control's descriptor
        self._poll = select.poll()
        self._calls: dict[int, Callable[[], None]] = {}
        self._orphaned = False
        self._wake, waker = os.pipe()
        for end in (self._wake, waker):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._watch(self._wake, self._check_children)
        self._watch(commands.fileno(), self._take_jobs)
        if hasattr(os, "pidfd_open"):
            # The socket alone is not enough: processes that the application forks may keep the worker's end of it open.
            with contextlib.suppress(OSError):
                self._watch(os.pidfd_open(worker_pid), self._end_all)
        if os.getppid() != worker_pid:
            self._end_all()

    def run(self) -> None:
        """Serve until the worker and all its scripts have ended."""
        while self._scripts or not self._orphaned:
            now_s = time.monotonic()
            for script in self._scripts.values():
                if now_s >= script.kill_s:
                    script.kill_s = float("inf")
                    script.signal_group(signal.SIGKILL)
            due_s = min((script.kill_s for script in self._scripts.values()), default=float("inf"))
            wait_ms = None if due_s == float("inf") else max(1.0, (due_s - now_s) * 1000)
            for fd, _ in self._poll.poll(wait_ms):
                if fd in self._calls:  # an earlier one of the list may have closed it
                    self._calls[fd]()

    def _watch(self, fd: int, call: Callable[[], None]) -> None:
        self._calls[fd] = call
        self._poll.register(fd, select.POLLIN)

    def _forget(self, fd: int) -> None:
        if self._calls.pop(fd, None) is not None:
            self._poll.unregister(fd)

    # -- the worker --------------------------------------------------------------------------------------------------

    def _take_jobs(self) -> None:
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        size = socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
        try:
            data, ancillary, _, _ = self._commands.recvmsg(_JOB_BYTES, size, flags)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, ancillary = b"", []
        received = array.array("i")
        for _, _, part in ancillary:
            received.frombytes(part[: len(part) - len(part) % received.itemsize])
        if not data:
            self._end_all()
        elif len(received) == _DESCRIPTORS:
            control = socket.socket(fileno=received[0])
            control.setblocking(False)
            self._start(Job.unpack(data), control, received[1:])
        for fd in received if len(received) < _DESCRIPTORS else received[1:]:  # too few: no descriptor is left here
            os.close(fd)

    def _start(self, job: Job, control: socket.socket, streams: array.array[int]) -> None:
        own_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            _tell(control, b"failed fork %d" % (error.errno or 0))
            control.close()
            return
        if pid == 0:
            _run_script(job, control, streams, own_pid)
        script = self._scripts[control.fileno()] = _Script(pid, control)
        if self._orphaned:
            self._end(script)
        else:
            self._watch(control.fileno(), lambda: self._listen(script))

    def _listen(self, script: _Script) -> None:
        try:
            said = script.control.recv(16)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            said = b""
        self._forget(script.control.fileno())
        if said == DONE and script.status is not None:
            self._reap(script)
        else:
            self._end(script)

    def _end_all(self) -> None:
        self._orphaned = True
        for fd in [fd for fd in self._calls if fd != self._wake]:
            self._forget(fd)
        for script in list(self._scripts.values()):
            self._end(script)

    # -- the scripts -------------------------------------------------------------------------------------------------

    def _check_children(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        for script in list(self._scripts.values()):
            if script.poll():
                if script.ending:
                    self._end(script)
                else:
                    _tell(script.control, b"ended %d" % (script.status or 0))

    def _end(self, script: _Script) -> None:
        """End what is left of the script's process group: with SIGTERM first if the script itself still runs."""
        if script.status is not None:
            script.signal_group(signal.SIGKILL)
            self._reap(script)
        elif not script.ending:
            script.ending = True
            script.signal_group(signal.SIGTERM)
            script.kill_s = time.monotonic() + _GRACE_S

    def _reap(self, script: _Script) -> None:
        os.waitpid(script.pid, 0)
        del self._scripts[script.control.fileno()]
        script.control.close()


def _run_script(job: Job, control: socket.socket, streams: array.array[int], spawner_pid: int) -> None:
    """Turn this process, the spawner's child, into the script; never returns. All other descriptors close on exec."""
    stage = b"setsid"
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        stage = b"user"
        if job.identity is not None:
            user, group, *more = job.identity
            os.setgroups(more)
            os.setgid(group)
            os.setuid(user)
        _die_with(spawner_pid)  # after the change of user, which would undo it
        stage = b"directory"
        os.chdir(job.directory)
        for target, fd in enumerate(streams):
            os.dup2(fd, target)
        stage = b"run"
        pairs = (pair.partition(b"=") for pair in job.environment)
        os.execve(job.path, job.arguments, {name: value for name, _, value in pairs})
    except OSError as error:
        _tell(control, b"failed %s %d" % (stage, error.errno or 0))
    finally:
        os._exit(127)


_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # looked up once, as it is called for every script
_KILL = (ctypes.c_int(_PR_SET_PDEATHSIG), *(ctypes.c_ulong(word) for word in (signal.SIGKILL, 0, 0, 0)))


def _die_with(parent_pid: int) -> None:
    if _prctl is not None:
        _prctl(*_KILL)
    if os.getppid() != parent_pid:
        os._exit(127)


def _tell(control: socket.socket, message: bytes) -> None:
    with contextlib.suppress(OSError):
        control.send(message)


def main() -> None:
    """Run the spawner: `python -I -S spawner.py DESCRIPTOR WORKER`, a socket to take jobs from and the worker's pid."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
    commands = socket.socket(fileno=int(sys.argv[1]))
    commands.set_inheritable(False)
    commands.setblocking(False)
    _Spawner(commands, int(sys.argv[2])).run()


if __name__ == "__main__":
    main()
