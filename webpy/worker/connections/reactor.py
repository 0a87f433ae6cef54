"""Owns what a worker waits for: descriptors (epoll), timers, and calls from other threads.

Knows nothing of connections, HTTP or the master. Only the leader uses it, but for `call`, which any thread may use. The
loop polls `epoll` by itself and works off `ready`.
"""

from __future__ import annotations

import heapq
import os
import select
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

__all__ = ["Reactor"]

_mono = time.monotonic


class Reactor:
    """Descriptors with their callbacks, timers, and an inbox.

    ready: descriptors and their events, to be looked at in order. later: descriptors that want to go on with long work,
    and an event of 0; one has its turn after each poll. fd_callbacks: what to call with the event, for each
    descriptor that is not a connection's. wait_s: how long the next poll may wait. due_s: the monotonic time from which
    on housekeeping is to be done after a poll.
    """

    __slots__ = (
        "_inbox",
        "_numbers",
        "_on_fault",
        "_resting",
        "_timers",
        "_wake_fd",
        "due_s",
        "epoll",
        "fd_callbacks",
        "later",
        "ready",
        "wait_s",
    )

    def __init__(self, on_fault: Callable[[BaseException, Callable[..., None], tuple[Any, ...]], None]) -> None:
        """on_fault: called with the exception, the function and its arguments when a call or a timer raised."""
        self.epoll = select.epoll()
        self.ready: deque[tuple[int, int]] = deque()
        self.later: deque[tuple[int, int]] = deque()
        self.fd_callbacks: dict[int, Callable[[int], None]] = {}
        self.wait_s = 0.0
        self.due_s = 0.0
        self._on_fault = on_fault
        self._resting: set[int] = set()  # descriptors that are not listened to until the next tick
        self._timers: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = count()  # so that timers of the same time stay in order
        self._inbox: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.watch(self._wake_fd, self._answer_calls)

    # -- descriptors ------------------------------------------------------------------------------------------------

    def watch(self, fd: int, callback: Callable[[int], None], events: int = select.EPOLLIN) -> None:
        """Call `callback(event)` whenever one of these events is there. Raises OSError if it cannot be watched."""
        self.epoll.register(fd, events)
        self.fd_callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor, if it is watched."""
        if self.fd_callbacks.pop(fd, None) is not None:
            with suppress(OSError):
                self.epoll.unregister(fd)

    def rest(self, fd: int) -> None:
        """Do not listen to a descriptor until the next tick, because its callback would fail again at once."""
        with suppress(OSError):
            self.epoll.modify(fd, 0)
            self._resting.add(fd)

    def end_rests(self) -> None:
        """Listen again to the descriptors that rest."""
        while self._resting:
            fd = self._resting.pop()
            if fd in self.fd_callbacks:
                with suppress(OSError):
                    self.epoll.modify(fd, select.EPOLLIN)

    @property
    def crowded(self) -> bool:
        """Whether anything else waits for its turn."""
        return bool(self.ready or self.later)

    def postpone(self, fd: int) -> None:
        """Look at a descriptor again, with an event of 0, once all that is ready now and all earlier ones have had
        their turn."""
        self.later.append((fd, 0))

    def recall(self, fd: int) -> None:
        """Forget that a descriptor, which is about to be closed, was postponed: the next of its number was not."""
        if self.later:
            with suppress(ValueError):
                self.later.remove((fd, 0))

    # -- calls ------------------------------------------------------------------------------------------------------

    def call(self, function: Callable[..., None], *args: Any) -> None:
        """Have the leader call `function(*args)` soon. Any thread may ask for it."""
        self._inbox.append((function, args))
        os.eventfd_write(self._wake_fd, 1)

    def call_at(self, when_s: float, function: Callable[..., None], *args: Any) -> None:
        """Call `function(*args)` once the monotonic clock has reached `when_s`."""
        heapq.heappush(self._timers, (when_s, next(self._numbers), function, args))
        self.due_s = min(self.due_s, when_s)
        self.wait_s = min(self.wait_s, max(0.0, when_s - _mono()))

    def run_timers(self, now_s: float) -> None:
        """Call what is due."""
        while self._timers and self._timers[0][0] <= now_s:
            _, _, function, args = heapq.heappop(self._timers)
            self._run(function, args)

    def come_back(self, now_s: float, wait_s: float, due_s: float) -> None:
        """Set when housekeeping is to be done next: at `due_s`, or after a poll of at most `wait_s`; sooner if a timer
        is due before."""
        if self._timers:
            wait_s = max(0.0, min(wait_s, self._timers[0][0] - now_s))
        self.wait_s = wait_s
        self.due_s = min(due_s, now_s + wait_s)

    def hurry(self) -> None:
        """Have housekeeping done after the very next poll, which does not wait."""
        self.due_s = self.wait_s = 0.0

    def close(self) -> None:
        """Close the poller and the inbox, if that has not been done: a child that left them may fork too."""
        self.epoll.close()
        wake_fd, self._wake_fd = self._wake_fd, -1
        if wake_fd >= 0:
            with suppress(OSError):
                os.close(wake_fd)

    def _answer_calls(self, _event: int) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake_fd)
        while self._inbox:
            self._run(*self._inbox.popleft())

    def _run(self, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        try:
            function(*args)
        except BaseException as error:
            self._on_fault(error, function, args)
