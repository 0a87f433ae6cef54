"""Owns the descriptors at which a worker waits for connections, and how: not now, with all workers, or so that the
kernel wakes one of them (EPOLLEXCLUSIVE, epoll_ctl(2)). Knows nothing of what is taken there. The leader's."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .reactor import Reactor

__all__ = ["Sources"]

_WAKE_ONE = select.EPOLLIN | select.EPOLLEXCLUSIVE


class Sources:
    """The descriptors, in the order they were added."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._fds: dict[int, bool] = {}  # whether the kernel may wake one worker for it
        self._events: dict[int, int] = {}  # what each is registered with; missing where that failed

    def __contains__(self, fd: int) -> bool:
        return fd in self._fds

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._fds))

    def __bool__(self) -> bool:
        return bool(self._fds)

    def add(self, fd: int, take: Callable[[int], None], resting: bool, *, wakes_one: bool = False) -> None:
        """Wait at a descriptor, and call `take` when something is there. Raises OSError."""
        events = 0 if resting else select.EPOLLIN
        self._reactor.epoll.register(fd, events)
        self._fds[fd] = wakes_one
        self._events[fd] = events
        self._reactor.fd_callbacks[fd] = take

    def leave(self, fd: int) -> None:
        """Stop waiting at a descriptor."""
        if fd in self._fds:
            del self._fds[fd], self._reactor.fd_callbacks[fd]
            if self._events.pop(fd, None) is not None:
                self._reactor.epoll.unregister(fd)

    def listen(self, resting: bool, wake_one: bool) -> bool:
        """Wait at all of them, or (resting) at none; wake_one: so that the kernel wakes one worker, this one last.

        Returns False if that could not be done everywhere, for want of memory or watches: call it again then.
        """
        epoll = self._reactor.epoll
        for fd, wakes_one in self._fds.items():
            events = 0 if resting else _WAKE_ONE if wake_one and wakes_one else select.EPOLLIN
            before = self._events.get(fd)
            if before == events != _WAKE_ONE:
                continue
            if before is not None and _WAKE_ONE not in (before, events):
                epoll.modify(fd, events)
            else:  # EPOLLEXCLUSIVE cannot be modified
                if self._events.pop(fd, None) is not None:
                    epoll.unregister(fd)
                with suppress(OSError):
                    epoll.register(fd, events)
                    self._events[fd] = events
                continue
            self._events[fd] = events
        return len(self._events) == len(self._fds)
