"""The pool: as many threads as are needed and may be, and none lost."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from webpy.supervisor import QUEUE_ACTIVITIES, Activity, Scoreboard
from webpy.worker.threads.policy import interrupt_none
from webpy.worker.threads.pool import Pool, Role

WAIT_S = 5.0


def make(most: int, activities: int | None = None) -> tuple[Pool, list[Activity]]:
    scoreboard = Scoreboard(1, most)
    found = scoreboard.rows[0].activities[:-QUEUE_ACTIVITIES]
    used = found if activities is None else found[:activities]
    return Pool(used, most, logging.getLogger("tests.pool"), lambda function: function()), found


class Stops:
    """Tasks that say when they began, and wait to be let go."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.go = threading.Event()
        self.activities: list[Activity] = []

    def __call__(self, activity: Activity) -> None:
        self.activities.append(activity)
        self.began.release()
        assert self.go.wait(3 * WAIT_S)

    def wait_for(self, count: int) -> bool:
        return all(self.began.acquire(timeout=WAIT_S) for _ in range(count))


def test_a_task_gets_its_arguments_behind_the_line_of_its_thread() -> None:
    pool, activities = make(2)
    got: list[object] = []
    done = threading.Event()

    def task(activity: Activity, *arguments: object) -> None:
        named = (activity.thread[0], activity.ident[0]) == (threading.get_native_id(), threading.get_ident())
        got.extend([activity in activities, named, arguments])
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
    pool.put((lambda _activity, _body: None, body))
    del body
    assert gone.wait(WAIT_S)


def test_no_task_waits_while_a_thread_may_be_added() -> None:
    pool, _ = make(6)
    stops = Stops()
    for _ in range(6):
        pool.put((stops,))
    assert stops.wait_for(6)
    assert len({id(activity) for activity in stops.activities}) == 6
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

    def later(_activity: Activity, number: int) -> None:
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

    def fails(_activity: Activity) -> None:
        raise SystemExit("out of here")

    for _ in range(3):
        pool.put((fails,))
    pool.put((lambda _activity: done.set(),))
    assert done.wait(WAIT_S)
    assert "a task of the pool failed" in caplog.text


def test_without_a_line_there_is_no_thread_but_the_task_is_not_lost() -> None:
    pool, _ = make(4, activities=1)
    stops = Stops()
    done = threading.Event()
    pool.put((stops,))
    assert stops.wait_for(1)
    pool.put((lambda _activity: done.set(),))
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
        pool.put((lambda _activity: done.set(),))  # a thread that is there takes it
        assert not pool.start(lambda _activity: None)
    stops.go.set()
    assert done.wait(WAIT_S)
    more = Stops()
    for _ in range(3):
        pool.put((more,))
    assert more.wait_for(3)  # neither the count nor an activity was lost
    more.go.set()


# -- roles ------------------------------------------------------------------------------------------------------------


def test_a_thread_plays_one_role_after_the_other_and_gives_its_line_back_clean() -> None:
    pool, activities = make(1)
    seen: list[tuple[str, bool]] = []
    ended = threading.Event()

    def first(activity: Activity) -> Role:
        activity.start[0] = 5.0
        seen.append(("first", activity.thread[0] == threading.get_native_id()))
        return second

    def second(activity: Activity) -> None:
        seen.append(("second", activity is activities[0]))
        ended.set()

    assert pool.start(first)
    assert ended.wait(WAIT_S)
    assert seen == [("first", True), ("second", True)]
    stops = Stops()
    assert all(pool.start(stops) for _ in activities[1:])
    deadline = time.monotonic() + WAIT_S
    while not pool.start(stops):  # the first thread may just be giving its activity back
        assert time.monotonic() < deadline
    assert stops.wait_for(len(activities))
    assert not pool.start(stops)  # every activity is taken
    used = [activity for activity in stops.activities if activity is activities[0]]
    assert [activity.start[0] for activity in used] == [0.0]
    stops.go.set()


@pytest.mark.skipif(sys.platform != "linux", reason="the policy is Linux's")
def test_a_thread_interrupts_no_other_while_it_serves() -> None:
    pool, _ = make(1)
    policies: list[int] = []
    served, led = threading.Event(), threading.Event()

    def serve(_activity: Activity) -> None:
        policies.append(os.sched_getscheduler(0))
        served.set()

    def lead(_activity: Activity) -> None:
        policies.append(os.sched_getscheduler(0))
        led.set()

    pool.put((serve,))
    assert served.wait(WAIT_S)
    assert pool.lend(lead)  # the same thread, as there is one only
    assert led.wait(WAIT_S)
    assert policies == [os.SCHED_BATCH, os.SCHED_OTHER]


@pytest.mark.skipif(sys.platform != "linux", reason="the policy is Linux's")
def test_a_policy_that_somebody_chose_stays() -> None:
    policies: list[int] = []

    def chosen() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        assert not interrupt_none()
        policies.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=chosen)
    thread.start()
    thread.join(WAIT_S)
    assert policies == [os.SCHED_IDLE]


def test_where_the_policy_may_not_be_set_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "refused")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert not interrupt_none()


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
    pool, activities = make(1)
    used: list[Activity] = []
    done = threading.Event()

    def task(activity: Activity) -> None:
        used.append(activity)
        done.set()

    pool.take_place()
    role = pool.join()
    assert role is not None
    thread = threading.Thread(target=role, args=(activities[2],), daemon=True)
    thread.start()
    pool.put((task,))
    assert done.wait(WAIT_S)
    assert used == [activities[2]]


# -- places -----------------------------------------------------------------------------------------------------------


class Calls:
    """A pool that notes what it would have the leader call, and tasks that note their turn."""

    def __init__(self, most: int) -> None:
        self.calls: list[Callable[[], None]] = []
        scoreboard = Scoreboard(1, most)
        activities = scoreboard.rows[0].activities[:-QUEUE_ACTIVITIES]
        self.pool = Pool(activities, most, logging.getLogger("tests.pool"), self.calls.append)
        self.order: list[str] = []
        self.done = threading.Semaphore(0)

    def task(self, name: str) -> tuple[object, ...]:
        def run(_activity: Activity) -> None:
            self.order.append(name)
            self.done.release()

        return (run,)

    def wait_for(self, *names: str) -> None:
        assert all(self.done.acquire(timeout=WAIT_S) for _ in names)
        assert self.order == list(names)

    def free(self, count: int) -> None:
        deadline = time.monotonic() + WAIT_S
        while len(self.pool.places) != count:
            assert time.monotonic() < deadline, f"{len(self.pool.places)} places are free, and not {count}"


def test_every_task_takes_a_place_and_gives_it_back() -> None:
    here = Calls(3)
    stops = Stops()
    for left in (2, 1, 0):
        here.pool.put((stops,))
        assert len(here.pool.places) == left
    here.pool.put(here.task("later"))
    assert stops.wait_for(3)
    assert not here.order
    stops.go.set()
    here.wait_for("later")
    here.free(3)


def test_quick_ones_that_found_no_place_come_first_but_where_there_is_one_place() -> None:
    for most, wanted in ((2, ("quick", "quicker", "one", "two")), (1, ("one", "quick", "two", "quicker"))):
        here = Calls(most)
        stops = [Stops() for _ in range(most)]
        for stop in stops:
            here.pool.put((stop,))
            assert stop.wait_for(1)
        here.pool.put(here.task("one"))
        here.pool.put_quick(here.task("quick"))
        here.pool.put(here.task("two"))
        here.pool.put_quick(here.task("quicker"))
        stops[0].go.set()
        here.wait_for(*wanted)
        stops[-1].go.set()
        here.free(most)


def test_what_goes_on_with_an_answer_comes_first_of_all() -> None:
    here = Calls(1)
    stops = Stops()
    here.pool.put((stops,))
    assert stops.wait_for(1)
    here.pool.put(here.task("one"))
    here.pool.put_ahead(here.task("ahead"))
    stops.go.set()
    here.wait_for("ahead", "one")


def test_while_quick_handlers_come_the_last_place_is_theirs() -> None:
    here = Calls(2)
    stops = Stops()
    here.pool.inline = "conn", "plan", time.monotonic()
    here.pool.put((stops,))
    here.pool.put(here.task("one"))
    assert stops.wait_for(1)
    assert len(here.pool.places) == 1
    here.pool.inline = "conn", "plan", time.monotonic() - 60
    here.pool.admit()  # as housekeeping does
    here.wait_for("one")
    stops.go.set()
    here.free(2)


def test_a_place_that_becomes_the_last_is_given_back_for_quick_ones() -> None:
    here = Calls(2)
    first, second = Stops(), Stops()
    for stops in (first, second):
        here.pool.put((stops,))
        assert stops.wait_for(1)
    here.pool.put(here.task("one"))
    here.pool.inline = "conn", "plan", time.monotonic() + 60
    first.go.set()
    here.free(1)
    assert here.calls  # the leader is told, as it may have put something meanwhile
    here.calls.pop()()
    assert (len(here.pool.places), here.order) == (1, [])
    second.go.set()  # has a place, which is not the last
    here.wait_for("one")
    here.free(2)


def test_a_leader_that_is_deposed_takes_its_place_along() -> None:
    here = Calls(1)
    here.pool.take_place()
    here.pool.put(here.task("one"))
    assert not here.order
    role = here.pool.join()
    assert role is not None
    threading.Thread(target=role, args=(Scoreboard(1, 1).rows[0].activities[0],), daemon=True).start()
    here.wait_for("one")
    here.free(1)
