"""An open destination of a log: a file, a named pipe, or a standard stream that other processes use too.

Owns the descriptor, and the rule that a write never blocks the master's loop and ends with a whole line where possible.
Knows nothing of records or levels. Used by `accesslog` and `errorlog`, in the master.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
from collections.abc import Sequence

from .safepath import open_log
from .stdio import reopen_nonblocking

__all__ = ["Destination"]

_PIECE_BYTES = 4096  # PIPE_BUF: a pipe, terminal or socket that polls as writable takes so much without blocking
_MAX_PIECES = 64  # of one write, so that the loop has its turn again
_MAX_VECTOR = 64


class Destination:
    """The open file at `where`: PATH, or "-" for the standard stream `standard_fd`."""

    __slots__ = ("_owned", "_poll", "_reopened", "fd", "where")

    def __init__(self, where: str, standard_fd: int) -> None:
        """Open it for appending by the rule of `safepath`. Raises OSError when that cannot be done."""
        self.where = where
        self._owned = where != "-"
        self._reopened = -1
        self.fd = open_log(where) if self._owned else standard_fd
        if not self._owned:  # others write to it too, so a write may block although it polled as writable
            self._reopened = reopen_nonblocking(standard_fd)
            self.fd = self._reopened if self._reopened >= 0 else standard_fd
        self._poll: select.poll | None = None
        if not self.is_file():
            self._poll = select.poll()
            self._poll.register(self.fd, select.POLLOUT)

    @property
    def can_be_watched(self) -> bool:
        """Whether the loop can watch for more room: in a pipe, a terminal or a socket, not in a file."""
        return self._poll is not None

    def is_file(self) -> bool:
        try:
            return stat.S_ISREG(os.fstat(self.fd).st_mode)
        except OSError:  # the standard stream was closed before the server started
            return True

    def write(self, views: Sequence[memoryview[int]]) -> int:
        """Write `views` in order, as much as is accepted without blocking; return the number of bytes written.

        Raises OSError if nothing could be written.
        """
        if self._poll is None:
            return os.writev(self.fd, views[:_MAX_VECTOR])
        taken = 0
        for _ in range(_MAX_PIECES):
            piece = _piece(views, taken)
            if not piece or not self._poll.poll(0):
                break
            try:
                written = os.write(self.fd, piece)
            except BlockingIOError:
                break
            except OSError:
                if taken:
                    break
                raise
            taken += written
            if written < len(piece):
                break
        return taken

    def size(self) -> int:
        """Return the size of the file in bytes; 0 if this is not a file."""
        try:
            status = os.fstat(self.fd)
        except OSError:
            return 0
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def is_same(self, other: Destination) -> bool:
        """Return True if both write to the same file, pipe or device."""
        try:
            return os.path.sameopenfile(self.fd, other.fd)
        except OSError:
            return False

    def truncate_by(self, count: int) -> None:
        """Cut `count` bytes off the file's end, if that can be done."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.fd, max(0, self.size() - count))

    def close(self) -> None:
        """Close what was opened here; a standard stream stays open."""
        if self._owned and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self._reopened >= 0:
            os.close(self._reopened)
            self.fd = self._reopened = -1


def _piece(views: Sequence[memoryview[int]], start: int) -> bytes:
    """Return the next piece from byte `start` on, up to the end of its last whole line if it has one."""
    for view in views:
        if start < len(view):
            piece = bytes(view[start : start + _PIECE_BYTES])
            if len(piece) < _PIECE_BYTES:
                return piece
            return piece[: piece.rfind(b"\n") + 1] or piece
        start -= len(view)
    return b""
