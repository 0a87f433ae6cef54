"""Calls from other threads and timers: made by the leader, in order, each on its own."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable

from tests.worker.rig import Rig

Make = Callable[..., Rig]


def test_calls_from_any_thread_are_made_by_the_leader_in_order(rig: Make) -> None:
    parts = rig()
    made: list[tuple[int, int]] = []

    def call(number: int) -> None:
        made.append((number, threading.get_ident()))

    def ask() -> None:
        for number in range(100):
            parts.reactor.call(call, number)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(10)
    assert not made
    parts.turn(5)
    assert made == [(number, threading.get_ident()) for number in range(100)]
    assert parts.poll() == {}  # the bell is silent again


def test_a_call_made_by_a_call_is_not_forgotten(rig: Make) -> None:
    parts = rig()
    made: list[str] = []
    parts.reactor.call(lambda: parts.reactor.call(made.append, "second"))
    while parts.poll():
        parts.turn()
    assert made == ["second"]


def test_timers_are_called_when_they_are_due_in_order(rig: Make) -> None:
    parts = rig()
    reactor = parts.reactor
    made: list[str] = []
    reactor.come_back(100.0, 1.0, 101.0)
    reactor.call_at(time.monotonic() + 0.5, made.append, "later")
    assert reactor.wait_s <= 0.5
    reactor.call_at(5.0, made.append, "second")
    reactor.call_at(5.0, made.append, "third")
    reactor.call_at(4.0, made.append, "first")
    assert (reactor.due_s, reactor.wait_s) == (4.0, 0.0)
    reactor.run_timers(3.9)
    assert made == []
    reactor.run_timers(5.0)
    assert made == ["first", "second", "third"]
    now_s = time.monotonic()
    reactor.come_back(now_s, 1.0, now_s + 1.0)
    assert reactor.wait_s <= 0.5
    assert reactor.due_s <= now_s + 0.5
    reactor.run_timers(now_s + 1.0)
    reactor.come_back(now_s, 1.0, now_s + 1.0)
    assert (made[3:], reactor.wait_s) == (["later"], 1.0)


def test_a_timer_that_fails_is_told_and_harms_no_other(rig: Make) -> None:
    parts = rig()
    made: list[int] = []

    def fail() -> None:
        raise KeyError("a fault")

    parts.reactor.call_at(1.0, fail)
    parts.reactor.call_at(2.0, made.append, 1)
    parts.reactor.run_timers(3.0)
    assert made == [1]
    parts.do_chores()
    assert parts.complaints == ["a call of test_a_timer_that_fails_is_told_and_harms_no_other.<locals>.fail failed"]


def test_a_descriptor_that_is_forgotten_or_rests_is_not_listened_to(rig: Make) -> None:
    parts = rig()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        events: list[int] = []
        parts.reactor.watch(ours.fileno(), events.append)
        assert parts.poll(5)
        parts.reactor.rest(ours.fileno())
        assert parts.poll() == {}
        parts.reactor.end_rests()
        parts.turn(5)
        assert events == [select.EPOLLIN]
        parts.reactor.rest(ours.fileno())
        parts.reactor.forget(ours.fileno())
        parts.reactor.forget(ours.fileno())
        parts.reactor.end_rests()
        assert parts.poll() == {}
