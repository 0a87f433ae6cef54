"""Owns `Output`, which reads a running script's output for its handler, and `Body`, the part that is the answer's body.

While it waits for output, with a limit in time, it passes standard error to the log and looks once a second whether the
client is still there. Used by one thread at a time: the handler's, then those that send the body. Knows nothing of
header blocks, nor of how scripts are started.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator

from ..framework.errors import HTTPError
from .spawning import Process
from .stderr import StderrLog

__all__ = ["Body", "ClientGone", "Output", "ScriptDied", "ScriptTimeout"]

_READ_BYTES = 65536
_LOOK_S = 1.0  # how often to look whether the client has gone; also how long one may have closed its sending half
_EXIT_S = 3.0  # for a script to exit after its output has ended


class ScriptTimeout(Exception):
    """The script has written nothing for too long."""


class ClientGone(Exception):
    """The client has closed its connection."""


class ScriptDied(Exception):
    """The script failed; the message says how."""


class Output:
    """The output of a running script; must be closed."""

    __slots__ = ("_gone", "_poll", "_process", "_silence_s", "_stderr_fd", "_stderr_log", "_stdout_fd")

    def __init__(
        self, process: Process, silence_s: float, gone: Callable[[], bool], log: Callable[[str], None]
    ) -> None:
        """silence_s: the longest time without output; gone: returns whether the client has gone; log: called with lines
        of standard error."""
        self._process = process
        self._silence_s = silence_s
        self._gone = gone
        self._stderr_log = StderrLog(log)
        self._stdout_fd = process.stdout.fileno()
        self._stderr_fd = process.stderr.fileno()
        self._poll = select.poll()
        for fd in (self._stdout_fd, self._stderr_fd, process.control.fileno()):
            os.set_blocking(fd, False)
            self._poll.register(fd, select.POLLIN)

    def read(self, within_s: float | None = None) -> bytes:
        """Return the next piece of output; b"" at the end. within_s: the time limit, `silence_s` if None.

        Raises ScriptTimeout, ClientGone, and ScriptDied if the spawner has died, and so the script.
        """
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
        raise ScriptTimeout

    def wait_for_end(self) -> Process:
        """Wait a few seconds for the script to end by itself, drop its further output, and return its process."""
        process = self._process
        give_up = time.monotonic() + min(_EXIT_S, self._silence_s)
        while not process.over and (left_s := give_up - time.monotonic()) > 0:
            if self._stdout_fd in self._wait(left_s) and process.stdout.read(_READ_BYTES) == b"":
                self._poll.unregister(self._stdout_fd)
        return process

    def end(self, *, check: bool = False) -> None:
        """Let the script end, as its answer is complete; processes that it left in the background continue.

        Raises ScriptDied if a signal has killed it, or, with `check`, if its status is not 0. A script that does not
        end in time is ended without an error.
        """
        process = self.wait_for_end()
        died = process.lost or (process.status is not None and (process.status < 0 or (check and process.status)))
        if process.status is not None and not died:
            self._take_stderr()
            process.release()
        self.close()
        if died:
            raise ScriptDied(self.describe())

    def describe(self) -> str:
        """Return in words how the script ended."""
        process = self._process
        if process.status is None:
            return "its spawner died" if process.lost else "it closed its output"
        if process.status < 0:
            return f"it was killed by signal {-process.status}"
        return f"it ended with status {process.status}"

    def close(self) -> None:
        """Close the pipes and the log. If the script still runs, its process group is ended. Later calls do nothing."""
        if not self._process.stderr.closed:
            self._take_stderr()
            self._process.end()
        self._stderr_log.close()

    def _wait(self, limit_s: float) -> list[int]:
        """Wait for output, standard error or the control, handle the last two, and return what is ready."""
        # One millisecond more: a limit below that would be rounded down to no wait.
        ready = [fd for fd, _ in self._poll.poll(limit_s * 1000 + 1)]
        if self._stderr_fd in ready and not self._take_stderr():
            self._poll.unregister(self._stderr_fd)
        if self._process.control.fileno() in ready:
            self._process.listen()
            if self._process.over:
                self._poll.unregister(self._process.control)
        return ready

    def _take_stderr(self) -> bool:
        """Pass what there is of standard error to the log; return False at its end."""
        data = self._process.stderr.read(_READ_BYTES)
        if data:
            self._stderr_log.feed(data)
        return data != b""


class Body(Iterator[bytes]):
    """A script's output as the body of an answer: `first`, then the rest. Closing it ends the script."""

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
        """length: the script's Content-Length or None; further output is dropped. fail: called with the exception that
        ends the body early, returns the one to raise. check: see `Output.end`."""
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
        except (ScriptTimeout, ClientGone, ScriptDied) as error:
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
        """End the script if it still runs."""
        self._output.close()
