"""The pool: as many threads as are needed and may be, and none lost."""

from __future__ import annotations

import logging
import threading
import time
import weakref

import pytest

from webpy.supervisor import QUEUE_LINES, Board, Line
from webpy.worker.pool import Pool, Role

WAIT_S = 5.0


def make(most: int, lines: int | None = None) -> tuple[Pool, list[Line]]:
    board = Board(1, most)
    found = board.rows[0].lines[:-QUEUE_LINES]
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
        assert self.go.wait(3 * WAIT_S)

    def wait_for(self, count: int) -> bool:
        return all(self.began.acquire(timeout=WAIT_S) for _ in range(count))


def test_a_task_gets_its_arguments_behind_the_line_of_its_thread() -> None:
    pool, lines = make(2)
    got: list[object] = []
    done = threading.Event()

    def task(line: Line, *arguments: object) -> None:
        named = (line.thread[0], line.ident[0]) == (threading.get_native_id(), threading.get_ident())
        got.extend([line in lines, named, arguments])
        done.set()

    pool.put((task, 1, "two"))
    assert done.wait(WAIT_S)
    assert got == [True, True, (1, "two")]


def test_an_idle_thread_keeps_nothing_of_its_last_task() -> None:
    class Body:
        pass

    pool, _ = make(1)
    gone = threading.Event()
    body = Body()
    weakref.finalize(body, gone.set)
    pool.put((lambda _line, _body: None, body))
    del body
    assert gone.wait(WAIT_S)


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
    pool, _ = make(3)
    stops = Stops()
    pool.put((stops,))
    assert stops.wait_for(1)
    done = threading.Event()

    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        pool.put((lambda _line: done.set(),))  # a thread that is there takes it
        assert not pool.start(lambda _line: None)
    stops.go.set()
    assert done.wait(WAIT_S)
    more = Stops()
    for _ in range(3):
        pool.put((more,))
    assert more.wait_for(3)  # neither the count nor a line was lost
    more.go.set()


# -- roles ------------------------------------------------------------------------------------------------------------


def test_a_thread_plays_one_role_after_the_other_and_gives_its_line_back_clean() -> None:
    pool, lines = make(1)
    seen: list[tuple[str, bool]] = []
    ended = threading.Event()

    def first(line: Line) -> Role:
        line.start[0] = 5.0
        seen.append(("first", line.thread[0] == threading.get_native_id()))
        return second

    def second(line: Line) -> None:
        seen.append(("second", line is lines[0]))
        ended.set()

    assert pool.start(first)
    assert ended.wait(WAIT_S)
    assert seen == [("first", True), ("second", True)]
    stops = Stops()
    assert all(pool.start(stops) for _ in lines[1:])
    deadline = time.monotonic() + WAIT_S
    while not pool.start(stops):  # the first thread may just be giving its line back
        assert time.monotonic() < deadline
    assert stops.wait_for(len(lines))
    assert not pool.start(stops)  # every line is taken
    used = [line for line in stops.lines if line is lines[0]]
    assert [line.start[0] for line in used] == [0.0]
    assert pool.alive == len(lines)
    stops.go.set()


def test_a_pool_thread_is_lent_while_one_is_idle_or_may_be_added() -> None:
    pool, _ = make(2)
    stops = Stops()
    assert pool.lend(stops)
    assert stops.wait_for(1)
    pool.put((stops,))
    pool.put((stops,))  # the lent thread counts no more: two others may be there
    assert stops.wait_for(2)
    assert not pool.lend(stops)
    stops.go.set()


def test_a_deposed_leader_joins_where_there_is_room() -> None:
    pool, lines = make(1)
    used: list[Line] = []
    done = threading.Event()

    def task(line: Line) -> None:
        used.append(line)
        done.set()

    role = pool.join()
    assert role is not None
    assert pool.join() is None
    thread = threading.Thread(target=role, args=(lines[2],), daemon=True)
    thread.start()
    pool.put((task,))
    assert done.wait(WAIT_S)
    assert used == [lines[2]]
