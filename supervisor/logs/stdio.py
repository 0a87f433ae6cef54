"""The standard streams: open in the master, and in children never waiting for a reader that does not read.

Owns what happens to text that is printed to a pipe or terminal that no process reads: a writer that finds no room waits
a moment, once; after that, what it writes is dropped until there is room again, and a line says how many bytes were
dropped. Programs that the application starts inherit the plain descriptors. `ensure_standard_streams` is called in the
master before it opens anything, `guard_standard_streams` in each child after its fork; `destination` uses
`reopen_nonblocking` in the master.
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

__all__ = ["DroppingStream", "ensure_standard_streams", "guard_standard_streams", "reopen_nonblocking"]

_PIECE_BYTES = 4096  # PIPE_BUF: what a pipe takes whole or not at all
_WAIT_S = 0.2


def ensure_standard_streams() -> None:
    """Open descriptors 0 to 2 on /dev/null where the parent left them closed, and flush the open ones.

    Otherwise a socket could become descriptor 1, and the access log would be written to it. Called once, in the master.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for file in (sys.stdout, sys.stderr):
        if file is not None:
            file.flush()


def reopen_nonblocking(fd: int) -> int:
    """Open the pipe or terminal of `fd` a second time, without blocking, and return that descriptor.

    Other processes that share `fd` are not affected. Returns -1 where it cannot be done. The caller closes it.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    with contextlib.suppress(OSError):
        if can_block(fd) and not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return os.open(f"/proc/self/fd/{fd}", flags)
    return -1


def can_block(fd: int) -> bool:
    """Return True if a write may wait for a reader: a pipe, socket or terminal."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (stat.S_ISCHR(mode) and os.isatty(fd))


class DroppingStream(io.FileIO):
    """A raw stream over `fd` whose `write` accepts everything, and drops what finds no room."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd, "w", closefd=False)
        self._own_fd = reopen_nonblocking(fd)
        self._dropped_bytes = 0
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, data: Any, /) -> int:
        """Write `data`, or drop what finds no room; return its length. Raises OSError if no reader is left."""
        rest = bytes(data)
        length = len(rest)
        if self._dropped_bytes and rest:
            note = b"\n[%d bytes of this output were dropped: no process read it]\n" % self._dropped_bytes
            if not self._write_piece(note, time.monotonic()):
                self._dropped_bytes += length
                return length
            self._dropped_bytes = 0
        give_up_s = time.monotonic() + _WAIT_S
        while rest:
            piece = rest[:_PIECE_BYTES]
            if not self._write_piece(piece, give_up_s):
                self._dropped_bytes += len(rest)
                break
            rest = rest[len(piece) :]
        return length

    def _write_piece(self, piece: bytes, give_up_s: float) -> bool:
        """Write a whole piece; return False if it finds no room in time."""
        while piece:
            left_ms = max(0.0, give_up_s - time.monotonic()) * 1e3
            if not self._poll.poll(left_ms):
                return False
            with contextlib.suppress(BlockingIOError):
                piece = piece[os.write(self.fileno() if self._own_fd < 0 else self._own_fd, piece) :]
        return True


def guard_standard_streams() -> None:
    """Replace sys.stdout and sys.stderr by streams that never wait for a reader (in a child, after its fork).

    Streams that are not the standard descriptors, or that cannot block, stay as they are.
    """
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if not isinstance(stream, io.TextIOWrapper) or stream.fileno() != fd or not can_block(fd):
                continue
            stream.flush()
            raw = DroppingStream(fd)
            buffer: Any = raw if stream.write_through else io.BufferedWriter(raw)  # as Python itself builds them
            guarded = io.TextIOWrapper(
                buffer,
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, guarded)
