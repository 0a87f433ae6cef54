"""Owns answers on their way out: what the transport has not taken yet. No epoll, no log: somebody calls `push` again.

A thread never waits for a client: what cannot be sent now is kept here until there is room.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import time
from typing import TYPE_CHECKING

from ...framework.answer import Answer, FileRange, close_body
from ..connections.transport import WOULD_BLOCK
from .rate import ClientTime

if TYPE_CHECKING:
    from contextvars import Context

    from ..connections.transport import Transport

__all__ = ["Output", "Truncated", "send_file"]

_JOIN_BYTES = 1 << 16
_QUIET = (type(None), io.FileIO, io.BytesIO)  # whose `close` runs nothing of the application's
_TURN_BYTES = 1 << 17  # from memory in one turn: a socket may take megabytes, and copying those takes a millisecond


class Truncated(OSError):
    """A file became shorter while it was sent: the message cannot be completed."""


class Output:
    """One answer being sent: first the bytes in `_pending`, then the file, then what the source gives.

    sent_bytes: head and framing included. blocked: the last `push` ended because the transport took no more.
    client_time: how long the client has been waited for. closing_s: how long closing the body took.
    """

    __slots__ = (
        "_before_bytes",
        "_pending",
        "_taken_bytes",
        "answer",
        "blocked",
        "client_time",
        "closing_s",
        "sent_bytes",
    )

    def __init__(self, answer: Answer) -> None:
        """Raises OSError if a small file cannot be read whole; its body is closed then."""
        self.answer = answer
        self.sent_bytes = 0
        self.closing_s = 0.0
        self.blocked = False
        self.client_time = ClientTime()
        self._before_bytes = 0  # of answers before this one, that were queued when the client was first waited for
        self._taken_bytes = -math.inf  # by the client, when last looked at; less what was queued before this answer
        file = answer.file
        if file is not None and file.count <= _JOIN_BYTES:
            try:
                answer.payload = os.pread(file.fd, file.count, file.offset)
                if len(answer.payload) != file.count:
                    raise Truncated("a file became shorter while it was read")
            except BaseException:
                with contextlib.suppress(BaseException):  # what was wrong first is what is told
                    close_body(answer)
                raise
            answer.file = None
        if len(answer.payload) <= _JOIN_BYTES:
            self._pending = [memoryview(answer.head + answer.payload)]
        else:
            self._pending = [memoryview(answer.head), memoryview(answer.payload)]

    @classmethod
    def of_plain(cls, status: int, message: bytes, body: bytes | FileRange) -> Output:
        """Return the output of a message that is in one piece already and ends with `body`, or that a file follows."""
        answer = Answer(status)
        if isinstance(body, FileRange):
            answer.head, answer.owner = message, body
            output = cls(answer)
            answer.file = body  # only now: it is not read, as some of it may have been sent
            return output
        answer.head = message[: len(message) - len(body)]
        answer.payload = body
        return cls(answer)

    @property
    def body_bytes(self) -> int:
        """What has been sent after the head."""
        return max(0, self.sent_bytes - len(self.answer.head))

    def is_long(self, transport: Transport) -> bool:
        """Return whether one `push` is too little for what there is to send."""
        file = self.answer.file
        if file is not None:
            return file.count > transport.file_step_bytes
        return sum(map(len, self._pending)) > _TURN_BYTES

    def add(self, piece: bytes) -> None:
        """Append what the source gave; the first piece leaves with the head."""
        if len(self._pending) == 1 and len(piece) <= _JOIN_BYTES and not self.sent_bytes:
            self._pending[0] = memoryview(bytes(self._pending[0]) + piece)
        else:
            self._pending.append(memoryview(piece))

    def pass_on(self, piece: bytes, transport: Transport) -> bool:
        """Do as `add` and then `push`, without a detour if nothing waits before the piece."""
        if self._pending or len(piece) > _TURN_BYTES:
            self.add(piece)
            return self.push(transport)
        try:
            sent = transport.send(piece)
        except WOULD_BLOCK:
            self._pending.append(memoryview(piece))
            self.blocked = True
            return False
        except ValueError:  # from an SSLSocket
            raise _closed() from None
        self.sent_bytes += sent
        if sent == len(piece):
            return True
        self._pending.append(memoryview(piece)[sent:])  # under TLS that is usual, and there may be room for more
        return self.push(transport)

    def skip(self, sent: int) -> None:
        """What the socket has taken already, of a plain answer."""
        beyond = sent - len(self._pending[0])
        self._pending[0] = self._pending[0][sent:]
        self.sent_bytes += sent
        if beyond >= 0 and self.answer.file is not None:
            self._pending.clear()
            self.answer.file.skip(beyond)

    def push(self, transport: Transport) -> bool:
        """Send what the transport takes. Returns True when only the source is left; raises OSError if the client is
        gone."""
        self.blocked = False
        turn_bytes = _TURN_BYTES
        file = self.answer.file
        send = transport.send if file is None else transport.send_more  # a file's beginning shares the head's packet
        try:
            while self._pending:
                if turn_bytes <= 0:
                    return False  # the loop comes back when it has looked at the others
                sent = send(self._pending[0][:turn_bytes])
                self.sent_bytes += sent
                turn_bytes -= sent
                self._pending[0] = self._pending[0][sent:]
                if not self._pending[0]:
                    self._pending.pop(0)
            if file is None:
                return True
            wanted = min(file.count, transport.file_step_bytes)
            sent = transport.sendfile(file.fd, file.offset, wanted)
        except WOULD_BLOCK:
            self.blocked = True
            return False
        except ValueError:  # from an SSLSocket
            raise _closed() from None
        if not sent:
            raise Truncated("a file became shorter while it was sent")
        self.sent_bytes += sent
        file.skip(sent)
        self.blocked = sent < wanted
        if not file.count:
            self.answer.file = None
        return self.answer.file is None

    def has_moved(self, transport: Transport) -> bool:
        """Return whether the client has taken something since this was last asked, if only from what the kernel holds
        for it.

        A socket with megabytes of buffer says that it has room only when a third of them have gone, which takes a slow
        client minutes.
        """
        try:
            queued = transport.queued_bytes()
        except OSError:
            return False
        before, self._taken_bytes = self._taken_bytes, self.sent_bytes - queued
        if before == -math.inf:
            self._before_bytes = max(0, queued - self.sent_bytes)
        return self._taken_bytes > before

    @property
    def closes_quietly(self) -> bool:
        """Whether nothing of the application's runs when the body is closed."""
        owner = self.answer.owner
        if type(owner) is FileRange:
            owner = owner.stream
        if type(owner) is io.BufferedReader:
            try:
                owner = owner.raw
            except ValueError:  # it has been detached
                return False
        return type(owner) in _QUIET and self.answer.source is None

    @property
    def taken_bytes(self) -> float:
        """What the client had taken when `has_moved` was last asked; what the kernel still held is not among it."""
        return self.sent_bytes if self._taken_bytes == -math.inf else self._taken_bytes + self._before_bytes

    def close(self, context: Context | None) -> BaseException | None:
        """Close the body, once, in the context of its request. Returns what that raised; it may run the application's
        code, unless `closes_quietly`."""
        self._pending.clear()
        if self.answer.owner is None:
            close_body(self.answer)
            return None
        began_s = time.monotonic()
        failure = None
        try:
            if context is None:
                close_body(self.answer)
            else:
                context.run(close_body, self.answer)
        except BaseException as error:
            failure = error
        self.closing_s = time.monotonic() - began_s
        return failure


def _closed() -> ConnectionError:
    return ConnectionError("the connection has been closed")


def send_file(transport: Transport, head: bytes, file: FileRange) -> int:
    """Send a plain answer with a file, as far as the client takes it now, and close the file if that is all of it.

    Returns how many bytes of both were sent. Raises what `send` does.
    """
    sent = transport.send_with_file(head, file.fd, file.offset, file.count)
    if sent == len(head) + file.count:
        with contextlib.suppress(OSError):
            file.close()
    return sent
