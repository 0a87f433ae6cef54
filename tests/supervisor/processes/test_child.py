"""A child as the master sees it, with real processes under a loop of the test's own."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from webpy.supervisor import Config, Message
from webpy.supervisor.eventloop import EventLoop
from webpy.supervisor.processes import child
from webpy.supervisor.processes.child import Child
from webpy.supervisor.processes.children import Children
from webpy.supervisor.processes.messages import channel_pair, receive, send
from webpy.supervisor.processes.states import ChildState, Event


class Forker:
    """Forks children of the test, and notes the states they go through."""

    def __init__(self, *, reaps_all: bool) -> None:
        self.loop = EventLoop(lambda number: self.children.reap(), lambda: None)
        self.loop.catch([signal.SIGCHLD])
        self.children = Children(self.loop, reaps_all=reaps_all, emptied=self.loop.stop)
        self.states: list[ChildState] = []

    def fork(self, life: Callable[[socket.socket], None], config: Config, *, known: bool = True) -> Child:
        ours, theirs = channel_pair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            theirs.setblocking(True)
            life(theirs)
            os._exit(0)
        theirs.close()
        return self.children.add(
            "the child", ours, config, lambda each: self.states.append(each.state), pid=pid if known else None
        )

    def run(self) -> None:
        self.loop.after(10, self.loop.stop)
        self.loop.run()
        self.children.reap()


@pytest.fixture
def forker(request: pytest.FixtureRequest) -> Iterator[Forker]:
    made = Forker(reaps_all=getattr(request, "param", True))
    yield made
    for each in made.children:
        if each.pid is not None:
            os.kill(each.pid, signal.SIGKILL)
            os.waitpid(each.pid, 0)
    made.loop.close()


def until_told(channel: socket.socket) -> None:
    send(channel, Message.FORKED, os.getpid())
    send(channel, Message.READY)
    receive(channel)


def for_ever(channel: socket.socket) -> None:
    time.sleep(60)


def test_a_whole_life(forker: Forker) -> None:
    forked = forker.fork(until_told, Config(), known=False)
    forker.loop.after(0.05, lambda: forked.feed(Event.DRAIN))
    forker.run()
    assert forker.states == [ChildState.READY, ChildState.DRAINING, ChildState.GONE]
    assert (forked.status, forked.asked, forked.reason) == (0, True, "")
    assert forked.ready_at is not None


def test_too_late_to_boot_and_to_end(forker: Forker) -> None:
    unready = forker.fork(for_ever, Config(boot_timeout_s=0.05))
    late = forker.fork(for_ever, Config(drain_timeout_s=0.05))
    late.feed(Event.STOP)
    forker.run()
    assert unready.reason == "did not become ready within 0.05 s"
    assert late.reason == "did not end within 0.05 s"
    assert unready.status == late.status == signal.SIGKILL
    assert unready.died_young


def deaf(channel: socket.socket) -> None:
    channel.close()
    time.sleep(60)


def test_one_that_closes_its_channel_and_lives_is_killed(
    forker: Forker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_EXIT_GRACE_S", 0.05)
    forked = forker.fork(deaf, Config())
    forker.run()
    assert forked.status == signal.SIGKILL
    assert forked.reason == "closed its channel to the master"


@pytest.mark.parametrize("forker", [False], indirect=True)
def test_where_orphans_are_not_ours_the_end_of_the_channel_is_the_end(forker: Forker) -> None:
    def orphan(channel: socket.socket) -> None:
        if os.fork() == 0:
            send(channel, Message.FORKED, os.getpid())
            os._exit(3)

    forked = forker.fork(orphan, Config(), known=False)
    forker.run()
    assert forker.states == [ChildState.GONE]
    assert forked.pid is not None


def test_nobody_but_a_child_of_ours_is_killed(forker: Forker) -> None:
    forked = forker.fork(for_ever, Config())
    assert forked.pid is not None
    assert forker.children.owns(forked.pid)
    assert not forker.children.owns(os.getppid())
    assert not forker.children.owns(2**40)
    forked.feed(Event.KILL)
    forker.run()


def test_a_pid_is_said_once_and_not_that_of_another(forker: Forker) -> None:
    def liar(channel: socket.socket) -> None:
        send(channel, Message.FORKED, first.pid or 0)
        send(channel, Message.FORKED, os.getpid())
        send(channel, Message.FORKED, os.getppid())
        receive(channel)

    first = forker.fork(for_ever, Config())
    second = forker.fork(liar, Config(), known=False)
    forker.loop.after(0.05, lambda: first.feed(Event.KILL))
    forker.loop.after(0.05, lambda: second.feed(Event.DRAIN))
    forker.run()
    assert first.status == signal.SIGKILL
    assert second.status == 0


def test_one_that_talks_without_end_leaves_others_their_turn(forker: Forker) -> None:
    def talk(channel: socket.socket) -> None:
        while True:
            send(channel, Message.READY)

    talker = forker.fork(talk, Config())
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(time.monotonic())
        if len(ticks) < 20:
            forker.loop.after(0.01, tick)
        else:
            talker.feed(Event.KILL)

    forker.loop.after(0.0, tick)
    forker.run()
    assert len(ticks) == 20 and talker.state is ChildState.GONE


def test_its_stacks_are_read_without_waiting_whatever_it_does(forker: Forker) -> None:
    def offer(channel: socket.socket) -> None:
        reader, _writer = os.pipe()
        send(channel, Message.FORKED, os.getpid(), descriptor=reader)
        send(channel, Message.READY)
        while True:  # it has a descriptor of the same pipe, and of the same open file where the master kept that one
            os.set_blocking(reader, True)

    child = forker.fork(offer, Config())
    found: list[bytes] = []

    def look() -> None:
        try:
            found.append(os.read(child.stacks_fd, 1))
        except BlockingIOError:
            found.append(b"nothing yet")
        child.feed(Event.KILL)

    forker.loop.after(0.3, look)
    forker.run()
    assert found == [b"nothing yet"] and child.state is ChildState.GONE
