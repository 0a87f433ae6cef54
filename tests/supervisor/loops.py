"""A real event loop in a thread, for tests of parts of the master that need nothing else."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

from webpy.supervisor.eventloop import EventLoop


class LoopThread:
    """`failures` has an entry for each call on the loop that raised."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.loop = EventLoop(lambda number: None, lambda: self.failures.append("failed"))
        self._told, self._teller = socket.socketpair()
        self._calls: list[Callable[[], object]] = []
        self.loop.watch(self._told, self._run_one)
        self._thread = threading.Thread(target=self.loop.run)
        self._thread.start()

    def call(self, call: Callable[[], object]) -> None:
        """Make a call in the loop's thread, and wait for its end."""
        done = threading.Event()

        def run() -> None:
            try:
                call()
            finally:
                done.set()

        self._calls.append(run)
        self._teller.send(b"c")
        assert done.wait(10)

    def _run_one(self) -> None:
        self._told.recv(1)
        self._calls.pop(0)()

    def close(self) -> None:
        self.call(self.loop.stop)
        self._thread.join(10)
        self._told.close()
        self._teller.close()
        self.loop.close()


@contextlib.contextmanager
def loop_thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    try:
        yield thread
    finally:
        thread.close()


def soon(condition: Callable[[], object]) -> None:
    """Wait until another thread has made the condition true."""
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.001)
