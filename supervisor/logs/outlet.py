"""Writing to a pipe or terminal that others hold too, without waiting for a reader who never comes.

Owns the standard streams of a child: what is printed to a pipe that nobody reads must not stop whoever prints. A
writer that finds no room waits a moment, once; then what it writes is dropped until there is room again, and a line
tells how much it was. Programs that the application starts have the plain descriptor. Called in children, at their
birth, and by `sink` in the master.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import stat
import sys
import time
from typing import Any

__all__ = ["Outlet", "guard_standard_streams", "own_description"]

_PIECE_BYTES = 4096  # PIPE_BUF: what a pipe takes whole or not at all
_PATIENCE_S = 0.2


def own_description(fd: int) -> int:
    """Give a descriptor that does not block for the pipe or terminal of `fd`, without touching what others have; -1
    where that cannot be had. The caller closes it."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    with contextlib.suppress(OSError):
        if can_block(fd) and not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return os.open(f"/proc/self/fd/{fd}", flags)
    return -1


def can_block(fd: int) -> bool:
    """Return whether a write may wait for a reader: a pipe, socket or terminal."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (stat.S_ISCHR(mode) and os.isatty(fd))


class Outlet(io.FileIO):
    """A raw stream over `fd`, whose `write` takes everything and drops what finds no room."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd, "w", closefd=False)
        self._own_fd = own_description(fd)
        self._dropped_bytes = 0
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, data: Any, /) -> int:
        """Write, or drop; give the number of bytes taken, which is all. OSError when the reader has gone."""
        rest = bytes(data)
        length = len(rest)
        if self._dropped_bytes and rest:
            note = b"\n[%d bytes of this output were dropped: nobody read it]\n" % self._dropped_bytes
            if not self._put(note, time.monotonic()):
                self._dropped_bytes += length
                return length
            self._dropped_bytes = 0
        give_up_s = time.monotonic() + _PATIENCE_S
        while rest:
            piece = rest[:_PIECE_BYTES]
            if not self._put(piece, give_up_s):
                self._dropped_bytes += len(rest)
                break
            rest = rest[len(piece) :]
        return length

    def _put(self, piece: bytes, give_up_s: float) -> bool:
        """Write a piece whole; False if it finds no room in time."""
        while piece:
            left_ms = max(0.0, give_up_s - time.monotonic()) * 1e3
            if not self._poll.poll(left_ms):
                return False
            with contextlib.suppress(BlockingIOError):
                piece = piece[os.write(self.fileno() if self._own_fd < 0 else self._own_fd, piece) :]
        return True


def guard_standard_streams() -> None:
    """Have sys.stdout and sys.stderr of this process wait for no reader, where they are the standard descriptors."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if not isinstance(stream, io.TextIOWrapper) or stream.fileno() != fd or not can_block(fd):
                continue
            stream.flush()
            raw = Outlet(fd)
            buffer: Any = raw if stream.write_through else io.BufferedWriter(raw)  # as Python itself does it
            guarded = io.TextIOWrapper(
                buffer,
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, guarded)
