"""What is learned of a handler's pace, and the gate for those that compute."""

from __future__ import annotations

import threading
import time

import pytest

from webpy import HTTPHandler
from webpy.framework.routing.routes import Route
from webpy.worker.threads.pace import COMPUTING, HEATED, QUICK, SUSPECT_S, WAITING, Gate, PaceTable, Probe, Work

MS = 0.001


def learned(wall_s: float, cpu_s: float, count: int = 50, starved: bool = False, work: Work | None = None) -> Work:
    work = work or Work()
    for _ in range(count):
        work.sample(wall_s, cpu_s, starved)
    return work


@pytest.mark.parametrize(
    ("wall_s", "cpu_s", "kind"),
    [
        (0.02 * MS, 0.02 * MS, QUICK),
        (0.15 * MS, 0.15 * MS, QUICK),
        (0.3 * MS, 0.05 * MS, WAITING),
        (5 * MS, 0.05 * MS, WAITING),
        (1 * MS, 1 * MS, COMPUTING),
        (12 * MS, 12 * MS, COMPUTING),
        (55 * MS, 5 * MS, COMPUTING),
    ],
)
def test_kinds(wall_s: float, cpu_s: float, kind: int) -> None:
    assert learned(wall_s, cpu_s).kind == kind


def test_a_few_samples_decide_nothing() -> None:
    assert learned(5 * MS, 0.0, count=3).kind == QUICK


def test_slowness_beside_computing_threads_does_not_keep_a_handler_on_the_pool() -> None:
    work = learned(5 * MS, 0.01 * MS)
    assert work.kind == WAITING
    for _ in range(100):
        work.sample(5 * MS, 0.01 * MS, True)
        if work.kind == QUICK:
            return
    raise AssertionError(f"kind {work.kind} after 100 samples")


def test_one_that_waits_no_more_comes_back_and_after_a_relapse_later() -> None:
    work = learned(5 * MS, 0.0)
    came_back = []
    for _ in range(2):
        count = 0
        while work.kind != QUICK:
            work.sample(0.01 * MS, 0.01 * MS, False)
            count += 1
            assert count < 10_000
        came_back.append(count)
        learned(5 * MS, 0.0, work=work)
        assert work.kind == WAITING
    assert came_back[1] >= 1.5 * came_back[0] > 8


def test_one_slow_answer_in_ten_keeps_it_where_it_is() -> None:
    work = learned(5 * MS, 0.0)
    for number in range(1000):
        work.sample(20 * MS if number % 10 == 0 else 0.01 * MS, 0.01 * MS, False)
        assert work.kind == WAITING


def test_what_the_watcher_found() -> None:
    asleep, busy = Work(), Work()
    asleep.found_waiting()
    busy.found_busy()
    assert (asleep.kind, busy.kind, busy.heat) == (WAITING, QUICK, HEATED)


def test_the_share_of_a_cpu_is_cpu_time_over_the_least_wall_time() -> None:
    assert learned(12 * MS, 12 * MS).share() == pytest.approx(1.0, rel=0.05)
    assert learned(55 * MS, 5 * MS).share() == pytest.approx(1 / 11, rel=0.05)
    assert learned(3 * MS, 12 * MS).share() == 1.0  # several threads of its own
    assert Work().share() == 1.0


def test_every_settled_run_is_not_measured() -> None:
    work = learned(5 * MS, 0.0)
    wanted = sum(work.wants_sample() for _ in range(1000))
    assert 0 < wanted < 500
    fresh = Work()
    assert all(fresh.wants_sample() for _ in range(8))


# -- probes -----------------------------------------------------------------------------------------------------------


def test_a_wait_shows_in_wall_time_only() -> None:
    probe = Probe()
    threading.Event().wait(0.02)
    wall_s, cpu_s = probe.end()
    assert wall_s >= 0.02
    assert cpu_s < 0.01


def test_computing_shows_in_both() -> None:
    began = time.thread_time()
    probe = Probe()
    while time.thread_time() - began < 0.02:
        pass
    wall_s, cpu_s = probe.end()
    assert 0.018 <= cpu_s <= wall_s + 1e-9


# -- the table --------------------------------------------------------------------------------------------------------


class Any_(HTTPHandler):
    pass


def test_a_route_is_one_work_per_method() -> None:
    table = PaceTable()
    narrow, other = Route("/notes/([0-9]+)", Any_), Route("/notes/([0-9]+)", Any_)
    one = table.find(narrow, "GET", "/notes/1")
    assert table.find(narrow, "GET", "/notes/2?x") is one
    assert table.find(narrow, "PUT", "/notes/1") is not one
    assert table.find(other, "GET", "/notes/1") is not one


def test_a_catch_all_is_told_apart_by_its_first_segments() -> None:
    table = PaceTable()
    wide = Route("/(.*)", Any_)
    one = table.find(wide, "GET", "/api/slow/1")
    assert table.find(wide, "GET", "/api/slow/2?x=/y") is one
    assert table.find(wide, "GET", "/api/quick/1") is not one
    assert table.find(wide, "GET", "/") is not table.find(wide, "GET", "/api")


def test_the_table_does_not_grow_with_the_paths_asked_for() -> None:
    table = PaceTable()
    wide = Route("/(.*)", Any_)
    works = {id(table.find(wide, "GET", f"/{number}")) for number in range(5000)}
    assert len(works) < 600
    assert len(table._works) < 600


# -- the gate ---------------------------------------------------------------------------------------------------------


def test_pure_computing_runs_one_at_a_time_in_order() -> None:
    gate, work = Gate(), learned(12 * MS, 12 * MS)
    share = gate.enter(work, "a")
    assert share
    assert [gate.enter(work, name) for name in "bcd"] == [0.0] * 3
    assert gate.running == 1
    order = []
    while let_in := gate.leave(share):
        ((share, name),) = let_in
        order.append(name)
    assert (order, gate.running) == (["b", "c", "d"], 0)


def test_as_many_run_as_keep_the_cpu_busy() -> None:
    gate, work = Gate(), learned(55 * MS, 5 * MS)
    shares = [gate.enter(work, number) for number in range(30)]
    running = sum(share > 0 for share in shares)
    assert 9 <= running <= 12
    assert gate.running == running
    let_in = gate.leave(shares[0])
    assert [task for _, task in let_in] == [running]


def test_a_small_one_does_not_overtake_a_large_one_that_waits() -> None:
    gate, large, small = Gate(), learned(12 * MS, 12 * MS), learned(55 * MS, 5 * MS)
    share = gate.enter(small, "first")
    assert share
    assert gate.enter(large, "large") == 0.0
    assert gate.enter(small, "small") == 0.0
    ((share, task),) = gate.leave(share)
    assert task == "large"


def test_after_all_have_left_it_is_as_new() -> None:
    gate, work = Gate(), learned(55 * MS, 5 * MS)
    for _ in range(1000):
        share = gate.enter(work, None)
        assert share
        assert gate.leave(share) == []
    assert gate.running == 0
    assert gate.enter(learned(12 * MS, 12 * MS), None)


def test_entering_and_leaving_on_many_threads_loses_nobody() -> None:
    gate, work = Gate(), learned(12 * MS, 12 * MS)
    ran: list[int] = []
    done = threading.Semaphore(0)

    def run(share: float, number: int) -> None:
        ran.append(number)
        let_in = gate.leave(share)
        done.release()
        for more in let_in:
            run(*more)

    def many(first: int) -> None:
        for number in range(first, first + 200):
            share = gate.enter(work, number)
            if share:
                run(share, number)

    threads = [threading.Thread(target=many, args=(first,)) for first in (0, 200, 400)]
    for thread in threads:
        thread.start()
    assert all(done.acquire(timeout=10) for _ in range(600))
    assert (sorted(ran), gate.running) == (list(range(600)), 0)


def test_what_is_suspect_is_far_below_what_is_slow() -> None:
    assert 0.00005 <= SUSPECT_S <= 0.0005
