"""Owns `Channel`: it takes the bytes that a handler of the standard library writes and makes webpy's answer of them.

The handler writes on a thread of its own, as to a blocking socket. A thread of the worker waits until the answer is
complete, or long, or slow to come. From then on the two threads take turns, as with a generator: the handler runs while
the worker's thread waits for its next write, and is blocked in that write until the worker's thread has sent it. So a
handler with a slow client does not run on, and no more handlers run than `--threads` allows.

The answer's own framing says how long it is: bytes behind its Content-Length or its last chunk are dropped, as clients
of the standard library's server do, and fewer bytes are a failure.
"""

from __future__ import annotations

import errno
import re
import threading
from collections import deque
from collections.abc import Iterator

from ..framework.headers import HTTPHeaders
from ..protocol import REASONS, BodyReader, Limits, ProtocolError, body_allowed

__all__ = ["Channel", "NoAnswer"]

_WHOLE_BYTES = 1 << 16  # a body longer than this is sent piece by piece
_LOOK_S = 0.02  # how often to look whether a handler has begun to answer without ending
_HEAD_BYTES = 1 << 16
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/[0-9]\.[0-9] ([0-9]{3})(?: (.*))?")
_UNBOUNDED = Limits(body_bytes=1 << 62)


class NoAnswer(Exception):
    """What a handler wrote is not an HTTP answer; the message says why."""


class _Chunked:
    """The head of an answer in chunks, as `BodyReader` needs it."""

    chunked = True
    content_length = None


class Channel:
    """An answer between the handler's thread, which writes it, and the worker's threads, which send it.

    method: the request's. status, reason, headers: of the answer, once `wait` has returned; reason: None for the
    registered phrase.
    """

    def __init__(self, method: str) -> None:
        self.status = 0
        self.reason: str | None = None
        self.headers = HTTPHeaders()
        self._method = method
        self._changed = threading.Condition()
        self._wake = threading.Lock()  # released to wake the thread in `wait`
        self._wake.acquire()
        self._head = b""  # what has been written of the head, until it is complete
        self._has_begun = False  # whether the head is complete
        self._decoder: BodyReader | None = None  # of an answer in chunks
        self._left: int | None = None  # bytes of the body that are missing, if the head says how many there are
        self._pieces: deque[bytes] = deque()
        self._buffered_bytes = 0
        self._ended = False
        self._is_streamed = False  # whether the body is taken piece by piece
        self._may_run = True  # whether the handler may go on; else it is blocked in its write
        self._client_gone = False
        self._failure: BaseException | None = None

    # -- the handler's thread ---------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Take bytes of the answer; if they are many, wait until they are sent. Called in the handler's thread.

        Raises BrokenPipeError if the client has gone, NoAnswer if this is not an HTTP answer.
        """
        with self._changed:
            if self._client_gone:
                raise BrokenPipeError(errno.EPIPE, "the client has gone")
            if not self._has_begun:
                self._head += data
                data = self._take_head()
            if data:
                data = self._body_in(data)
            if not data:
                return
            self._pieces.append(data)
            self._buffered_bytes += len(data)
            if not self._is_streamed:
                if self._buffered_bytes <= _WHOLE_BYTES:
                    return
                if self._wake.locked():
                    self._wake.release()
            self._may_run = False
            self._changed.notify_all()
            while not (self._may_run or self._client_gone):
                self._changed.wait()

    def end(self, failure: BaseException | None = None) -> None:
        """Note that the handler has returned, or raised `failure`. Called in the handler's thread."""
        with self._changed:
            if failure is None and not self._is_whole:
                failure = NoAnswer(self._what_is_missing())
            self._failure = failure
            self._ended = True
            self._changed.notify_all()
            if self._wake.locked():
                self._wake.release()

    def _take_head(self) -> bytes:
        """Read the head if it is complete, and return the bytes behind it. Interim answers are dropped: webpy has sent
        its own."""
        while found := _HEAD_END.search(self._head):
            head, rest = self._head[: found.start()], self._head[found.end() :]
            self._read_head(head.decode("latin-1"))
            if self.status >= 200:
                self._head = b""
                self._frame()
                self._has_begun = True
                return rest
            self._head = rest
        if len(self._head) > _HEAD_BYTES:
            raise NoAnswer(f"the handler wrote {self._head[:60]!r}..., and no end of a head in {_HEAD_BYTES} bytes")
        return b""

    def _read_head(self, head: str) -> None:
        line, *fields = re.split("\r?\n", head)
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise NoAnswer(f"the handler wrote {line[:60]!r}, wanted a status line")
        self.status = int(found[1])
        self.reason = None if found[2] == REASONS.get(self.status) else found[2] or ""
        self.headers = HTTPHeaders()
        for field in fields:
            name, colon, value = field.partition(":")
            if not colon:
                raise NoAnswer(f"the handler wrote {field[:60]!r}, wanted a field")
            self.headers.add(name, value.strip(" \t"))
        if self.status == 101:
            raise NoAnswer("the handler switched protocols (101), which it cannot do here")

    def _frame(self) -> None:
        """Set how the body ends, by the head."""
        length = self.headers.get("Content-Length") or ""
        if not body_allowed(self.status, self._method):
            self._left = 0
        elif (self.headers.get("Transfer-Encoding") or "").lower() == "chunked":
            self._decoder = BodyReader(_Chunked, _UNBOUNDED)  # type: ignore[arg-type]
        elif length.isascii() and length.isdigit():
            self._left = int(length)

    def _body_in(self, data: bytes) -> bytes:
        """Return the bytes of `data` that belong to the answer's body, decoded."""
        if self._decoder is not None:
            try:
                return b"" if self._decoder.complete else self._decoder.feed(data)
            except ProtocolError as error:
                raise NoAnswer(f"the handler's chunks: {error}") from None
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        return data

    @property
    def _is_whole(self) -> bool:
        return self._has_begun and not self._left and (self._decoder is None or self._decoder.complete)

    def _what_is_missing(self) -> str:
        if not self._has_begun:
            return f"the handler wrote {self._head[:60]!r}, wanted an HTTP answer"
        if self._left:
            return f"the handler wrote {self._left} bytes less than its Content-Length"
        return "the handler did not write the last chunk"

    # -- the worker's threads ---------------------------------------------------------------------------------------

    def wait(self) -> bytes | None:
        """Wait for the answer. Return its whole body, or None if it is to be taken piece by piece.

        Called in a thread of the worker. Raises what the handler raised.
        """
        while not self._wake.acquire(timeout=_LOOK_S):
            if self._has_begun:
                break
        with self._changed:
            if not self._ended:
                self._is_streamed = True
                return None
            if self._failure is not None and not (self._is_whole and self._is_framed):
                raise self._failure
            return b"".join(self._pieces)

    @property
    def failure(self) -> BaseException | None:
        """What the handler had raised when `wait` returned, or None."""
        return self._failure

    @property
    def _is_framed(self) -> bool:
        """Whether the answer's bytes say where it ends; else it ends when the handler returns."""
        return self._left is not None or self._decoder is not None

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body as it is written. Called in threads of the worker. Raises what the handler raised."""
        while True:
            with self._changed:
                if not self._pieces:
                    self._may_run = True
                    self._changed.notify_all()
                while not (self._pieces or self._ended):
                    self._changed.wait()
                if not self._pieces:
                    if self._failure is not None:
                        raise self._failure
                    return
                piece = b"".join(self._pieces)
                self._pieces.clear()
                self._buffered_bytes = 0
            yield piece

    def close(self) -> None:
        """Make the handler's next write fail, as no more of the answer is sent, and wait until the handler returns."""
        with self._changed:
            self._client_gone = True
            self._pieces.clear()
            self._buffered_bytes = 0
            self._changed.notify_all()
            while not self._ended:
                self._changed.wait()
