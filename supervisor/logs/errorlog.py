"""The error log: the master's own lines, the records of its children, and what they write to their standard error.

Owns the file. With a PATH every child's descriptor 2 is the write end of a pipe that the master copies into
the file in whole lines, so nobody else holds the file and it can be rotated; with "-" the children keep the
standard error they have. Records of children (`childlog`) come as messages on a socket, one each. Knows nothing
of what a line is about. Runs in the master.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..config import LEVELS
from ..eventloop import EventLoop, Timer
from .destination import Destination
from .errorformat import Record

if TYPE_CHECKING:
    from ..upgrade.handoff import Handoff

__all__ = ["ErrorLog"]

_STANDARD_ERROR = 2
_KEPT_BYTES = 1 << 20
_READ_BYTES = 1 << 16
_RETRY_S = 0.25
_RECORDS = 64  # taken in one turn of the loop
_RECORD_BYTES = 1 << 18
_SEND_BUFFER_BYTES = 1 << 20  # asked for; the kernel gives what it allows
_RECORD_SOCKET = socket.SOCK_DGRAM if sys.platform == "darwin" else socket.SOCK_SEQPACKET
_LAST_S = 1.0  # for a log that takes nothing, at the end


class ErrorLog:
    """`target` is PATH or "-", `level` the least that is written. OSError when it cannot be opened."""

    def __init__(self, target: str = "-", level: str = "info") -> None:
        self._destination = _open(target)
        self._target = target
        self._least = LEVELS.index(level)
        self.form = "text"
        """That of the records: see `errorformat`."""
        self._records: tuple[socket.socket, socket.socket] | None = None
        self._unwritten = b""
        self._dropped = 0
        self._part = b""  # of a child's line
        self._pipe: tuple[int, int] | None = None
        self._loop: EventLoop | None = None
        self._retry: Timer | None = None

    def say(self, level: str, text: str, exception: str = "") -> None:
        """Write a record of the master's."""
        if LEVELS.index(level) >= self._least:
            self._write(self._line(level, text, exception))

    def _line(self, level: str, text: str, exception: str = "") -> bytes:
        return Record(level, text, role="master", exception=exception).form(self.form)

    def say_last(self, text: str) -> None:
        """Say why the master ends: to standard error too, where whoever started it looks."""
        line = self._line("critical", text)
        self._write(line)
        if self._target != "-":
            standard_error = _open("-")
            try:
                standard_error.write([memoryview(line)])
            except OSError:
                return
            finally:
                standard_error.close()

    def attach(self, loop: EventLoop) -> None:
        """Take the children's lines from the loop."""
        self._loop = loop
        if self._pipe is not None:
            loop.watch(self._pipe[0], self._readable)
        if self._records is not None:
            loop.watch(self._records[0], self._take_records)

    def child_fd(self, target: str) -> int:
        """Give what a child is to have as its descriptor 2, where its settings name `target`; -1 to keep its own."""
        return -1 if target == "-" else self._ensure_pipe()

    def records_fd(self) -> int:
        """Give what a child is to send its records to (`childlog.connect`), a copy of its own."""
        if self._records is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, _RECORD_SOCKET)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            self._keep_records(ours, theirs)
            if self._loop is not None:
                self._loop.watch(ours, self._take_records)
        assert self._records is not None
        return self._records[1].fileno()

    def _keep_records(self, ours: socket.socket, theirs: socket.socket) -> None:
        for end in (ours, theirs):
            end.setblocking(False)
            end.set_inheritable(False)
        self._records = ours, theirs

    def _take_records(self) -> None:
        assert self._records is not None
        for _ in range(_RECORDS):
            try:
                record = self._records[0].recv(_RECORD_BYTES)
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
        self._take()

    def _take(self) -> bool:
        assert self._pipe is not None
        try:
            data = os.read(self._pipe[0], _READ_BYTES)
        except BlockingIOError:
            return False
        whole, newline, rest = (self._part + data).rpartition(b"\n")
        if len(rest) > _READ_BYTES:
            whole, newline, rest = whole + newline + rest, b"\n", b""
        self._part = rest
        if newline:
            self._write(whole + newline)
        return True

    def _write(self, lines: bytes) -> None:
        self._unwritten += lines
        self._flush()
        surplus = len(self._unwritten) - _KEPT_BYTES
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
        except OSError:  # a full disk, a closed terminal: kept for later, within bounds
            return

    def reopen(self) -> None:
        """Open the file anew; OSError leaves everything as it was."""
        self.use(self._target, self.open(self._target))

    @staticmethod
    def open(target: str) -> Destination:
        """Open what `target` names, for `use`; OSError when it cannot be."""
        return _open(target)

    def use(self, target: str, destination: Destination, level: str | None = None, form: str | None = None) -> None:
        """Write to `destination`, which `open` gave for `target`, from now on, from this level up, and in this form."""
        self._destination.close()
        self._destination = destination
        self._target = target
        if level is not None:
            self._least = LEVELS.index(level)
        self.form = form or self.form
        self._flush()

    def keep(self, handoff: Handoff) -> dict[str, Any]:
        """Give what is not in the file, and the pipe, as JSON takes it, for the program that replaces the master's."""
        return {
            "unwritten": self._unwritten.decode("latin-1"),
            "dropped": self._dropped,
            "part": self._part.decode("latin-1"),
            "records": None if self._records is None else [handoff.keep(end) for end in self._records],
            "pipe": None if self._pipe is None else [handoff.keep(end) for end in self._pipe],
        }

    def adopt(self, kept: Mapping[str, Any]) -> None:
        """Take on what `keep` gave (before `attach`, after the file was opened)."""
        self._unwritten = kept["unwritten"].encode("latin-1") + self._unwritten
        self._dropped += kept["dropped"]
        self._part = kept["part"].encode("latin-1")
        if kept["pipe"] is not None:
            reader, writer = kept["pipe"]
            self._pipe = reader, writer
        if kept.get("records") is not None:
            ours, theirs = (socket.socket(fileno=number) for number in kept["records"])
            self._keep_records(ours, theirs)

    def close(self) -> None:
        """Take what the children said last, and close. A log that takes nothing is given up after a second."""
        if self._records is not None:
            self._take_records()
            if self._loop is not None:
                self._loop.forget(self._records[0])
            for end in self._records:
                end.close()
            self._records = None
        if self._pipe is not None:
            for _ in range(_RECORDS):  # a process that was left behind may write for ever
                if not self._take():
                    break
            if self._loop is not None:
                self._loop.forget(self._pipe[0])
            for descriptor in self._pipe:
                os.close(descriptor)
            self._pipe = None
        if self._part:
            self._write(self._part + b"\n")
            self._part = b""
        give_up_s = time.monotonic() + _LAST_S
        while self._unwritten and time.monotonic() < give_up_s:
            time.sleep(0.01)
            self._flush()
        self._destination.close()

    def abandon(self) -> None:
        """Close the descriptors (in a forked child that has its descriptor 2 already)."""
        if self._pipe is not None:
            for descriptor in self._pipe:
                os.close(descriptor)
        if self._records is not None:
            for end in self._records:
                end.close()
        self._destination.close()


def _open(target: str) -> Destination:
    return Destination(target, _STANDARD_ERROR)
