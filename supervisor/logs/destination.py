"""Where a log's bytes go: a file of our own, or a standard stream that others use too.

Owns the descriptor and the rule that a write never blocks the master's loop and ends at a line where it can.
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

_PIECE_BYTES = 4096  # PIPE_BUF: what a pipe, terminal or socket that polls as writable takes without blocking
_PIECES = 64  # and how often in one write, before the loop has its turn again
_VECTOR = 64


class Destination:
    """An open target: PATH, or "-" for the standard stream `standard_fd`."""

    __slots__ = ("_owned", "_poll", "_reopened", "fd", "target")

    def __init__(self, target: str, standard_fd: int) -> None:
        """Open `target` for appending, as `safepath` says; OSError when that cannot be done."""
        self.target = target
        self._owned = target != "-"
        self._reopened = -1
        self.fd = open_log(target) if self._owned else standard_fd
        if not self._owned:  # others write to it too: room that was there a moment ago may be gone
            self._reopened = reopen_nonblocking(standard_fd)
            self.fd = self._reopened if self._reopened >= 0 else standard_fd
        self._poll: select.poll | None = None
        if not self.is_file():
            self._poll = select.poll()
            self._poll.register(self.fd, select.POLLOUT)

    @property
    def can_be_watched(self) -> bool:
        """Whether the loop can be told when it takes more: a pipe, a terminal or a socket."""
        return self._poll is not None

    def is_file(self) -> bool:
        try:
            return stat.S_ISREG(os.fstat(self.fd).st_mode)
        except OSError:  # a standard stream that was closed before we started
            return True

    def write(self, views: Sequence[memoryview[int]]) -> int:
        """Write `views` in order, as much as goes without blocking; give the bytes taken. OSError if none
        could be."""
        if self._poll is None:
            return os.writev(self.fd, views[:_VECTOR])
        taken = 0
        for _ in range(_PIECES):
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
        """Give the bytes of the file; 0 for what is none."""
        try:
            status = os.fstat(self.fd)
        except OSError:
            return 0
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def is_same(self, other: Destination) -> bool:
        """Whether both write to one file, pipe or device."""
        try:
            return os.path.sameopenfile(self.fd, other.fd)
        except OSError:
            return False

    def truncate_by(self, count: int) -> None:
        """Cut so many bytes off the file's end again; nothing where that cannot be done."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.fd, max(0, self.size() - count))

    def close(self) -> None:
        """Close what was opened here."""
        if self._owned and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self._reopened >= 0:
            os.close(self._reopened)
            self.fd = self._reopened = -1


def _piece(views: Sequence[memoryview[int]], start: int) -> bytes:
    """Give the next bytes from `start` on, up to the last line that ends within a piece, if one does."""
    for view in views:
        if start < len(view):
            piece = bytes(view[start : start + _PIECE_BYTES])
            if len(piece) < _PIECE_BYTES:
                return piece
            return piece[: piece.rfind(b"\n") + 1] or piece
        start -= len(view)
    return b""
