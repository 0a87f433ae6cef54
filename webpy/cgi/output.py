"""A script that runs, as the handler that answers with it sees it: its output, its errors, and how it ends.

Owns the waiting: for output, with a limit on its silence, while what it writes to standard error goes to the log and
whether the client is still there is looked at once a second. Knows nothing of header blocks nor of how scripts are
started. For one thread at a time: the handler's, and then whichever sends the body.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator

from ..framework.errors import HTTPError
from .complaints import Complaints
from .spawning import Process

__all__ = ["Body", "ClientGone", "Output", "ScriptDied", "Silent"]

_READ_BYTES = 65536
_LOOK_S = 1.0  # between looks at the client; one that closes only its half has so long for the script's next output
_EXIT_S = 3.0  # for a script to end when its output has


class Silent(Exception):
    """The script gives no output for too long."""


class ClientGone(Exception):
    """Nobody waits for the output any more."""


class ScriptDied(Exception):
    """The script ended as it should not have; the text says how."""


class Output:
    """What a script gives; to be closed."""

    __slots__ = ("_complaints", "_gone", "_poll", "_process", "_silence_s", "_stderr_fd", "_stdout_fd")

    def __init__(
        self, process: Process, silence_s: float, gone: Callable[[], bool], complain: Callable[[str], None]
    ) -> None:
        """silence_s: the longest silence; gone: whether the client has gone; complain: takes standard error's lines."""
        self._process = process
        self._silence_s = silence_s
        self._gone = gone
        self._complaints = Complaints(complain)
        self._stdout_fd = process.stdout.fileno()
        self._stderr_fd = process.stderr.fileno()
        self._poll = select.poll()
        for fd in (self._stdout_fd, self._stderr_fd, process.control.fileno()):
            os.set_blocking(fd, False)
            self._poll.register(fd, select.POLLIN)

    def read(self, within_s: float | None = None) -> bytes:
        """The next piece; b"" at the end. Raises Silent if none comes `within_s`, ClientGone, and ScriptDied when its
        spawner did."""
        give_up = time.monotonic() + (self._silence_s if within_s is None else within_s)
        while (left_s := give_up - time.monotonic()) > 0:
            ready = self._wait(min(left_s, _LOOK_S))
            if self._stdout_fd in ready:
                piece = self._process.stdout.read(_READ_BYTES)
                if piece is not None:
                    return piece
            elif self._process.lost:
                raise ScriptDied(self.describe())
            elif not ready and self._gone():
                raise ClientGone
        raise Silent

    def settle(self) -> Process:
        """Have the script end by itself, if it does so in time, and whatever it still gives go: its process."""
        process = self._process
        give_up = time.monotonic() + min(_EXIT_S, self._silence_s)
        while not process.over and (left_s := give_up - time.monotonic()) > 0:
            if self._stdout_fd in self._wait(left_s) and process.stdout.read(_READ_BYTES) == b"":
                self._poll.unregister(self._stdout_fd)
        return process

    def end(self, *, check: bool = False) -> None:
        """Let the script end, its answer being whole; what it left in the background lives on.

        Raises ScriptDied if a signal killed it, or, with `check`, if its status is not 0. One that does not end in time
        is ended without a word.
        """
        process = self.settle()
        died = process.lost or (process.status is not None and (process.status < 0 or (check and process.status)))
        if process.status is not None and not died:
            self._take_complaints()
            process.release()
        self.close()
        if died:
            raise ScriptDied(self.describe())

    def describe(self) -> str:
        """How it ended, in words."""
        process = self._process
        if process.status is None:
            return "its spawner died" if process.lost else "it closed its output"
        if process.status < 0:
            return f"it was killed by signal {-process.status}"
        return f"it ended with status {process.status}"

    def close(self) -> None:
        """Have no more to do with it: unless it has ended as it should, its process group is ended."""
        if not self._process.stderr.closed:
            self._take_complaints()
            self._process.end()
        self._complaints.close()

    def _wait(self, limit_s: float) -> list[int]:
        """Wait for something to happen, and see to it; what is ready. Rounded up, so that a wait is never none."""
        ready = [fd for fd, _ in self._poll.poll(limit_s * 1000 + 1)]
        if self._stderr_fd in ready and not self._take_complaints():
            self._poll.unregister(self._stderr_fd)
        if self._process.control.fileno() in ready:
            self._process.listen()
            if self._process.over:
                self._poll.unregister(self._process.control)
        return ready

    def _take_complaints(self) -> bool:
        """Take what there is of them; False at their end."""
        data = self._process.stderr.read(_READ_BYTES)
        if data:
            self._complaints.feed(data)
        return data != b""


class Body(Iterator[bytes]):
    """The rest of a script's output, from `first` on, as the body of an answer; closing it ends the script."""

    __slots__ = ("_check", "_fail", "_first", "_left", "_output")

    def __init__(
        self,
        output: Output,
        first: bytes,
        length: int | None,
        fail: Callable[[Exception], HTTPError],
        *,
        check: bool,
    ) -> None:
        """length: what the script said of it, and no more is given; fail: called with what breaks the body off, gives
        what is to be raised."""
        self._output = output
        self._first = first
        self._left = length
        self._fail = fail
        self._check = check

    def __next__(self) -> bytes:
        try:
            piece, self._first = self._first or (self._output.read() if self._left != 0 else b""), b""
            if not piece:
                self._output.end(check=self._check)
        except (Silent, ClientGone, ScriptDied) as error:
            failure = self._fail(error)
            if self._left != 0:
                raise failure from None
            piece = b""
        if not piece:
            raise StopIteration
        if self._left is not None:
            piece = piece[: self._left]
            self._left -= len(piece)
        return piece

    def close(self) -> None:
        """End the script, if it still runs."""
        self._output.close()
