"""All child processes of the master: it makes the `Child` objects, and reaps on SIGCHLD.

Owns the set of living children and the lookup by pid. Knows nothing of what a child is for. Runs in the master.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..config import Config
from ..eventloop import EventLoop
from .child import Changed, Child, Family
from .states import Event

__all__ = ["Children"]


class Children:
    """Iterating gives those that have not been reaped.

    `reaps_all` says whether every descendant becomes the master's child when its parent dies; `emptied` is called when
    the last child has gone.
    """

    def __init__(self, loop: EventLoop, *, reaps_all: bool, emptied: Callable[[], None]) -> None:
        self.loop = loop
        self.reaps_all = reaps_all
        self._emptied = emptied
        self._all: set[Child] = set()
        self._family = Family(loop, reaps_all, self._remove)

    def __iter__(self) -> Iterator[Child]:
        return iter(tuple(self._all))

    def __len__(self) -> int:
        return len(self._all)

    def add(
        self, title: str, channel: socket.socket, config: Config, changed: Changed, *, pid: int | None = None
    ) -> Child:
        """Return the `Child` for a process that was forked, with the master's end of its channel; its boot timeout
        begins now. `pid` is None if the process is to say it itself, in a FORKED message."""
        child = Child(title, channel, self._family, config, changed)
        if pid is not None:
            child.learn_pid(pid)
        self._all.add(child)
        return child

    def restore(self, state: Mapping[str, Any], config: Config, changed: Changed) -> Child:
        """Return the `Child` that `Child.keep` described, in the program that took over."""
        channel = socket.socket(fileno=state["channel"])
        channel.setblocking(False)
        child = self.add(state["title"], channel, config, changed, pid=state["pid"])
        child.restore(state)
        return child

    def owns(self, pid: int) -> bool:
        """Return whether `pid` is a child of this process."""
        return self._family.owns(pid)

    def reap(self) -> None:
        """Take every wait status there is (called on SIGCHLD). A process that is no `Child`, such as one the
        application left behind, is reaped without a word."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._died(pid, status)

    def abandon(self) -> None:
        """Close the channels and the pipes of stacks (in a child that was just forked)."""
        for child in self._all:
            child.abandon()

    def _died(self, pid: int, status: int) -> None:
        if pid not in self._family.pids:
            for child in self:
                if child.pid is None:
                    child.take_messages()  # it may have said its pid just now
        found = next((child for child in self._all if child.pid == pid), None)
        if found is not None:
            found.status = status
            found.take_messages()  # what it said before it died
            found.feed(Event.EXIT)

    def _remove(self, child: Child) -> None:
        self._all.discard(child)
        if not self._all:
            self._emptied()
