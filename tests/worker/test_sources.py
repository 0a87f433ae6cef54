"""Where a worker waits for connections, and how the kernel wakes it."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any

from tests.worker.rig import Rig
from webpy.worker.connections.sources import Sources

Make = Callable[..., Rig]


def nothing(_event: int) -> None:
    """What the loop would call."""


def test_one_worker_is_woken_and_then_the_next(rig: Make) -> None:
    one, two = rig(), rig()
    both = []
    for parts in (one, two):
        sources = Sources(parts.reactor)
        sources.add(one.listener.fileno(), nothing, False, wakes_one=True)
        assert sources.listen(False, True)
        both.append(sources)
    first, second = one.reactor.epoll.fileno(), two.reactor.epoll.fileno()
    one.client()
    assert one.listener.fileno() in one.poll(5)  # level-triggered: whoever looks, sees it
    assert one.listener.fileno() in two.poll(5)
    assert both[0].listen(True, True)  # rests
    assert one.poll(0.02) == {}
    assert select.select([second], [], [], 5)[0] == [second]
    assert both[0].listen(False, False)
    assert select.select([first], [], [], 5)[0] == [first]
    for sources in both:
        sources.leave(one.listener.fileno())
        assert not sources


class Full:
    """An epoll without room, until it is told."""

    def __init__(self, epoll: Any) -> None:
        self._epoll = epoll
        self.full = True

    def register(self, fd: int, events: int) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self._epoll.register(fd, events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._epoll, name)


def test_a_listener_that_found_no_room_is_tried_again(rig: Make) -> None:
    parts = rig()
    parts.acceptor.start()
    parts.acceptor._exclusive = True
    parts.acceptor._listen()
    epoll: Any = Full(parts.reactor.epoll)
    parts.reactor.epoll = epoll
    parts.acceptor.refresh()
    client = parts.client()
    assert parts.poll(0.02) == {}
    parts.acceptor.refresh()
    epoll.full = False
    parts.acceptor.refresh()
    parts.turn(5)
    (conn,) = parts.table.by_fd.values()
    assert conn.origin.client_address == client.getsockname()


def test_what_was_left_is_not_called(rig: Make) -> None:
    parts = rig()
    sources = Sources(parts.reactor)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sources.add(ours.fileno(), nothing, False)
        assert ours.fileno() in sources and ours.fileno() in parts.reactor.fd_callbacks
        sources.leave(ours.fileno())
        sources.leave(ours.fileno())
        assert ours.fileno() not in sources and ours.fileno() not in parts.reactor.fd_callbacks
        theirs.send(b"x")
        assert parts.poll(0.02) == {}
