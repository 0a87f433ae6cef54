"""The memo: what comes again is kept, in bounded number, and what comes once is not."""

from __future__ import annotations

import pytest

from webpy.worker.cache import Cache


def take(memo: Cache[str], key: bytes) -> bool:
    """As the planner uses it; whether the value had to be worked out."""
    if memo.get(key) is not None:
        return False
    memo.offer(key, key.decode())
    return True


def test_what_comes_for_the_second_time_is_kept() -> None:
    memo: Cache[str] = Cache(4, 100)
    assert [take(memo, b"a") for _ in range(4)] == [True, True, False, False]
    assert memo.get(b"a") == "a"
    assert memo.recent == {b"a": "a"}


def test_what_comes_once_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    memo: Cache[str] = Cache(4, 100)
    for number in range(10_000):
        assert take(memo, b"%d" % number)
    assert not memo.recent
    assert len(memo._seen) <= 32  # nor is its mark, for ever


def test_too_long_a_key_is_never_kept() -> None:
    memo: Cache[str] = Cache(4, 3)
    assert [take(memo, b"abcd") for _ in range(3)] == [True] * 3
    assert [take(memo, b"abc") for _ in range(3)] == [True, True, False]


def test_it_is_bounded_and_what_is_used_stays() -> None:
    memo: Cache[str] = Cache(4, 100)
    recent = memo.recent
    take(memo, b"often")
    take(memo, b"often")
    for number in range(100):
        for _ in range(2):
            take(memo, b"%d" % number)
        assert not take(memo, b"often")
        assert len(memo.recent) <= 4
        assert len(memo.recent) + len(memo._older) <= 8
    assert memo.recent is recent  # the loop looks there without a call
    assert memo.get(b"1") is None


def test_forgetting_everything() -> None:
    memo: Cache[str] = Cache(2, 100)
    recent = memo.recent
    for key in (b"a", b"b", b"c"):
        take(memo, key)
        take(memo, key)
    memo.clear()
    assert [memo.get(key) for key in (b"a", b"b", b"c")] == [None] * 3
    assert memo.recent is recent
    assert take(memo, b"a")
    assert take(memo, b"a")  # it comes for the first time again


def test_more_keys_in_turn_than_there_is_room_for() -> None:
    """Those that are kept stay, instead of each being dropped just before it comes again."""
    memo: Cache[str] = Cache(100, 100)
    missed = [sum(take(memo, b"%d" % number) for number in range(500)) for _ in range(40)]
    assert sum(missed[10:]) <= 30 * 400
    assert len(memo.recent) <= 100 and len(memo._older) <= 100


def test_it_changes_again_after_a_while() -> None:
    memo: Cache[str] = Cache(10, 100)
    for _ in range(4):
        for number in range(60):
            take(memo, b"%d" % number)
    for _ in range(400):
        take(memo, b"new")
    assert not take(memo, b"new")
    assert len(memo.recent) <= 10 and len(memo._older) <= 10
