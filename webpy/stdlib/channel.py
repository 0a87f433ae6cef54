"""Owns the answer of a handler of the standard library on its way: from the bytes that it writes to what webpy sends.

The handler runs on a thread of its own and writes whenever it likes, as on a blocking socket. Another thread waits for
the answer until it is whole, or long, or the handler takes its time. Then the two take turns, as with a generator: the
handler goes on while the other waits for its next write, and is held in that write until the other comes again. So a
handler whose client is slow does not run, and of `--threads` no more run than there are.

An answer is as long as its own framing says: what is written behind its Content-Length or its last chunk is dropped,
as a client of the standard library's server would, and less than that is a failure.
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
_PATIENCE_S = 0.02  # between looks whether a handler has begun to answer and does not end
_HEAD_BYTES = 1 << 16
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/[0-9]\.[0-9] ([0-9]{3})(?: (.*))?")
_UNBOUNDED = Limits(body_bytes=1 << 62)


class NoAnswer(Exception):
    """What a handler wrote is no HTTP answer; the message says what it was."""


class _Chunked:
    """The head of an answer as `BodyReader` wants one."""

    chunked = True
    content_length = None


class Channel:
    """An answer on its way from the thread that writes it to those that send it.

    method: the request's. status, reason, headers: of the answer's head, once `wait` has returned; reason: None for the
    registered one.
    """

    def __init__(self, method: str) -> None:
        self.status = 0
        self.reason: str | None = None
        self.headers = HTTPHeaders()
        self._method = method
        self._changed = threading.Condition()
        self._told = threading.Lock()  # released when the waiting thread has to look
        self._told.acquire()
        self._head = b""  # what there is of it, until it is whole
        self._has_begun = False  # it is
        self._decoder: BodyReader | None = None  # of an answer in chunks
        self._left: int | None = None  # bytes of the body to come, where the head says how many they are
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._ended = False
        self._is_taken = False  # piece by piece
        self._may_run = True  # the handler; else it is held in its write
        self._client_left = False
        self._failure: BaseException | None = None

    # -- the handler's thread ---------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Take bytes of the answer; waits for whoever sends them, unless they are few.

        Raises BrokenPipeError when the client has gone, NoAnswer for what is no answer.
        """
        with self._changed:
            if self._client_left:
                raise BrokenPipeError(errno.EPIPE, "the client has gone")
            if not self._has_begun:
                self._head += data
                data = self._take_head()
            if data:
                data = self._body_in(data)
            if not data:
                return
            self._pieces.append(data)
            self._held_bytes += len(data)
            if not self._is_taken:
                if self._held_bytes <= _WHOLE_BYTES:
                    return
                if self._told.locked():
                    self._told.release()
            self._may_run = False
            self._changed.notify_all()
            while not (self._may_run or self._client_left):
                self._changed.wait()

    def end(self, failure: BaseException | None = None) -> None:
        """The handler has returned, or raised `failure`."""
        with self._changed:
            if failure is None and not self._is_whole:
                failure = NoAnswer(self._what_is_missing())
            self._failure = failure
            self._ended = True
            self._changed.notify_all()
            if self._told.locked():
                self._told.release()

    def _take_head(self) -> bytes:
        """Read the head if it is whole; what follows it. Interim answers are dropped: ours has been sent."""
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
        """Find out how long the body is, by the head."""
        length = self.headers.get("Content-Length") or ""
        if not body_allowed(self.status, self._method):
            self._left = 0
        elif (self.headers.get("Transfer-Encoding") or "").lower() == "chunked":
            self._decoder = BodyReader(_Chunked, _UNBOUNDED)  # type: ignore[arg-type]
        elif length.isascii() and length.isdigit():
            self._left = int(length)

    def _body_in(self, data: bytes) -> bytes:
        """What of `data` is the answer's body."""
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

    # -- who waits for the answer -----------------------------------------------------------------------------------

    def wait(self) -> bytes | None:
        """The whole body, or None when it is to be taken piece by piece. Raises what the handler raised."""
        while not self._told.acquire(timeout=_PATIENCE_S):
            if self._has_begun:
                break
        with self._changed:
            if not self._ended:
                self._is_taken = True
                return None
            if self._failure is not None and not (self._is_whole and self._is_framed):
                raise self._failure
            return b"".join(self._pieces)

    @property
    def failure(self) -> BaseException | None:
        """What the handler raised, when it had ended at the time of `wait`."""
        return self._failure

    @property
    def _is_framed(self) -> bool:
        """Whether its end can be told from its bytes, and not only from the handler's return."""
        return self._left is not None or self._decoder is not None

    def __iter__(self) -> Iterator[bytes]:
        """The body as it is written. Raises what the handler raised."""
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
                self._held_bytes = 0
            yield piece

    def close(self) -> None:
        """Nobody takes any more of it: the handler's next write fails. Waits until the handler has returned."""
        with self._changed:
            self._client_left = True
            self._pieces.clear()
            self._held_bytes = 0
            self._changed.notify_all()
            while not self._ended:
                self._changed.wait()
