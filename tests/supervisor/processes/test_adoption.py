"""The adoption socket: a connection that is given is taken whole by any process; none is lost when there is no room."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from webpy.supervisor import Adoption


@pytest.fixture
def adoption() -> Iterator[Adoption]:
    one = Adoption()
    yield one
    one.close()


def test_what_is_given_is_taken_in_order_with_what_was_said(adoption: Adoption) -> None:
    assert adoption.take() is None
    assert not adoption.waits
    ends = []
    for number in range(3):
        ours, theirs = socket.socketpair()
        assert adoption.give(ours.fileno(), b"%d" % number * 20_000)
        ours.close()
        ends.append(theirs)
    assert adoption.waits
    for number, theirs in enumerate(ends):
        taken = adoption.take()
        assert taken is not None
        fd, data = taken
        assert data == b"%d" % number * 20_000
        assert not os.get_inheritable(fd)
        with theirs, socket.socket(fileno=fd) as ours:
            ours.sendall(b"hello")
            assert theirs.recv(9) == b"hello"
    assert (adoption.take(), adoption.waits) == (None, False)


def test_it_outlives_the_process_that_gave_it(adoption: Adoption) -> None:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        pid = os.fork()
        if pid == 0:
            os._exit(0 if adoption.give(ours.fileno(), b"from a child") else 1)
        ours.close()
        assert os.waitpid(pid, 0)[1] == 0
        theirs.sendall(b"sent while it was on its way")
        taken = adoption.take()
        assert taken is not None
        assert taken[1] == b"from a child"
        with socket.socket(fileno=taken[0]) as moved:
            assert moved.recv(99) == b"sent while it was on its way"


def test_when_it_is_full_it_says_so_and_has_room_again_later(adoption: Adoption) -> None:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        count = 0
        while adoption.give(ours.fileno(), b"x" * 1000):
            count += 1
        assert count >= 64
        for _ in range(count):
            taken = adoption.take()
            assert taken is not None
            os.close(taken[0])
        assert adoption.take() is None
        assert adoption.give(ours.fileno(), b"again")


def test_a_process_without_room_for_a_descriptor_leaves_it_to_others(adoption: Adoption) -> None:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        assert adoption.give(ours.fileno(), b"once")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = []
        try:
            highest = max(map(int, os.listdir("/proc/self/fd")))
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 5, hard))
            with pytest.raises(OSError) as refused:
                while True:
                    used.append(os.dup(0))
            assert refused.value.errno == errno.EMFILE
            with pytest.raises(OSError) as refused:
                adoption.take()
            assert refused.value.errno == errno.EMFILE
            os.close(used.pop())
            taken = adoption.take()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in used:
                os.close(fd)
        assert taken is not None
        os.close(taken[0])


def test_the_system_may_have_no_more_descriptors_on_their_way(
    adoption: Adoption, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def __init__(self, number: int) -> None:
            self.number = number

        def sendmsg(self, *_arguments: object) -> int:
            raise OSError(self.number, os.strerror(self.number))

    giver = adoption._giver
    try:
        for number in (errno.ETOOMANYREFS, errno.EAGAIN, errno.ENOBUFS, errno.EMSGSIZE):
            adoption._giver = Refusing(number)  # type: ignore[assignment]
            assert not adoption.give(0, b"")
        adoption._giver = Refusing(errno.EPIPE)  # type: ignore[assignment]
        with pytest.raises(BrokenPipeError):
            adoption.give(0, b"")
    finally:
        adoption._giver = giver


def test_it_is_made_again_of_its_descriptors(adoption: Adoption) -> None:
    giver, taker = map(os.dup, adoption.descriptors)
    again = Adoption(giver, taker)
    theirs, ours = socket.socketpair()
    with theirs, ours:
        assert adoption.give(ours.fileno(), b"before")
        taken = again.take()
        assert taken is not None
        os.close(taken[0])
        assert again.descriptors == (giver, taker)
        assert not os.get_inheritable(giver) and not os.get_inheritable(taker)
    again.close()


def test_where_there_are_no_packets_in_sequence_datagrams_do(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = socket.socketpair

    def without(family: int, kind: int) -> tuple[socket.socket, socket.socket]:
        if kind == socket.SOCK_SEQPACKET:
            raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")
        return pair(family, kind)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socketpair", without)
        adoption = Adoption()
    theirs, ours = socket.socketpair()
    with theirs, ours:
        count = 0
        while adoption.give(ours.fileno(), b"x" * 100):
            count += 1
        assert count > 3
        for _ in range(count):
            taken = adoption.take()
            assert taken is not None
            os.close(taken[0])
        assert adoption.take() is None
    adoption.close()
