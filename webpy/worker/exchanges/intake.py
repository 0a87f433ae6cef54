"""Owns request bodies on their way in: gathered by the loop without blocking, in memory and then in a file.

`Intake` gathers a whole body before the handler runs; `Stream` feeds a handler that reads it while it arrives.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from typing import IO, Any

from ...framework.errors import HTTPError
from ...framework.request import Request
from ...protocol import BodyReader, Limits, ProtocolError
from .rate import ClientTime

__all__ = ["BrokenOff", "Intake", "Stream"]

_MEMORY_BYTES = 1 << 18  # of a body, before it goes to a file
_LARGE_BYTES = 1 << 21  # of a body whose length is known, while the worker's large ones are not too many
_MAX_LARGE_BYTES = 1 << 26  # of all large bodies that a worker is receiving in memory
_STEP_BYTES = 1 << 19  # received in place at a time
_STREAM_BYTES = 1 << 18  # that wait for a streaming handler, before the client has to

_scratch = memoryview(bytearray(_STEP_BYTES))  # on its way to a file; the leader's

_large: dict[int, int] = {}  # sizes of the large bodies that are being received in memory, by the id of their place


class _Large:
    """The place of a large body among those that are received in memory: it is taken as long as this object lives."""

    __slots__ = ()

    def __init__(self, size: int) -> None:
        _large[id(self)] = size

    def __del__(self) -> None:
        _large.pop(id(self), None)


class _Buffer(io.BytesIO):
    """A body in memory, which may be dropped while it is being received."""

    def close(self) -> None:
        with contextlib.suppress(BufferError):  # there is a view of it, which goes with it
            super().close()


class BrokenOff(HTTPError, ConnectionError):
    """The rest of a request's body will never come. Where a handler lets it pass, a client still there is told why."""


class Intake:
    """A body being received: `feed` it what comes until `complete`."""

    __slots__ = (
        "_buffer",
        "_file",
        "_large",
        "_pieces",
        "_size",
        "_view",
        "client_time",
        "over",
        "reader",
        "received_bytes",
        "request",
        "stream",
    )

    def __init__(self, request: Request, limits: Limits) -> None:
        """Raises ProtocolError 413 when the head already says more than `limits` allow."""
        self.request = request
        self.reader = BodyReader(request.head, limits)
        self.stream: Stream | None = None
        self.over: Callable[[], None] | None = None  # to be called when no more of a stream will come
        self.received_bytes = 0  # framing included
        self.client_time = ClientTime()
        self._pieces: list[bytes] = []
        self._size = 0
        self._file: IO[bytes] | None = None
        self._buffer: _Buffer | None = None
        self._view: memoryview[int] | None = None  # of the buffer
        self._large: _Large | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole body is there."""
        return self.reader.complete

    @property
    def needs_more(self) -> bool:
        """Whether more of the body may come: it is neither whole nor broken off."""
        return not self.complete and (self.stream is None or not self.stream.failed)

    def feed(self, data: bytes | bytearray) -> None:
        """Take what the client sent. Raises ProtocolError; with its cause if the body cannot be stored."""
        self.received_bytes += len(data)
        piece = self.reader.feed(data)
        if self.stream is not None:
            self.stream.put(piece)
        elif piece:
            self._try_to_store(piece)
        if self.reader.complete:
            self._finish()

    def place(self) -> memoryview[int] | None:
        """Return where the next bytes of the payload may be received in place, before `placed`; None if what comes has
        to be looked at.

        The whole of a body in memory is one buffer, of which the system gives each page when it is first written to.
        """
        left = self.reader.fixed_bytes
        if not left or self.stream is not None:
            return None
        if self._file is not None:
            return _scratch[:left]
        if self._view is None and not self._make_buffer(self._size + left):
            return _scratch[:left]
        assert self._view is not None
        return self._view[self._size : self._size + _STEP_BYTES]

    def _make_buffer(self, size: int) -> bool:
        """Make the buffer of a body of so many bytes, with what there is of it; False if it has to go to a file."""
        if size > _MEMORY_BYTES:
            if size > _LARGE_BYTES or sum(list(_large.values())) + size > _MAX_LARGE_BYTES:
                return False
            self._large = _Large(size)
        self._buffer = _Buffer(bytes(size))
        view = self._view = self._buffer.getbuffer()
        at = 0
        for piece in self._pieces:
            view[at : at + len(piece)] = piece
            at += len(piece)
        self._pieces.clear()
        return True

    def placed(self, place: memoryview[int], count: int) -> None:
        """Take `count` bytes that were received at the beginning of `place`. Raises ProtocolError as `feed` does."""
        self.received_bytes += count
        self.reader.skip(count)
        if self._view is not None:
            self._size += count
        else:
            self._try_to_store(place[:count])
        if self.reader.complete:
            self._finish()

    def _try_to_store(self, piece: bytes | memoryview[int]) -> None:
        try:
            self._store(piece)
        except OSError as error:  # no room on the disk, or no descriptors left
            raise ProtocolError(503, "the body cannot be stored at present") from error

    def _store(self, piece: bytes | memoryview[int]) -> None:
        at = self._size
        self._size += len(piece)
        if self._view is not None:
            self._view[at : self._size] = piece
            return
        if self._file is None and self._size > _MEMORY_BYTES:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open until the request is over
            self._file.writelines(self._pieces)
            self._pieces.clear()
        if self._file is None:
            self._pieces.append(bytes(piece))  # no copy if it is bytes already
        else:
            self._file.write(piece)

    def _drop_buffer(self) -> None:
        self._large = None
        if self._view is not None:
            self._view.release()
        self._view = self._buffer = None

    def abandon(self, error: ProtocolError | None = None) -> None:
        """Drop the body, as the client went or sent something malformed (`error`); no handler takes it for whole."""
        self._pieces.clear()
        self._drop_buffer()
        if self._file is not None:
            self._file.close()
        if self.stream is not None:
            self.stream.fail(error or ProtocolError(400, "the connection ended inside the body"))
            self._tell_over()

    def _finish(self) -> None:
        request = self.request
        request.trailers = self.reader.trailers
        if self.stream is not None:
            self.stream.end()
            self._tell_over()
        elif self._file is not None:
            try:
                self._file.seek(0)  # writes what is left of it
            except OSError as error:
                raise ProtocolError(503, "the body cannot be stored at present") from error
            request.read_from(self._file)
        elif self._view is not None and self._buffer is not None:
            buffer = self._buffer
            self._drop_buffer()
            request.raw_body = buffer.getvalue()  # no copy
        else:
            request.raw_body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _tell_over(self) -> None:
        over, self.over = self.over, None
        if over is not None:
            over()


class Stream(io.RawIOBase):
    """A body as a blocking binary stream: the loop puts pieces in, a pool thread reads them.

    want_more: called by the reading thread when the client may send again.
    """

    def __init__(self, want_more: Callable[[], None]) -> None:
        super().__init__()
        self._want_more = want_more
        self._pieces: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._waiting_bytes = 0
        self._held = False
        self._ended = False
        self._failure: ProtocolError | None = None

    def put(self, piece: bytes) -> None:
        """Add a piece (the leader); it is dropped if the handler has closed the stream."""
        if piece and not self.closed:
            with self._changed:
                self._pieces.append(piece)
                self._waiting_bytes += len(piece)
                self._changed.notify()

    def hold(self) -> bool:
        """Return whether so much waits for the handler that the client has to wait; the leader then stops reading."""
        with self._changed:
            self._held = self._waiting_bytes > _STREAM_BYTES and not self.closed
            return self._held

    def end(self) -> None:
        """Tell the reader that the body is whole (the leader)."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def fail(self, error: ProtocolError) -> None:
        """Tell the reader that the body will never be whole (the leader). Its read raises BrokenOff."""
        with self._changed:
            if not self._ended:
                self._failure = error
                self._changed.notify()

    @property
    def failed(self) -> bool:
        """Whether `fail` has been called."""
        return self._failure is not None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As of `io.RawIOBase`; waits for the client, raises BrokenOff when no more will come."""
        view = memoryview(buffer).cast("B")
        with self._changed:
            while not (self._pieces or self._ended or self._failure):
                self._changed.wait()
            if not self._pieces:
                if self._failure is not None:
                    raise BrokenOff(self._failure.status, f"{self._failure}\n")
                return 0
            piece = self._pieces.popleft()
            count = min(len(view), len(piece))
            view[:count] = piece[:count]
            if count < len(piece):
                self._pieces.appendleft(piece[count:])
            self._waiting_bytes -= count
            resume = self._held and self._waiting_bytes <= _STREAM_BYTES // 2
            if resume:
                self._held = False
        if resume:
            self._want_more()
        return count
