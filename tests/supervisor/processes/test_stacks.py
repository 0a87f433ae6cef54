"""Stacks of real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from webpy.supervisor import Config, Message
from webpy.supervisor.eventloop import EventLoop
from webpy.supervisor.processes.child import Child
from webpy.supervisor.processes.children import Children
from webpy.supervisor.processes.messages import channel_pair, receive, send
from webpy.supervisor.processes.stacks import (
    ASK_SIGNAL,
    FORCE_SIGNAL,
    LIMIT_S,
    Stacks,
    is_stopped,
    offer_stacks,
    stack_of,
)


class Forker:
    """Forks children that offer their stacks, and takes them."""

    def __init__(self) -> None:
        self.loop = EventLoop(lambda number: self.children.reap(), self.failed)
        self.loop.catch([signal.SIGCHLD])
        self.children = Children(self.loop, reaps_all=True, emptied=lambda: None)
        self.stacks = Stacks(self.loop)
        self.told: list[str] = []
        self.failures = 0

    def failed(self) -> None:
        self.failures += 1

    def fork(self, live: Callable[[], None]) -> Child:
        ours, theirs = channel_pair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            send(theirs, Message.FORKED, os.getpid(), descriptor=offer_stacks())
            self.live(theirs, live)
        theirs.close()
        child = self.children.add("it", ours, Config(), lambda child: self.loop.stop(), pid=pid)
        self.run()
        return child

    def live(self, channel: socket.socket, live: Callable[[], None]) -> None:
        try:
            live()
            send(channel, Message.READY)
            channel.setblocking(True)
            receive(channel)
        finally:
            os._exit(0)

    def tell(self, text: str) -> None:
        self.told.append(text)
        self.loop.stop()

    def run(self) -> None:
        self.loop._stopped = False
        limit = self.loop.after(10, self.loop.stop)
        self.loop.run()
        limit.cancel()

    def take(self, child: Child, *, force: bool = False) -> str:
        self.told.clear()
        self.stacks.take(child, self.tell, force=force)
        assert not self.told, "never at once"
        self.run()
        return self.told[0]


@pytest.fixture
def forker() -> Iterator[Forker]:
    made = Forker()
    yield made
    for child in made.children:
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
        child._reap()
    made.loop.close()


def wait_on_threads() -> None:
    ready = threading.Barrier(4)
    for _ in range(3):
        threading.Thread(target=sleep_long, args=(ready,), daemon=True).start()
    ready.wait()


def sleep_long(ready: threading.Barrier) -> None:
    ready.wait()
    time.sleep(60)


def test_all_threads_and_again(forker: Forker) -> None:
    child = forker.fork(wait_on_threads)
    for _ in range(2):
        dump = forker.take(child)
        assert dump.count("in sleep_long") == 3
        assert dump.count("Thread 0x") == 3 and dump.count("Current thread 0x") == 1


def churn() -> None:
    sys.setswitchinterval(0.0005)
    for _ in range(4):
        threading.Thread(target=recurse_for_ever, daemon=True).start()


def recurse_for_ever() -> None:
    def down(depth: int) -> int:
        return down(depth - 1) + eval(f"{depth} + 1", {}) if depth else 0

    while True:
        down(12)


def test_taking_them_does_no_harm(forker: Forker) -> None:
    child = forker.fork(churn)
    for _ in range(100):
        assert forker.take(child).count("Thread 0x") == 4


def answer_twice() -> None:
    once = signal.getsignal(ASK_SIGNAL)
    assert callable(once)

    def twice(number: int, frame: object) -> None:
        for _ in range(2):
            once(number, frame)

    signal.signal(ASK_SIGNAL, twice)


def test_an_answer_that_comes_twice_is_one(forker: Forker) -> None:
    child = forker.fork(answer_twice)
    for _ in range(30):
        assert forker.take(child).count("Current thread 0x") == 1


def answer_while_answering() -> None:
    write, asked = os.write, []

    def interrupted(descriptor: int, data: bytes) -> int:
        count = write(descriptor, data)
        if not asked:
            asked.append(True)
            signal.raise_signal(ASK_SIGNAL)
        return count

    os.write = interrupted  # type: ignore[assignment]


def test_an_answer_may_be_interrupted_by_another(forker: Forker) -> None:
    child = forker.fork(answer_while_answering)
    for _ in range(3):
        assert forker.take(child).count("Current thread 0x") == 1


def test_many_askers_one_dump(forker: Forker) -> None:
    child = forker.fork(wait_on_threads)
    forker.stacks.take(child, forker.told.append)
    forker.stacks.take(child, lambda _: [].pop())
    forker.stacks.take(child, forker.tell)
    forker.run()
    assert len(forker.told) == 2 and forker.told[0] is forker.told[1]
    assert forker.failures == 1


def test_a_stopped_process_is_let_go_on(forker: Forker) -> None:
    child = forker.fork(wait_on_threads)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)
    while not is_stopped(child.pid):
        time.sleep(0.001)
    assert "in sleep_long" in forker.take(child)
    assert not is_stopped(child.pid)


def turn_deaf() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [ASK_SIGNAL, FORCE_SIGNAL])


def hold_the_gil() -> None:
    threading.Timer(0.05, re.match, ("(a+)+$", "a" * 40 + "b")).start()


def test_c_code_with_the_gil_is_forced(forker: Forker) -> None:
    child = forker.fork(hold_the_gil)
    time.sleep(0.15)
    assert forker.take(child).startswith("(no stacks")
    assert "re/__init__.py" in forker.take(child, force=True)


def test_one_that_does_not_answer_takes_half_a_second(forker: Forker) -> None:
    child = forker.fork(turn_deaf)
    began = time.monotonic()
    assert forker.take(child, force=True) == "(no stacks: the process did not answer within 0.5 s)"
    assert LIMIT_S <= time.monotonic() - began < LIMIT_S + 0.2


def test_one_that_dies_meanwhile(forker: Forker) -> None:
    child = forker.fork(turn_deaf)
    assert child.pid is not None
    fd = child.stacks_fd
    forker.stacks.take(child, forker.tell)
    os.kill(child.pid, signal.SIGKILL)
    forker.run()  # its death
    assert child.stacks_fd == -1
    reused = os.dup2(forker.loop._waker.fileno(), fd)
    while not forker.told:
        forker.run()
    assert forker.told[0].startswith("(no stacks")
    forker.loop.watch(reused, lambda: None)
    forker.loop.forget(reused)
    os.close(reused)
    assert forker.take(child) == "(no stacks: the process has none to offer)"


def test_only_a_pipe_is_read(forker: Forker) -> None:
    ours, theirs = channel_pair()
    child = forker.children.add("liar", ours, Config(), lambda child: None)
    with open("/dev/zero", "rb") as file:
        send(theirs, Message.FORKED, 1, descriptor=file.fileno())
    send(theirs, Message.READY, descriptor=theirs.fileno())
    before = len(os.listdir("/proc/self/fd"))
    child.take_messages()
    assert child.stacks_fd == -1
    assert len(os.listdir("/proc/self/fd")) == before
    theirs.close()
    child._reap()


_DUMP = """\
Thread 0x00007f1630c5f6c0 (most recent call first):
  File "a.py", line 210 in wait
  File "a.py", line 125 in work

Thread 0x00007f1630c5f6c1 [pool] (most recent call first):
  Garbage-collecting
  File "a.py", line 1 in other

Current thread 0x00007f1635299b80 (most recent call first):
  File "b.py", line 79 in run
"""


def test_one_stack_out_of_all() -> None:
    assert stack_of(_DUMP, 0x7F1630C5F6C0).splitlines()[1:] == [
        '  File "a.py", line 210 in wait',
        '  File "a.py", line 125 in work',
    ]
    assert stack_of(_DUMP, 0x7F1630C5F6C1).splitlines()[-1] == '  File "a.py", line 1 in other'
    assert stack_of(_DUMP, 0x7F1635299B80).splitlines()[0].startswith("Current thread")
    assert stack_of(_DUMP, 0x7F16) == stack_of(_DUMP, 0) == _DUMP
