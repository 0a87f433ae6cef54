from __future__ import annotations

import os
import signal
import socket

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
