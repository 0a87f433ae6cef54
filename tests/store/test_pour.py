"""`pour`, the leaky bucket of every store: against a plain model, over time, and from many processes at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.forked import Forked
from webpy.store import MemoryStore, SQLiteStore, Store, base

HOUR_US = 3_600_000_000


class Model:
    """The other formulation of the algorithm (ITU-T I.371 annex A): a level that falls as time passes."""

    def __init__(self) -> None:
        self.level_us = self.seen_us = 0

    def pour(self, now_us: int, amount_us: int, capacity_us: int) -> tuple[bool, int]:
        self.level_us = max(0, self.level_us - (now_us - self.seen_us))
        self.seen_us = now_us
        poured = self.level_us + amount_us <= capacity_us
        self.level_us += amount_us if poured else 0
        return poured, self.level_us


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    """A store in memory, and one in SQLite."""
    path = tmp_path_factory.mktemp("pour") / "store.sqlite3"
    with MemoryStore(per_worker=True) as memory, SQLiteStore(path) as sqlite:
        yield memory, sqlite


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 10**6),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 10 * HOUR_US)), min_size=1, max_size=30),
)
def test_it_is_the_model(both: tuple[Store, Store], burst: int, odd_us: int, steps: list[tuple[str, int]]) -> None:
    """Clients come at any time; the clock is the test's, and values are kept for hours of the real one."""
    amount_us, models = HOUR_US + odd_us, {"a": Model(), "b": Model()}
    capacity_us = burst * amount_us
    now_us = base.now_us()
    admitted: dict[str, list[int]] = {"a": [], "b": []}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "now_us", lambda: now_us)
        for store in both:
            store.pop("a", None), store.pop("b", None)
        for key, pause_us in steps:
            now_us += pause_us
            wanted = models[key].pour(now_us, amount_us, capacity_us)
            for store in both:
                assert store.pour(key, amount_us, capacity_us) == wanted
            if wanted[0]:
                admitted[key].append(now_us)
    for times in admitted.values():  # what it is for: any stretch of time has the burst and what has leaked in it
        for first, begin in enumerate(times):
            for last, end in enumerate(times[first:], 1):
                assert last <= burst + (end - begin) / amount_us


def test_it_fills_and_is_full(shared: Store) -> None:
    levels = [shared.pour("a", HOUR_US, 3 * HOUR_US) for _ in range(5)]
    assert [poured for poured, _ in levels] == [True] * 3 + [False] * 2
    for (_, level_us), hours in zip(levels, (1, 2, 3, 3, 3), strict=True):
        assert hours * HOUR_US - 60_000_000 < level_us <= hours * HOUR_US
    left_s = shared.expires_s("a")
    assert left_s is not None and 3 * 3600 - 60 < left_s < 3 * 3600 + 3
    assert shared.pour("b", HOUR_US, HOUR_US) == (True, HOUR_US)


def test_it_leaks(shared: Store) -> None:
    assert shared.pour("a", 20_000, 20_000) == (True, 20_000)
    tries = 1
    while not shared.pour("a", 20_000, 20_000)[0]:  # for 20 ms
        tries += 1
    assert tries < 1_000_000 and shared.pour("a", HOUR_US, HOUR_US)[0] is False


@pytest.mark.parametrize("value", [b"", b"x", b"-5", b"1e9", b"9" * 30, b"\xff"])
def test_what_is_no_bucket_counts_as_an_empty_one(shared: Store, value: bytes) -> None:
    shared["a"] = value
    assert shared.pour("a", HOUR_US, HOUR_US) == (True, HOUR_US)


def test_a_bucket_holds_no_more_than_its_capacity(shared: Store) -> None:
    """The clock was set back by a year, or the limit was another before."""
    shared["a"] = b"%d" % (base.now_us() + 365 * 24 * HOUR_US)
    assert shared.pour("a", HOUR_US, 2 * HOUR_US) == (False, 2 * HOUR_US)


@pytest.mark.parametrize(("amount_us", "capacity_us"), [(0, 5), (-1, 5), (6, 5), (1, 10**16)])
def test_amounts_are_checked(shared: Store, amount_us: int, capacity_us: int) -> None:
    with pytest.raises(ValueError, match=f"amount_us: got {amount_us}, wanted more than 0, at most"):
        shared.pour("a", amount_us, capacity_us)
    assert "a" not in shared


def test_processes_together_get_what_is_there(between: Store) -> None:
    """No more, and no less, whoever comes first."""

    def work(pipe: Connection) -> None:
        pipe.send(sum(between.pour("a", HOUR_US, 60 * HOUR_US)[0] for _ in range(50)))

    with ExitStack() as stack:
        children = [stack.enter_context(Forked(work)) for _ in range(4)]
        assert sum(child.receive() for child in children) == 60
