"""The spawner: a small program that starts the scripts of one worker, and ends those that the worker leaves behind.

Owns the scripts' processes and what is said between worker and spawner. Knows nothing of HTTP. `spawning` starts it, as
a process of its own with one thread, and imports the words from here; it imports nothing of webpy.

Why it is not the worker that forks: a worker has threads and many pages, and what it forked would outlive it. The
kernel's "die with your parent" (prctl(2), PR_SET_PDEATHSIG) follows the *thread* that forked, and a worker's threads
come and go. Here every script hangs on a socket, its control: when the worker's end closes, because the request is over
or the worker was killed, by whatever signal, the script's process group is ended: SIGTERM, and 1 s later SIGKILL. When
the spawner itself is killed, the kernel kills the scripts, as its one thread forked them.

A job is one datagram (`Job`) with four descriptors: the control, and the script's standard input, output and error.
On a control the spawner says `failed STAGE ERRNO` (setsid, user, directory, run) if the script could not be started,
and `ended STATUS` (as `subprocess` has it: -9 for SIGKILL). The worker says `done` when it needs nothing more of a
script that has ended: what the script leaves running in the background lives on. Any other end ends the group.
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
"""What the worker says on a control."""

#: what a terminal or a service manager sends to everybody; the spawner ends with its worker, and by nothing else
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
    """What is to be run: the program's path and arguments, its environment ("NAME=value" each), directory and user.

    identity: user, group and further groups to take on, None to stay who one is.
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
        """As a datagram. Raises ValueError if something holds a NUL, as it would be read as something else."""
        identity = b" ".join(b"%d" % number for number in self.identity or ())
        head = (self.path, self.directory, identity, b"%d" % len(self.arguments))
        parts = (*head, *self.arguments, *self.environment)
        for part in parts:
            if b"\0" in part:
                raise ValueError(f"{part!r} holds a NUL, and no program can be given that")
        return b"\0".join(parts)

    @classmethod
    def unpack(cls, data: bytes) -> Job:
        """What `pack` gave."""
        path, directory, identity, count, *rest = data.split(b"\0")
        numbers = tuple(int(number) for number in identity.split())
        return cls(path, rest[: int(count)], rest[int(count) :], directory, numbers or None)


class _Script:
    """One that was started: it runs, or has ended and is kept unreaped, so that its group's number stays its own."""

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
            except ProcessLookupError:  # it has not come to its setsid yet
                os.kill(self.pid, number)

    def look(self) -> bool:
        """Whether it has ended since the last look."""
        if self.status is not None:
            return False
        end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if end is None:
            return False
        self.status = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
        return True


class _Spawner:
    """Starts scripts on command, tells of their ends, and ends those that nobody holds any more."""

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
        self._watch(self._wake, self._look_at_children)
        self._watch(commands.fileno(), self._take_jobs)
        if hasattr(os, "pidfd_open"):
            # The socket alone would do, did the application never fork processes that keep the worker's end of it.
            with contextlib.suppress(OSError):
                self._watch(os.pidfd_open(worker_pid), self._be_orphaned)
        if os.getppid() != worker_pid:
            self._be_orphaned()

    def run(self) -> None:
        """Until the worker has gone, and the last of its scripts."""
        while self._scripts or not self._orphaned:
            now_s = time.monotonic()
            for script in self._scripts.values():
                if now_s >= script.kill_s:
                    script.kill_s = float("inf")
                    script.signal_group(signal.SIGKILL)
            due_s = min((script.kill_s for script in self._scripts.values()), default=float("inf"))
            wait_ms = None if due_s == float("inf") else max(1.0, (due_s - now_s) * 1000)
            for fd, _ in self._poll.poll(wait_ms):
                if fd in self._calls:  # what came before it in the list may have closed it
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
            self._be_orphaned()
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
            _send(control, b"failed fork %d" % (error.errno or 0))
            control.close()
            return
        if pid == 0:
            _become(job, control, streams, own_pid)
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
            self._bury(script)
        else:
            self._end(script)

    def _be_orphaned(self) -> None:
        self._orphaned = True
        for fd in [fd for fd in self._calls if fd != self._wake]:
            self._forget(fd)
        for script in list(self._scripts.values()):
            self._end(script)

    # -- the scripts -------------------------------------------------------------------------------------------------

    def _look_at_children(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        for script in list(self._scripts.values()):
            if script.look():
                if script.ending:
                    self._end(script)
                else:
                    _send(script.control, b"ended %d" % (script.status or 0))

    def _end(self, script: _Script) -> None:
        """End what is left of its group: gently while the script itself runs."""
        if script.status is not None:
            script.signal_group(signal.SIGKILL)
            self._bury(script)
        elif not script.ending:
            script.ending = True
            script.signal_group(signal.SIGTERM)
            script.kill_s = time.monotonic() + _GRACE_S

    def _bury(self, script: _Script) -> None:
        os.waitpid(script.pid, 0)
        del self._scripts[script.control.fileno()]
        script.control.close()


def _become(job: Job, control: socket.socket, streams: array.array[int], spawner_pid: int) -> None:
    """Be the script (in the child; never returns). Every other descriptor closes as the program is run."""
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
        _die_with(spawner_pid)  # a change of user undoes it
        stage = b"directory"
        os.chdir(job.directory)
        for target, fd in enumerate(streams):
            os.dup2(fd, target)
        stage = b"run"
        pairs = (pair.partition(b"=") for pair in job.environment)
        os.execve(job.path, job.arguments, {name: value for name, _, value in pairs})
    except OSError as error:
        _send(control, b"failed %s %d" % (stage, error.errno or 0))
    finally:
        os._exit(127)


_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # looked up once, as every script needs it
_KILL = (ctypes.c_int(_PR_SET_PDEATHSIG), *(ctypes.c_ulong(word) for word in (signal.SIGKILL, 0, 0, 0)))


def _die_with(parent_pid: int) -> None:
    if _prctl is not None:
        _prctl(*_KILL)
    if os.getppid() != parent_pid:
        os._exit(127)


def _send(control: socket.socket, message: bytes) -> None:
    with contextlib.suppress(OSError):
        control.send(message)


def main() -> None:
    """Be the spawner: `python -I -S spawner.py DESCRIPTOR WORKER`, a socket to take jobs from and the worker's pid."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
    commands = socket.socket(fileno=int(sys.argv[1]))
    commands.set_inheritable(False)
    commands.setblocking(False)
    _Spawner(commands, int(sys.argv[2])).run()


if __name__ == "__main__":
    main()
