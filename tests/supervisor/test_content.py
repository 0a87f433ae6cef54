"""How new content travels to a process: in a file that nobody can change."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from webpy.supervisor import content as contents
from webpy.supervisor.content import content_file, read_content
from webpy.supervisor.processes.context import answer_renewal
from webpy.supervisor.processes.messages import Message, Packet, channel_pair, receive


@pytest.mark.parametrize("content", [b"", b"key", os.urandom(3 << 20)])
@pytest.mark.parametrize("memory", [True, False])
def test_it_arrives_whole(monkeypatch: pytest.MonkeyPatch, content: bytes, memory: bool) -> None:
    if not memory:  # as on macOS
        monkeypatch.delattr(contents.os, "memfd_create")
    first = content_file(content)
    second = os.dup(first)  # another process's: they share the offset
    assert not os.get_inheritable(first)
    assert read_content(first) == content
    assert read_content(second) == content
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first)


def test_nobody_can_change_it() -> None:
    descriptor = content_file(b"key")
    for change in (lambda: os.pwrite(descriptor, b"x", 0), lambda: os.ftruncate(descriptor, 0)):
        with pytest.raises(PermissionError):
            change()
    assert read_content(descriptor) == b"key"


@pytest.fixture
def channel() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = channel_pair()
    with ours, theirs:
        yield ours, theirs


def test_the_answer(channel: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = channel
    taken: list[bytes] = []

    def refuse(content: bytes) -> None:
        raise ValueError(f"{content!r} is no good")

    def order() -> Packet:
        return Packet(Message.RENEW, 7, descriptor=content_file(b"new"))

    answer_renewal(theirs, order(), taken.append, lambda: b"{}")
    assert receive(ours) == Packet(Message.RENEWED, 7, b"{}") and taken == [b"new"]
    answer_renewal(theirs, order(), refuse)
    assert receive(ours) == Packet(Message.REFUSED, 7, b"b'new' is no good")
    answer_renewal(theirs, order(), None)
    assert receive(ours) == Packet(Message.REFUSED, 7, b"it takes no new content")
    answer_renewal(theirs, Packet(Message.RENEW, 7), taken.append)
    assert receive(ours) == Packet(Message.REFUSED, 7, b"there are too many open files to take it")
