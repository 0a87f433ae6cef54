"""The history: samples of ten minutes, and percentiles from latency buckets."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.admin.sample import sample
from webpy.admin.history import History, Sampler, percentile_ms
from webpy.admin.link import Link, Snapshot
from webpy.supervisor.scoreboard.latency import bucket


def snapshot(taken_s: float, ok: int, failed: int = 0, latency: dict[str, dict[str, int]] | None = None) -> Snapshot:
    status = sample(latency=latency or {})
    status["totals"]["by_class"] |= {"2xx": ok, "5xx": failed}
    return Snapshot(status, 1_000_000 + taken_s, taken_s)


def test_rates_are_of_the_time_between_two_snapshots() -> None:
    history = History()
    history.add(snapshot(10, 100))
    assert history.since(0) == []
    history.add(snapshot(12, 150, 4))
    (only,) = history.since(0)
    assert only["at"] == 1_000_012
    assert only["rates"] == {"1xx": 0, "2xx": 25, "3xx": 0, "4xx": 0, "5xx": 2, "other": 0}


def test_the_same_snapshot_twice_is_no_sample() -> None:
    history = History()
    for _ in range(3):
        history.add(snapshot(10, 100))
    assert history.since(0) == []


def test_since_gives_what_is_new() -> None:
    history = History()
    for step in range(5):
        history.add(snapshot(10 + 2 * step, step))
    assert [each["at"] for each in history.since(1_000_014)] == [1_000_016, 1_000_018]


def test_ten_minutes_are_kept() -> None:
    history = History()
    for step in range(1000):
        history.add(snapshot(2 * step, step))
    assert len(history.since(0)) == 300


def test_latency_is_that_of_the_interval() -> None:
    history = History()
    history.add(snapshot(10, 0, latency={"2": {"39": 900}}))
    history.add(snapshot(12, 0, latency={"2": {"39": 900, "100": 10}, "5": {"100": 5}}))
    history.add(snapshot(14, 0, latency={"2": {"39": 900, "100": 10}, "5": {"100": 5}}))
    first, silent = history.since(0)
    assert bucket(int(first["p50_ms"] * 1000)) == bucket(int(first["p99_ms"] * 1000)) == 100
    assert silent["p50_ms"] is None and silent["p99_ms"] is None


def test_counters_that_fell_count_nothing() -> None:
    history = History()
    history.add(snapshot(10, 1000, latency={"2": {"39": 1000}}))
    history.add(snapshot(12, 3, latency={"2": {"39": 3}}))
    (only,) = history.since(0)
    assert only["rates"]["2xx"] == 0 and only["p50_ms"] is None


@given(st.lists(st.integers(0, 200_000_000), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_percentiles_are_right_to_a_bucket(times_us: list[int], share: float) -> None:
    counts: dict[int, int] = {}
    for us in times_us:
        counts[bucket(us)] = counts.get(bucket(us), 0) + 1
    exact = sorted(times_us)[max(0, -(-len(times_us) * int(share * 100) // 100) - 1)]
    got = percentile_ms(counts, share)
    assert got is not None
    # interpolation ends at a bucket's upper edge, which is the next one's first
    assert bucket(exact) <= bucket(int(got * 1000 + 0.5)) <= bucket(exact) + 1


def test_percentile_of_nothing() -> None:
    assert percentile_ms({}, 0.5) is None


def test_the_sampler_lives_through_a_master_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    import webpy.admin.history as module

    monkeypatch.setattr(module, "_STEP_S", 0.001)
    history = History()

    class Link_(Link):
        def __init__(self) -> None:
            self.moments = 0

        def snapshot(self) -> Any:
            self.moments += 1
            if self.moments % 2:
                raise module.NoAnswer("gone", None)
            return snapshot(self.moments, random.randrange(100))

    link = Link_()
    sampler = Sampler(link, history)
    sampler.start()
    while len(history.since(0)) < 5:
        pass
    sampler.stop()
    seen = link.moments
    assert seen >= 10
