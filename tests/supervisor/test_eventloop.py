from __future__ import annotations

import itertools
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable

import pytest

from webpy.supervisor import eventloop
from webpy.supervisor.eventloop import EventLoop


def make(on_signal: list[int] | None = None, errors: list[str] | None = None) -> EventLoop:
    return EventLoop(
        (on_signal if on_signal is not None else []).append,
        lambda: (errors if errors is not None else []).append("error"),
    )


def test_timers_come_in_order_and_can_be_cancelled() -> None:
    loop, came = make(), []
    loop.after(0.02, lambda: came.append("second"))
    loop.after(0.0, lambda: came.append("first"))
    loop.after(0.01, lambda: came.append("never")).cancel()
    loop.after(0.03, loop.stop)
    loop.run()
    loop.close()
    assert came == ["first", "second"]


def test_signals_are_events_and_are_given_back() -> None:
    numbers: list[int] = []
    before = signal.getsignal(signal.SIGUSR1)
    loop = make(numbers)
    loop.catch([signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGUSR1)
    assert numbers == [], "not before the loop goes round"
    loop.after(0.02, loop.stop)
    loop.run()
    loop.close()
    assert numbers == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_call_that_raises_is_reported_and_the_loop_goes_on() -> None:
    errors: list[str] = []
    loop = make(errors=errors)
    loop.after(0.0, lambda: [].pop())
    loop.after(0.01, loop.stop)
    loop.run()
    loop.close()
    assert errors == ["error"]


def test_what_was_forgotten_in_the_same_round_is_not_called() -> None:
    loop, came = make(), []
    pairs = [socket.socketpair() for _ in range(2)]

    def readable(index: int) -> None:
        came.append(index)
        for pair in pairs:
            loop.forget(pair[0])
        loop.stop()

    for index, (ours, theirs) in enumerate(pairs):
        theirs.send(b"x")
        loop.watch(ours, lambda index=index: readable(index))  # type: ignore[misc]
    loop.run()
    loop.forget(pairs[0][0])
    loop.close()
    assert len(came) == 1
    for pair in pairs:
        for end in pair:
            end.close()


def test_a_stop_before_it_runs_holds() -> None:
    loop = make()
    loop.stop()
    loop.run()
    loop.close()


def in_a_child_that_is_stopped(live: Callable[[], None], at_s: float, for_s: float) -> None:
    """Run `live` in a process that is stopped some time after it began; what it asserts is its exit status."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            eventloop._GAP_S = 0.3
            os.write(writer, b"x")
            live()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    time.sleep(at_s)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(for_s)
    os.kill(pid, signal.SIGCONT)
    assert os.waitpid(pid, 0)[1] == 0


def test_time_stands_still_while_the_process_is_stopped_in_its_sleep() -> None:
    def live() -> None:
        loop, came = make(), []
        began, began_loop = time.monotonic(), loop.time()
        for index in range(1, 8):
            loop.after(0.1 * index, lambda: came.append(loop.time() - began_loop))
        loop.after(0.8, loop.stop)
        loop.run()
        assert time.monotonic() - began > 1.5
        assert 0.7 <= came[-1] < 1.0
        assert all(later - sooner > 0.05 for sooner, later in itertools.pairwise(came)), came

    in_a_child_that_is_stopped(live, 0.35, 0.8)


def test_time_stands_still_while_the_process_is_stopped_in_a_step() -> None:
    def live() -> None:
        loop, came = make(), []
        began, began_loop = time.monotonic(), loop.time()

        def work() -> None:
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                pass

        loop.after(0.0, work)
        loop.after(0.6, lambda: came.append(loop.time() - began_loop))
        loop.after(0.7, loop.stop)
        loop.run()
        assert time.monotonic() - began > 1.0
        assert 0.6 <= came[0] < 1.2, came

    in_a_child_that_is_stopped(live, 0.2, 0.8)


def test_a_gap_is_left_out_in_the_very_step_that_it_was_in() -> None:
    loop, passed = make(), []

    def work() -> None:
        before = loop.time()
        time.sleep(1.3)  # as if the process had been stopped
        passed.append(loop.time() - before)
        loop.stop()

    loop.after(0.0, work)
    loop.run()
    assert passed[0] < 0.3
    loop.close()


def test_a_long_sleep_that_was_meant_is_no_gap() -> None:
    loop = make()
    before = time.monotonic() - loop.time()
    loop.after(1.1, loop.stop)
    loop.run()
    assert time.monotonic() - loop.time() == pytest.approx(before, abs=1e-4)
    loop.close()
