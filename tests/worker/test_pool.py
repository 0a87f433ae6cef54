"""The pool: as many threads as are needed and may be, and none lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from webpy.supervisor import Board, Line
from webpy.worker.pool import Pool

WAIT_S = 10.0


def make(most: int, lines: int | None = None) -> tuple[Pool, list[Line]]:
    board = Board(1, most)
    found = board.rows[0].lines
    used = found if lines is None else found[:lines]
    return Pool(used, most, logging.getLogger("tests.pool")), found


class Stops:
    """Tasks that say when they began, and wait to be let go."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.go = threading.Event()
        self.lines: list[Line] = []

    def __call__(self, line: Line) -> None:
        self.lines.append(line)
        self.began.release()
        assert self.go.wait(WAIT_S)

    def wait_for(self, count: int) -> bool:
        return all(self.began.acquire(timeout=WAIT_S) for _ in range(count))


def test_a_task_gets_its_arguments_behind_the_line_of_its_thread() -> None:
    pool, lines = make(2)
    got: list[object] = []
    done = threading.Event()

    def task(line: Line, *arguments: object) -> None:
        got.extend([line in lines, line.thread[0] == threading.get_native_id(), arguments])
        done.set()

    pool.put((task, 1, "two"))
    assert done.wait(WAIT_S)
    assert got == [True, True, (1, "two")]


def test_no_task_waits_while_a_thread_may_be_added() -> None:
    pool, _ = make(6)
    stops = Stops()
    for _ in range(6):
        pool.put((stops,))
    assert stops.wait_for(6)
    assert len({id(line) for line in stops.lines}) == 6
    stops.go.set()


def test_no_task_waits_while_a_thread_is_idle_or_may_be_added() -> None:
    pool, _ = make(4)
    for _ in range(20):
        stops = Stops()
        for _ in range(4):
            pool.put((stops,))
        assert stops.wait_for(4)
        stops.go.set()


def test_at_most_so_many_run_at_once_and_the_others_follow_in_order() -> None:
    pool, _ = make(2)
    stops = Stops()
    order: list[int] = []
    done = threading.Semaphore(0)

    def later(_line: Line, number: int) -> None:
        order.append(number)
        done.release()

    for _ in range(2):
        pool.put((stops,))
    assert stops.wait_for(2)
    for number in range(3):
        pool.put((later, number))
    assert not order
    stops.go.set()
    assert all(done.acquire(timeout=WAIT_S) for _ in range(3))
    assert sorted(order) == [0, 1, 2]


def test_a_task_that_raises_costs_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    pool, _ = make(1)
    done = threading.Event()

    def fails(_line: Line) -> None:
        raise SystemExit("out of here")

    for _ in range(3):
        pool.put((fails,))
    pool.put((lambda _line: done.set(),))
    assert done.wait(WAIT_S)
    assert "a task of the pool failed" in caplog.text


def test_without_a_line_there_is_no_thread_but_the_task_is_not_lost() -> None:
    pool, _ = make(4, lines=1)
    stops = Stops()
    done = threading.Event()
    pool.put((stops,))
    assert stops.wait_for(1)
    pool.put((lambda _line: done.set(),))
    stops.go.set()
    assert done.wait(WAIT_S)


def test_when_the_system_allows_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, lines = make(3)
    stops = Stops()
    pool.put((stops,))
    assert stops.wait_for(1)
    done = threading.Event()

    def refused(_target: Callable[..., None], *_arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Pool, "start", lambda _self, *arguments: refused(*arguments))
    pool.put((lambda _line: done.set(),))  # a thread that is there takes it
    stops.go.set()
    assert done.wait(WAIT_S)
    monkeypatch.undo()
    more = Stops()
    for _ in range(3):
        pool.put((more,))
    assert more.wait_for(3)  # neither the count nor a line was lost
    more.go.set()
    assert len(lines) == 5


def test_lines_are_taken_and_given_back_clean() -> None:
    pool, lines = make(1)
    taken = [pool.take_line() for _ in lines]
    assert pool.take_line() is None
    line = taken[0]
    assert line is not None
    line.start[0], line.thread[0] = 5.0, 77
    pool.give_line(line)
    assert pool.take_line() is line
    assert (line.start[0], line.thread[0]) == (0.0, 0)


def test_a_deposed_leader_joins_where_there_is_room() -> None:
    pool, _ = make(1)
    line = pool.take_line()
    assert line is not None
    done = threading.Event()
    thread = threading.Thread(target=pool.join, args=(line,), daemon=True)
    thread.start()
    used: list[Line] = []

    def task(given: Line) -> None:
        used.append(given)
        done.set()

    pool.put((task,))
    assert done.wait(WAIT_S)
    thread.join(0.05)
    if thread.is_alive():  # it got in before `put` made a thread of its own
        assert used == [line]
    other = pool.take_line()
    assert other is not None
    pool.join(other)  # no room: returns at once, with its line given back
    assert pool.take_line() is not None
