"""The error log: the master's own records, those of its children, and what children write to their standard error.

Owns the file. If the error log is a PATH, descriptor 2 of every child is the write end of a pipe, which the master
copies into the file in whole lines: no other process holds the file, so it can be rotated. If it is "-", children keep
the standard error they have. Records of children (`childlog`) come as messages on a socket, one each. Knows nothing of
what a line says. Runs in the master.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from ..descriptors import DescriptorHandoff
from ..eventloop import EventLoop, Timer
from .destination import Destination
from .errorformat import LEVELS, Record

__all__ = ["ErrorLog"]

_STANDARD_ERROR = 2
_MAX_UNWRITTEN_BYTES = 1 << 20
_READ_BYTES = 1 << 16
_RETRY_S = 0.25
_MAX_RECORDS = 64  # read in one turn of the loop
_MAX_RECORD_BYTES = 1 << 18
_SEND_BUFFER_BYTES = 1 << 20  # the kernel may give less
_RECORD_SOCKET = socket.SOCK_DGRAM if sys.platform == "darwin" else socket.SOCK_SEQPACKET
_LAST_S = 1.0  # at the end, for a log that accepts nothing


class ErrorLog:
    """The error log at `where`, PATH or "-", with records from `level` up. Raises OSError when it cannot be opened."""

    def __init__(self, where: str = "-", level: str = "info") -> None:
        self._destination = _open(where)
        self._where = where
        self._min_level = LEVELS.index(level)
        self.form = "text"
        """Format of the master's records, one of `errorformat.FORMS`."""
        self._records: tuple[socket.socket, socket.socket] | None = None
        self._unwritten = b""
        self._dropped = 0
        self._unfinished_line = b""  # the beginning of a child's line, not complete yet
        self._pipe: tuple[int, int] | None = None
        self._loop: EventLoop | None = None
        self._retry: Timer | None = None

    def say(self, level: str, text: str, exception: str = "") -> None:
        """Write a record of the master, unless its level is below the configured one."""
        if LEVELS.index(level) >= self._min_level:
            self._write(self._line(level, text, exception))

    def _line(self, level: str, text: str, exception: str = "") -> bytes:
        return Record(level, text, role="master", exception=exception).encode(self.form)

    def say_last(self, text: str) -> None:
        """Write why the master ends, to standard error too, where the server's starter sees it."""
        line = self._line("critical", text)
        self._write(line)
        if self._where != "-":
            standard_error = _open("-")
            try:
                standard_error.write([memoryview(line)])
            except OSError:
                return
            finally:
                standard_error.close()

    def attach(self, loop: EventLoop) -> None:
        """Read the children's lines and records whenever `loop` finds them readable."""
        self._loop = loop
        if self._pipe is not None:
            loop.watch(self._pipe[0], self._readable)
        if self._records is not None:
            loop.watch(self._records[0], self._read_records)

    def child_fd(self, where: str) -> int:
        """Return the descriptor for a child's descriptor 2, if its error log is `where`; -1 to keep its own."""
        return -1 if where == "-" else self._ensure_pipe()

    def records_fd(self) -> int:
        """Return the descriptor to which children send their records; each gets a copy for `childlog.connect`."""
        if self._records is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, _RECORD_SOCKET)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            self._keep_records(ours, theirs)
            if self._loop is not None:
                self._loop.watch(ours, self._read_records)
        assert self._records is not None
        return self._records[1].fileno()

    def _keep_records(self, ours: socket.socket, theirs: socket.socket) -> None:
        for end in (ours, theirs):
            end.setblocking(False)
            end.set_inheritable(False)
        self._records = ours, theirs

    def _read_records(self) -> None:
        assert self._records is not None
        for _ in range(_MAX_RECORDS):
            try:
                record = self._records[0].recv(_MAX_RECORD_BYTES)
            except BlockingIOError:
                return
            self._write(record)

    def _ensure_pipe(self) -> int:
        if self._pipe is None:
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[0], False)
            if self._loop is not None:
                self._loop.watch(self._pipe[0], self._readable)
        return self._pipe[1]

    def _readable(self) -> None:
        self._read_pipe()

    def _read_pipe(self) -> bool:
        """Read once from the children's pipe; return False if it is empty."""
        assert self._pipe is not None
        try:
            data = os.read(self._pipe[0], _READ_BYTES)
        except BlockingIOError:
            return False
        whole, newline, rest = (self._unfinished_line + data).rpartition(b"\n")
        if len(rest) > _READ_BYTES:
            whole, newline, rest = whole + newline + rest, b"\n", b""
        self._unfinished_line = rest
        if newline:
            self._write(whole + newline)
        return True

    def _write(self, lines: bytes) -> None:
        self._unwritten += lines
        self._flush()
        surplus = len(self._unwritten) - _MAX_UNWRITTEN_BYTES
        if surplus > 0:
            cut = self._unwritten.find(b"\n", surplus) + 1 or len(self._unwritten)
            self._unwritten = self._unwritten[cut:]
            self._dropped += cut
        if self._unwritten and self._loop is not None and self._retry is None:
            self._retry = self._loop.after(_RETRY_S, self._flush_again)

    def _flush_again(self) -> None:
        self._retry = None
        self._write(b"")

    def _flush(self) -> None:
        try:
            while self._unwritten:
                written = self._destination.write([memoryview(self._unwritten)])
                if not written:
                    return
                self._unwritten = self._unwritten[written:]
                if self._dropped and not self._unwritten:
                    text = f"{self._dropped} bytes of this log were dropped: it could not be written"
                    self._unwritten = self._line("error", text)
                    self._dropped = 0
        except OSError:  # a full disk, a closed terminal: up to a limit, lines are kept for later
            return

    def reopen(self) -> None:
        """Open the file again. After an OSError everything is as it was."""
        self.use(self._where, self.open(self._where))

    @staticmethod
    def open(where: str) -> Destination:
        """Return the open destination for `use`. Raises OSError when it cannot be opened."""
        return _open(where)

    def use(self, where: str, destination: Destination, level: str | None = None, form: str | None = None) -> None:
        """Write to `destination`, which `open(where)` returned, from now on; with this level and format if given."""
        self._destination.close()
        self._destination = destination
        self._where = where
        if level is not None:
            self._min_level = LEVELS.index(level)
        self.form = form or self.form
        self._flush()

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any]:
        """Return what is not written yet and the descriptors, as JSON data for the new program (upgrade)."""
        return {
            "unwritten": self._unwritten.decode("latin-1"),
            "dropped": self._dropped,
            "part": self._unfinished_line.decode("latin-1"),
            "records": None if self._records is None else [handoff.keep(end) for end in self._records],
            "pipe": None if self._pipe is None else [handoff.keep(end) for end in self._pipe],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `keep` returned (after the file was opened, before `attach`)."""
        self._unwritten = state["unwritten"].encode("latin-1") + self._unwritten
        self._dropped += state["dropped"]
        self._unfinished_line = state["part"].encode("latin-1")
        if state["pipe"] is not None:
            reader, writer = state["pipe"]
            self._pipe = reader, writer
        if state.get("records") is not None:
            ours, theirs = (socket.socket(fileno=number) for number in state["records"])
            self._keep_records(ours, theirs)

    def close(self) -> None:
        """Read and write what the children wrote last, and close. Waits at most 1 s for a log that accepts nothing."""
        if self._records is not None:
            self._read_records()
            if self._loop is not None:
                self._loop.forget(self._records[0])
            for end in self._records:
                end.close()
            self._records = None
        if self._pipe is not None:
            for _ in range(_MAX_RECORDS):  # a process that outlives its worker may write for ever
                if not self._read_pipe():
                    break
            if self._loop is not None:
                self._loop.forget(self._pipe[0])
            for descriptor in self._pipe:
                os.close(descriptor)
            self._pipe = None
        if self._unfinished_line:
            self._write(self._unfinished_line + b"\n")
            self._unfinished_line = b""
        give_up_s = time.monotonic() + _LAST_S
        while self._unwritten and time.monotonic() < give_up_s:
            time.sleep(0.01)
            self._flush()
        self._destination.close()

    def abandon(self) -> None:
        """Close the descriptors (in a forked child, after its descriptor 2 was set)."""
        if self._pipe is not None:
            for descriptor in self._pipe:
                os.close(descriptor)
        if self._records is not None:
            for end in self._records:
                end.close()
        self._destination.close()


def _open(where: str) -> Destination:
    return Destination(where, _STANDARD_ERROR)
