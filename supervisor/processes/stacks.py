"""The stacks of all threads of a worker, taken from outside, whatever the worker is doing.

Owns two signals, the pipe each worker writes its stacks to, and the master's reading of it. The first signal is
answered by the interpreter, holding the GIL, which does no harm to the other threads. A worker stuck in C with the GIL
cannot; the second is answered by faulthandler within the signal's handler. That one reads frames that others may be
changing if they do run (under load, one time in fifty ended in SIGSEGV), so it is for a worker that is given up. One
that is stopped answers when it is let go on. Knows nothing of why anybody wants stacks. `offer_stacks` runs in the
worker before the application, everything else in the master, whose loop is never held up.
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

# Such as applications have no use for.
ASK_SIGNAL: int = getattr(signal, "SIGRTMIN", 0) or signal.Signals["SIGINFO"]
FORCE_SIGNAL: int = ASK_SIGNAL + 1 if hasattr(signal, "SIGRTMIN") else signal.Signals["SIGEMT"]

LIMIT_S = 0.5
_ASK_S = 0.25  # before it is forced
_LOOK_S = 0.05  # a forced dump has no end mark; nothing more for so long, and it is whole
_PIPE_BYTES = 1 << 20  # 100 threads of 100 frames, should the master be slow to read
_READ_BYTES = 1 << 16
_MOST_BYTES = 4 << 20  # and more than that is no answer, but somebody who writes without end
_FRAMES = 100
_END = b"\0"
_WHOLE = b"Current thread"  # is in each answer: the thread that runs the handler

# What every worker's main thread came through: the fork of the zygote, and of it the master.
_OWN_FRAMES = re.compile(r'^  File "[^"\n]*/supervisor/zygote\.py", line \d+ in _work\n(?:  .*\n?)*', re.MULTILINE)

Done = Callable[[str], None]


# -- the worker ----------------------------------------------------------------------------------------------------


def offer_stacks() -> int:
    """Have this process write its stacks when it is asked to (in the worker's main thread, once); give the descriptor
    they can be read from, -1 if it cannot be done."""
    try:
        reader, writer = os.pipe()
    except OSError:
        return -1
    os.set_blocking(writer, False)  # nobody must wait for a master that does not read
    with contextlib.suppress(OSError, AttributeError):  # an unprivileged user's pipes may be at their limit
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    signal.signal(ASK_SIGNAL, lambda _number, frame: _write(writer, frame))
    faulthandler.register(FORCE_SIGNAL, file=writer, all_threads=True, chain=False)
    return reader


def _write(writer: int, interrupted: FrameType | None) -> None:
    """Write all stacks as faulthandler does (in the main thread, between two steps of whatever it does)."""
    here = threading.get_ident()
    names = {thread.ident: thread.name for thread in tuple(threading._active.values())}  # type: ignore[attr-defined]
    dump = []
    for ident, frame in sys._current_frames().items():
        which = "Current thread" if ident == here else "Thread"
        dump.append(f"{which} 0x{ident:016x} [{names.get(ident, '?')}] (most recent call first):\n")
        dump += _frames(interrupted if ident == here else frame)
        dump.append("\n")
    data = "".join(dump).encode("utf-8", "backslashreplace")
    with contextlib.suppress(OSError):  # it is full: the master does not read
        while data:
            data = data[os.write(writer, data) :]
        os.write(writer, _END)


def _frames(frame: FrameType | None) -> list[str]:
    lines: list[str] = []
    while frame is not None and len(lines) < _FRAMES:
        lines.append(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}\n')
        frame = frame.f_back
    return lines


# -- the master ----------------------------------------------------------------------------------------------------


def stack_of(dump: str, ident: int) -> str:
    """Pick the stack of the thread of that threading.get_ident() out of a dump; all of it if it is not there."""
    found = re.search(rf"^(?:Current thread|Thread) 0x0*{ident:x}\b.*\n(?: .*\n?)+", dump, re.MULTILINE)
    return found.group().rstrip() if ident and found else dump


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal (proc(5), the state in stat)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split(None, 1)[0] == b"T"
    except (OSError, IndexError):
        return False


class Stacks:
    """`take` takes the stacks of a child, in the background."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._takes: dict[Child, _Take] = {}

    def take(self, child: Child, done: Done, *, force: bool = False) -> None:
        """Call `done` with a dump of all stacks, as faulthandler writes it, or a parenthesis that says why there is
        none: never at once, and within LIMIT_S of the loop's time. `force` is for a child that hangs: it makes even
        C code with the GIL answer, and may be the child's end."""
        force = force or child.state in (ChildState.STUCK, ChildState.KILLED)
        take = self._takes.get(child)
        if take is not None:
            take.join(done, force)
            return
        if child.stacks_fd < 0 or child.pid is None or child.state is ChildState.GONE:
            self._loop.after(0.0, lambda: done("(no stacks: the process has none to offer)"))
            return
        self._takes[child] = _Take(self._loop, child, child.pid, done, force, lambda: self._takes.pop(child, None))


class _Take:
    """One asking for stacks; whoever asks meanwhile gets the same."""

    def __init__(
        self, loop: EventLoop, child: Child, pid: int, done: Done, force: bool, ended: Callable[[], object]
    ) -> None:
        self._askers = [done]
        self._loop = loop
        self._child = child
        self._pid = pid
        self._fd = child.stacks_fd
        self._force = force
        self._forced = False
        self._ended = ended
        self._data = bytearray()
        self._seen_bytes = 0
        self._began = loop.time()
        self._read(_PIPE_BYTES)  # what an earlier asking came too early for
        self._data.clear()
        loop.watch(self._fd, self._take_some)
        self._timer = loop.after(_LOOK_S, self._look)
        self._signal(ASK_SIGNAL)

    def join(self, done: Done, force: bool) -> None:
        self._askers.append(done)
        self._force = self._force or force

    def _signal(self, number: int) -> None:
        if not self._child.children.owns(self._pid):
            return
        with contextlib.suppress(OSError):
            stopped = is_stopped(self._pid)
            os.kill(self._pid, number)
            if stopped:
                os.kill(self._pid, signal.SIGCONT)

    def _read(self, most_bytes: int) -> None:
        with contextlib.suppress(OSError):
            self._data += os.read(self._fd, most_bytes)

    def _take_some(self) -> None:
        self._read(_READ_BYTES)
        if self._data.endswith(_END) and not self._forced and _WHOLE not in self._data:
            self._data.clear()  # the rest of an earlier answer that came twice
            return
        if self._data.endswith(_END) or len(self._data) > _MOST_BYTES:
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
            # again, as a signal that came just before its main thread began to wait has not woken it
            self._signal(FORCE_SIGNAL if self._forced else ASK_SIGNAL)
        self._seen_bytes = len(self._data)
        self._timer = self._loop.after(_LOOK_S, self._look)

    def _tell(self) -> None:
        if self._child.stacks_fd == self._fd:  # else it was closed, and may be another's by now
            self._loop.forget(self._fd)
        self._ended()
        parts = self._data.split(_END)  # asked again, it may have answered twice, now or the time before
        dump = next((part for part in parts if _WHOLE in part), parts[0])
        text = dump.decode("utf-8", "backslashreplace")
        text = _OWN_FRAMES.sub("", text).rstrip()
        if not text:
            text = f"(no stacks: the process did not answer within {LIMIT_S:g} s)"
        for done in self._askers:  # each in a step of its own: if one raises, the others are told
            self._loop.after(0.0, lambda done=done: done(text))  # type: ignore[misc]
