"""Runs a function in a forked child, with a pipe between. Tests of what several processes share use it."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

PATIENCE_S = 20.0


class Forked:
    """`with Forked(work) as child:` work(pipe) runs in a child; what it sends is received here."""

    def __init__(self, work: Callable[[Connection], object]) -> None:
        self._pipe, theirs = Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                self._pipe.close()
                work(theirs)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        theirs.close()
        self.status: int | None = None

    def receive(self) -> Any:
        assert self._pipe.poll(PATIENCE_S), f"nothing from child {self.pid} in {PATIENCE_S} s"
        return self._pipe.recv()

    def has_sent(self, within_s: float = 0.0) -> bool:
        return self._pipe.poll(within_s)

    def send(self, what: object = None) -> None:
        self._pipe.send(what)

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        os.kill(self.pid, signal.SIGKILL)
        self.join()

    def join(self) -> int:
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def __enter__(self) -> Forked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.status is None:
            self.kill()
        self._pipe.close()
