"""Scripts that wait, their processes, and how a test waits for their end."""

from __future__ import annotations

import contextlib
import http.client
import os
import select
from collections.abc import Iterator

from tests.server import Server

__all__ = ["WAITING", "await_end", "waiting"]

WAITING = """echo "Content-Type: text/plain"
echo
sleep 600 &
echo $$ $!
wait
"""
"""Prints its own pid and that of a process of its group, and then nothing."""


@contextlib.contextmanager
def waiting(server: Server, path: str) -> Iterator[tuple[list[int], http.client.HTTPResponse]]:
    """A context manager: request a script like WAITING; its processes, and the answer, which may have more to read."""
    with contextlib.closing(server.client()) as client:
        client.request("GET", path)
        answer = client.getresponse()
        assert answer.status == 200
        pids = [int(word) for word in answer.readline().split()]
        assert len(pids) == 2
        yield pids, answer


def await_end(pids: list[int], timeout: float = 10.0) -> None:
    """Wait until all these processes have ended."""
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        ended = poller.poll(timeout * 1000)
        os.close(fd)
        assert ended, f"{pid} still runs after {timeout:g} s"
