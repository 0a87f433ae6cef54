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
from typing import IO, Any, Protocol

from ...framework.errors import HTTPError
from ...framework.request import Request
from ...protocol import BodyReader, Limits, ProtocolError
from .rate import ClientTime

__all__ = ["BrokenOff", "Intake", "Source", "Stream", "keep_memory"]

_MEMORY_BYTES = 1 << 18  # of a body, before it goes to a file
_LARGE_BYTES = 1 << 21  # of a body whose length is known, while the worker's large ones are not too many
_MAX_LARGE_BYTES = 1 << 26  # of all large bodies that a worker is receiving in memory
_STEP_BYTES = 1 << 20  # received in place at a time
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


def keep_memory() -> None:
    """Have the C library keep the memory of large bodies for the next ones (a worker, at its start).

    glibc gives a block of this size back to the system when it is freed, so that each page of the next one has to be
    found and filled with zeros, at thrice the cost of all else about a body of 1 MB; until it has freed one: then it
    takes blocks of that size for usual (mallopt(3), M_MMAP_THRESHOLD). No page of this one is ever touched.
    """
    bytes(_LARGE_BYTES + 4096)


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
        "by_reader",
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
        self.by_reader = False  # the last of it, and nothing behind it, was received by the handler's thread
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

    def is_settled(self) -> bool:
        """Return whether the whole body is there, once its handler has answered: it need not have read all of it."""
        if self.stream is not None:
            self.stream.receive_more()
        return self.complete

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
            self.tell_over()

    def _finish(self) -> None:
        request = self.request
        request.trailers = self.reader.trailers
        if self.stream is not None:
            self.stream.end()
            self.tell_over()
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

    def tell_over(self) -> None:
        """Call `over`, if that has not been done (the leader)."""
        over, self.over = self.over, None
        if over is not None:
            over()


class Source(Protocol):
    """Where the reader of a stream receives the rest of a body by itself; all but `wait` with the stream's lock."""

    @property
    def left(self) -> int:
        """How many bytes are still to come."""

    def receive(self, view: memoryview[int]) -> int:
        """Receive what is there, and return how many bytes; 0 if nothing is yet, or the stream has failed."""

    def prepare(self) -> None:
        """Get ready to `wait`."""

    def wait(self) -> None:
        """Wait until there is something to receive, or `wake`."""

    def wake(self) -> None:
        """Have `wait` return, as the stream has failed."""


class Stream(io.RawIOBase):
    """A body as a blocking binary stream, which a thread of the pool reads.

    The loop puts pieces in, until the reader receives a body of a fixed length by itself (`receive_from`): straight to
    where it wants it, and no other thread has to wake for that.

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
        self._source: Source | None = None

    def put(self, piece: bytes) -> None:
        """Add a piece (the leader); it is dropped if the handler has closed the stream."""
        if piece and not self.closed:
            with self._changed:
                self._pieces.append(piece)
                self._waiting_bytes += len(piece)
                self._changed.notify()

    def receive_from(self, source: Source) -> None:
        """Have the reader receive what has not been put in yet (the leader, before it starts the handler)."""
        self._source = source

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
        """Tell the reader that the body will never be whole (the leader). Its read raises BrokenOff. When this returns,
        the reader is not receiving any more, and the connection may be closed."""
        with self._changed:
            if not self._ended:
                self._failure = error
                self._changed.notify()
                if self._source is not None:
                    self._source.wake()
                    self._source = None

    @property
    def receives(self) -> bool:
        """Whether the reader receives by itself, and nobody else may."""
        return self._source is not None

    @property
    def failed(self) -> bool:
        """Whether `fail` has been called."""
        return self._failure is not None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As of `io.RawIOBase`; waits for the client, raises BrokenOff when no more will come."""
        view = memoryview(buffer).cast("B")
        while True:
            with self._changed:
                if self._pieces:
                    break
                source = self._source
                if source is not None and view:
                    count = source.receive(view)
                    if count:
                        if not source.left:
                            self._end()
                        return count
                if self._failure is not None:
                    raise BrokenOff(self._failure.status, f"{self._failure}\n")
                if self._ended or not view:
                    return 0
                if source is None:
                    self._changed.wait()
                    continue
                source.prepare()
            source.wait()
        return self._take(view)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(_STREAM_BYTES) or b"", b""))

    def _take(self, view: memoryview[int]) -> int:
        """Take from the first piece."""
        with self._changed:
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

    def _end(self) -> None:
        self._ended = True
        self._source = None

    def receive_more(self) -> None:
        """Receive what is there and the handler has not asked for, as far as its client may send that in advance."""
        with self._changed:
            source = self._source
            while source is not None and self._source is source and self._waiting_bytes <= _STREAM_BYTES:
                piece = bytearray(min(source.left, _STREAM_BYTES))
                count = source.receive(memoryview(piece))
                if not count:
                    return
                self._pieces.append(bytes(memoryview(piece)[:count]))
                self._waiting_bytes += count
                if not source.left:
                    self._end()

    def give_back(self) -> None:
        """Leave what still comes to the leader, as the thread that has read so far need not go on."""
        with self._changed:
            source, self._source = self._source, None
            if source is not None:
                source.wake()
        if source is not None:
            self._want_more()

    def close(self) -> None:
        """Drop what there is; what still comes is taken in by the leader, so that the connection can go on."""
        with self._changed:
            self._pieces.clear()
        super().close()
        self.give_back()
