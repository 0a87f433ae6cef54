"""The stacks of all threads of a worker, asked for by the master with a signal and read from a pipe.

Owns the two signals, the pipe each worker writes its stacks to, and the master's reading of it. ASK_SIGNAL is answered
by Python code in the worker's main thread, which needs the GIL and does no harm to the other threads. A worker that is
stuck in C code with the GIL cannot answer it. FORCE_SIGNAL is answered by faulthandler inside the signal handler,
without the GIL: it reads frames that other threads may be changing (under load, one time in fifty ended in SIGSEGV), so
it is only for a worker that will be killed anyway. A worker stopped by SIGSTOP is sent SIGCONT, to answer. Knows
nothing of why the stacks are wanted. `offer_stacks` runs in the worker before the application, everything else in the
master, whose loop never waits for the answer.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from ..eventloop import EventLoop
from .child import Child
from .states import ChildState

__all__ = ["ASK_SIGNAL", "FORCE_SIGNAL", "Done", "Stacks", "is_stopped", "offer_stacks", "stack_of"]

# Signals that applications do not use.
ASK_SIGNAL: int = getattr(signal, "SIGRTMIN", 0) or signal.Signals["SIGINFO"]
FORCE_SIGNAL: int = ASK_SIGNAL + 1 if hasattr(signal, "SIGRTMIN") else signal.Signals["SIGEMT"]

LIMIT_S = 0.5
_ASK_S = 0.25  # before FORCE_SIGNAL is sent
_LOOK_S = 0.05  # a forced dump has no end mark: it is whole when nothing more comes for so long
_PIPE_BYTES = 1 << 20  # room for 100 threads of 100 frames, as the master may be slow to read
_READ_BYTES = 1 << 16
_MAX_BYTES = 4 << 20  # more than that is not a dump: reading stops
_FRAMES = 100
_END = b"\0"
_WHOLE = b"Current thread"  # stands in each answer: the thread that runs the handler

# The frames below the application in every worker's main thread: of the zygote, and of the master that forked it.
_OWN_FRAMES = re.compile(r'^  File "[^"\n]*/processes/zygote\.py", line \d+ in _work\n(?:  .*\n?)*', re.MULTILINE)

Done = Callable[[str], None]


# -- the worker ----------------------------------------------------------------------------------------------------


def offer_stacks() -> int:
    """Have this process write its stacks when it gets one of the signals; return the descriptor they can be read from,
    -1 if there are no descriptors left. Called once, in the worker's main thread."""
    try:
        reader, writer = os.pipe()
    except OSError:
        return -1
    os.set_blocking(writer, False)  # the worker must not wait for a master that does not read
    with contextlib.suppress(OSError, AttributeError):  # an unprivileged user may have no more memory for pipes
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    signal.signal(ASK_SIGNAL, lambda _number, frame: _write(writer, frame))
    faulthandler.register(FORCE_SIGNAL, file=writer, all_threads=True, chain=False)
    return reader


def _write(writer: int, interrupted: FrameType | None) -> None:
    """Write all stacks in faulthandler's format (in the main thread, as a signal handler of Python's)."""
    here = threading.get_ident()
    names = {thread.ident: thread.name for thread in tuple(threading._active.values())}  # type: ignore[attr-defined]
    dump = []
    for ident, frame in sys._current_frames().items():
        which = "Current thread" if ident == here else "Thread"
        dump.append(f"{which} 0x{ident:016x} [{names.get(ident, '?')}] (most recent call first):\n")
        dump += _frames(interrupted if ident == here else frame)
        dump.append("\n")
    # With its end mark in one write: this handler may be interrupted by itself, for a second signal, between two.
    data = "".join(dump).encode("utf-8", "backslashreplace") + _END
    with contextlib.suppress(OSError):  # the pipe is full: the master does not read
        while data:
            data = data[os.write(writer, data) :]


def _frames(frame: FrameType | None) -> list[str]:
    lines: list[str] = []
    while frame is not None and len(lines) < _FRAMES:
        lines.append(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}\n')
        frame = frame.f_back
    return lines


# -- the master ----------------------------------------------------------------------------------------------------


def stack_of(dump: str, ident: int) -> str:
    """Return the part of a dump that is the stack of one thread (`ident` as of threading.get_ident()); the whole dump
    if that thread is not in it."""
    found = re.search(rf"^(?:Current thread|Thread) 0x0*{ident:x}\b.*\n(?: .*\n?)+", dump, re.MULTILINE)
    return found.group().rstrip() if ident and found else dump


def is_stopped(pid: int) -> bool:
    """Return whether a process is stopped by a signal (proc(5), the state in stat); False where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split(None, 1)[0] == b"T"
    except (OSError, IndexError):
        return False


class Stacks:
    """`take` asks a child for its stacks; the answer comes by a call from the master's loop."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._takes: dict[Child, _Take] = {}

    def take(self, child: Child, done: Done, *, force: bool = False) -> None:
        """Have the loop call `done` with a dump of all stacks, as faulthandler writes it, or with "(no stacks: why)".
        It is called later, never from within `take`, and within LIMIT_S of the loop's time.

        `force` is for a child that hangs: if it does not answer ASK_SIGNAL, it is sent FORCE_SIGNAL, which C code that
        holds the GIL answers too, and which may crash the child."""
        force = force or child.state in (ChildState.STUCK, ChildState.KILLED)
        take = self._takes.get(child)
        if take is not None:
            take.join(done, force)
            return
        if child.stacks_fd < 0 or child.pid is None or child.state is ChildState.GONE:
            self._loop.after(0.0, lambda: done("(no stacks: the process has none to offer)"))
            return
        self._takes[child] = _Take(self._loop, child, done, force, lambda: self._takes.pop(child, None))


class _Take:
    """One request to a child for its stacks; later requests join it while it lasts, and get the same dump."""

    def __init__(self, loop: EventLoop, child: Child, done: Done, force: bool, ended: Callable[[], object]) -> None:
        self._askers = [done]
        self._loop = loop
        self._child = child
        self._fd = child.stacks_fd
        self._force = force
        self._forced = False
        self._ended = ended
        self._data = bytearray()
        self._seen_bytes = 0
        self._began = loop.time()
        self._read(_PIPE_BYTES)  # an answer to an earlier request that came too late for it
        self._data.clear()
        loop.watch(self._fd, self._read_more)
        self._timer = loop.after(_LOOK_S, self._look)
        self._signal(ASK_SIGNAL)

    def join(self, done: Done, force: bool) -> None:
        self._askers.append(done)
        self._force = self._force or force

    def _signal(self, number: int) -> None:
        pid = self._child.pid
        if pid is None or not self._child.owns_process():
            return
        with contextlib.suppress(OSError):
            stopped = is_stopped(pid)
            os.kill(pid, number)
            if stopped:
                os.kill(pid, signal.SIGCONT)

    def _read(self, max_bytes: int) -> None:
        with contextlib.suppress(OSError):
            self._data += os.read(self._fd, max_bytes)

    def _read_more(self) -> None:
        self._read(_READ_BYTES)
        if self._data.endswith(_END) and not self._forced and _WHOLE not in self._data:
            self._data.clear()  # the rest of an earlier answer that came twice
            return
        if self._data.endswith(_END) or len(self._data) > _MAX_BYTES:
            self._timer.cancel()
            self._tell()

    def _look(self) -> None:
        passed_s = self._loop.time() - self._began
        quiet = self._forced and len(self._data) == self._seen_bytes > 0
        if self._child.stacks_fd != self._fd or quiet or passed_s >= LIMIT_S:
            self._tell()
            return
        if not self._data and not self._forced:
            self._forced = self._force and passed_s >= _ASK_S
            # sent again: a signal that came just before its main thread began to wait has not woken that thread
            self._signal(FORCE_SIGNAL if self._forced else ASK_SIGNAL)
        self._seen_bytes = len(self._data)
        self._timer = self._loop.after(_LOOK_S, self._look)

    def _tell(self) -> None:
        if self._child.stacks_fd == self._fd:  # else it was closed, and the number may be in use again
            self._loop.forget(self._fd)
        self._ended()
        parts = self._data.split(_END)  # it may have answered twice: to two signals, or to an earlier request
        dump = next((part for part in parts if _WHOLE in part), parts[0])
        text = dump.decode("utf-8", "backslashreplace")
        text = _OWN_FRAMES.sub("", text).rstrip()
        if not text:
            text = f"(no stacks: the process did not answer within {LIMIT_S:g} s)"
        for done in self._askers:  # each in its own step of the loop: if one raises, the others are called
            self._loop.after(0.0, lambda done=done: done(text))  # type: ignore[misc]
