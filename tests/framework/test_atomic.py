"""Locks on resources, held by real processes and threads that get in each other's way and are killed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from mmap import mmap
from multiprocessing.connection import Connection

import pytest

from tests.forked import PATIENCE_S, Forked
from webpy.framework.atomic import ResourceLocks


def holder(locks: ResourceLocks, key: str, exclusive: bool) -> Callable[[Connection], None]:
    """Takes the lock when told to, says so, and frees it when told to."""

    def work(pipe: Connection) -> None:
        pipe.recv()
        held = locks.acquire(key, exclusive)
        pipe.send("held")
        pipe.recv()
        locks.release(held)
        pipe.send("freed")

    return work


def test_many_readers_in_processes_and_threads_at_once() -> None:
    locks = ResourceLocks(timeout_s=PATIENCE_S)

    def work(pipe: Connection) -> None:
        together = threading.Barrier(3)

        def read() -> None:
            with locks.read("a"):
                together.wait(PATIENCE_S)
                pipe.send("reading")
                leave.wait(PATIENCE_S)

        leave = threading.Event()
        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        pipe.recv()
        leave.set()
        for thread in threads:
            thread.join()

    with ExitStack() as stack:
        children = [stack.enter_context(Forked(work)) for _ in range(3)]
        for child in children:
            assert [child.receive() for _ in range(3)] == ["reading"] * 3  # all nine are inside now
        quick = ResourceLocks(timeout_s=0.05, fd=locks.fileno())
        with pytest.raises(TimeoutError, match="'a': not free for writing within"), quick.write("a"):
            pass
        for child in children:
            child.send()
            assert child.join() == 0
        with quick.write("a"):
            pass


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_writer_is_alone(exclusive: bool) -> None:
    locks = ResourceLocks(timeout_s=PATIENCE_S)
    with Forked(holder(locks, "a", True)) as writer, Forked(holder(locks, "a", exclusive)) as other:
        writer.send()
        assert writer.receive() == "held"
        other.send()
        with locks.write("b"), locks.read("c"):
            assert not other.has_sent(0.1)
        writer.send()
        assert writer.receive() == "freed" and other.receive() == "held"


def test_a_writer_waits_for_every_reader_of_its_own_process() -> None:
    locks = ResourceLocks(timeout_s=0.05)
    first, second = locks.acquire("a", False), locks.acquire("a", False)
    locks.release(first)
    with pytest.raises(TimeoutError):
        locks.acquire("a", True)
    with Forked(lambda pipe: pipe.send(refused(locks, "a", True))) as child:
        assert child.receive()
    locks.release(second)
    locks.release(locks.acquire("a", True))
    assert not locks._table


def refused(locks: ResourceLocks, key: str, exclusive: bool) -> bool:
    try:
        locks.release(locks.acquire(key, exclusive))
    except TimeoutError:
        return True
    return False


def test_a_wait_of_its_own() -> None:
    locks = ResourceLocks(timeout_s=PATIENCE_S)
    held = locks.acquire("a", True)
    with pytest.raises(TimeoutError, match="not free for writing within 0.01 s"):
        locks.acquire("a", True, 0.01)
    locks.release(held)
    with Forked(holder(locks, "a", True)) as other:
        other.send()
        assert other.receive() == "held"
        with pytest.raises(TimeoutError, match="not free for reading within 0 s"):
            locks.acquire("a", False, 0)


def test_a_timeout_leaves_nothing_behind() -> None:
    locks = ResourceLocks(timeout_s=0.05)
    with Forked(holder(locks, "a", False)) as reader:
        reader.send()
        assert reader.receive() == "held"
        assert refused(locks, "a", True)
        assert not refused(locks, "a", False)  # the turnstile is free again
        reader.send()
        assert reader.receive() == "freed"
    assert not refused(locks, "a", True) and not locks._table


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_killed_holder_frees(exclusive: bool) -> None:
    locks = ResourceLocks(timeout_s=PATIENCE_S)
    with Forked(holder(locks, "a", exclusive)) as doomed, Forked(holder(locks, "a", True)) as next_one:
        doomed.send()
        assert doomed.receive() == "held"
        next_one.send()
        assert not next_one.has_sent(0.05)
        doomed.kill()
        assert next_one.receive() == "held"


def test_a_killed_waiter_frees_the_turnstile() -> None:
    locks = ResourceLocks(timeout_s=PATIENCE_S)
    with Forked(holder(locks, "a", False)) as reader, Forked(holder(locks, "a", True)) as doomed:
        reader.send()
        assert reader.receive() == "held"
        doomed.send()
        wait_until(lambda: refused(ResourceLocks(timeout_s=0, fd=locks.fileno()), "a", False))
        doomed.kill()
        with locks.read("a"):
            pass


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_readers_who_keep_coming_do_not_starve_a_writer() -> None:
    locks = ResourceLocks(timeout_s=PATIENCE_S)

    def read_on(pipe: Connection) -> None:
        def read() -> None:
            while True:
                with locks.read("a"):
                    time.sleep(0.002)

        for _ in range(3):
            threading.Thread(target=read, daemon=True).start()
        wait_until(lambda: locks._table != {})
        pipe.send("reading")
        pipe.recv()

    with Forked(read_on) as one, Forked(read_on) as two:
        assert one.receive() == two.receive() == "reading"
        for _ in range(5):
            start = time.monotonic()
            with locks.write("a"):
                assert time.monotonic() - start < 2


def test_processes_and_threads_change_one_thing_in_turn() -> None:
    locks = ResourceLocks(timeout_s=PATIENCE_S)
    shared = mmap(-1, 4096)
    cells = memoryview(shared).cast("q")  # 0: a counter, 1: who is inside

    def work(pipe: Connection) -> None:
        def change(name: int) -> None:
            for i in range(40):
                with locks.write("a"):
                    assert cells[1] == 0
                    cells[1], before = name, cells[0]
                    time.sleep(0.0001)
                    assert cells[1] == name
                    cells[0], cells[1] = before + 1, 0
                if i % 4 == 0:
                    with locks.read("a"):
                        assert cells[1] == 0
            done.append(name)

        done: list[int] = []
        threads = [threading.Thread(target=change, args=(os.getpid() * 10 + i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pipe.send((len(done), len(locks._table)))

    with ExitStack() as stack:
        children = [stack.enter_context(Forked(work)) for _ in range(4)]
        assert [child.receive() for child in children] == [(3, 0)] * 4
    assert cells[0] == 4 * 3 * 40


def test_threads_of_one_process_exclude_each_other() -> None:
    locks = ResourceLocks(timeout_s=PATIENCE_S)
    held = locks.acquire("a", True)
    entered = threading.Event()

    def read() -> None:
        with locks.read("a"):
            entered.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert not entered.wait(0.05)
    locks.release(held)
    assert entered.wait(PATIENCE_S)
    thread.join()


def test_a_forked_child_holds_nothing_of_its_parents() -> None:
    locks = ResourceLocks(timeout_s=0.05)
    held = locks.acquire("a", True)

    def work(pipe: Connection) -> None:
        locks.release(held)  # does nothing: it is the parent's
        pipe.send(refused(locks, "a", False))

    with Forked(work) as child:
        assert child.receive()
    assert refused(locks, "a", False)
    locks.release(held)
    with pytest.raises(ValueError, match="released already"):
        locks.release(held)


def test_an_error_inside_frees_the_lock() -> None:
    locks = ResourceLocks(timeout_s=0.05)
    with pytest.raises(ZeroDivisionError), locks.write("a"):
        raise ZeroDivisionError
    assert not refused(locks, "a", True)


def test_after_a_change_of_user() -> None:
    """As root a worker becomes another user after the fork; otherwise this is one more process."""
    locks = ResourceLocks(timeout_s=0.05)

    def work(pipe: Connection) -> None:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        with locks.write("a"):
            pipe.send("held")
            pipe.recv()

    with Forked(work) as child:
        assert child.receive() == "held" and refused(locks, "a", False)


@pytest.mark.parametrize("key", ["", "/notes/1", "ä€\ud800", "k" * 100_000])
def test_any_name_will_do_and_is_the_same_everywhere(key: str) -> None:
    locks = ResourceLocks(timeout_s=0.05)
    with Forked(holder(locks, key, True)) as other:
        other.send()
        assert other.receive() == "held" and refused(locks, key, False)
        assert not refused(locks, key + "x", True)
