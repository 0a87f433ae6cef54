"""Only our own nonces are valid, for a limited time, and each count once, however many workers use them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.services import memcached_server, redis_server
from webpy import auth, store


def test_counts_are_taken_once_in_any_order() -> None:
    nonces = auth.Nonces(store.MemoryStore())
    nonce = nonces.issue("r")
    assert [nonces.take(nonce, "r", count) for count in (2, 1, 2, 1, 130, 3, 2, 2**32 - 1, 131)] == [
        *(True, True, False, False),
        *(True, True, False),  # 3 is the oldest count in the bitmap
        *(True, False),
    ]


def test_only_our_nonces_count() -> None:
    nonces = auth.Nonces(store.MemoryStore())
    nonce = nonces.issue("r")
    changed = nonce[:-1] + ("A" if nonce[-1] != "A" else "B")
    older = "A" * 11 + nonce[11:]
    for bad in ("", "x", nonce[:-1], changed, older, nonce + "=", "é" * 56, "A" * 56):
        assert not nonces.take(bad, "r", 1)
    assert not nonces.take(nonce, "another realm", 1)
    assert not auth.Nonces(store.MemoryStore()).take(nonce, "r", 1), "of another key"
    assert nonces.take(nonce, "r", 1)


def test_they_expire_and_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store.MemoryStore()
    nonces = auth.Nonces(kept, lifetime_s=10)
    issued = [nonces.issue("r") for _ in range(5)]
    assert list(kept) == ["webpy.auth/key"], "issuing stores nothing but the key"
    assert nonces.take(issued[0], "r", 1)
    assert len(kept) == 2
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 9.5)
    assert nonces.take(issued[0], "r", 2) and nonces.take(issued[1], "r", 1)
    monkeypatch.setattr(time, "time", lambda: now + 10.5)
    assert not nonces.take(issued[0], "r", 3) and not nonces.take(issued[2], "r", 1)


def test_counts_are_kept_as_long_as_their_nonce() -> None:
    """The lifetime that the store is given for the counts."""
    told: list[float | None] = []

    class Told(store.MemoryStore):
        def cas(self, key: str, expected: object, new: object, *, expires_s: float | None = None) -> bool:
            told.append(expires_s)
            return super().cas(key, expected, new, expires_s=expires_s)

    nonces = auth.Nonces(Told(), lifetime_s=100)
    assert nonces.take(nonces.issue("r"), "r", 1)
    key, counts = told
    assert key is None
    assert counts is not None and 150 < counts <= 160  # a minute more, as clocks may differ


def test_workers_share_a_key_also_a_new_one() -> None:
    kept = store.MemoryStore()
    one, other = auth.Nonces(kept), auth.Nonces(kept)
    assert other.take(one.issue("r"), "r", 1)
    kept.clear()
    newer = auth.Nonces(kept)
    assert one.take(newer.issue("r"), "r", 1)
    assert newer.take(one.issue("r"), "r", 1)
    kept["webpy.auth/key"] = b"short"
    with pytest.raises(ValueError, match="got 5 bytes, wanted 32"):
        auth.Nonces(kept).issue("r")


def test_one_of_many_threads_gets_the_count(tmp_path: Path) -> None:
    with store.open(f"sqlite:///{tmp_path}/counts") as kept:
        nonce = auth.Nonces(kept).issue("r")
        won: list[int] = []

        def take() -> None:
            nonces = auth.Nonces(kept)
            won.extend(count for count in range(1, 41) if nonces.take(nonce, "r", count))

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == list(range(1, 41))


def test_the_store_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    nonces = auth.Nonces()
    assert not list(tmp_path.iterdir()), "nothing is opened before it is needed"
    nonces.issue("r")
    assert (tmp_path / "webpy-auth.sqlite3").exists()
    monkeypatch.setenv("WEBPY_AUTH", "sqlite:///elsewhere")
    auth.Nonces().issue("r")
    assert (tmp_path / "elsewhere").exists()


def test_a_lifetime_is_some_seconds() -> None:
    for bad in (0, -1, float("nan"), 1e10):
        with pytest.raises(ValueError, match="lifetime_s"):
            auth.Nonces(lifetime_s=bad)


def taken_once(url: str) -> None:
    """Two `Nonces` on one store, as on two machines."""
    with store.open(url) as one, store.open(url) as other:
        issuer, taker = auth.Nonces(one), auth.Nonces(other)
        nonce = issuer.issue("r")
        assert [each.take(nonce, "r", 1) for each in (taker, issuer, taker)] == [True, False, False]
        assert [each.take(nonce, "r", 3) for each in (issuer, taker)] == [True, False]
        assert taker.take(nonce, "r", 2) and not issuer.take(nonce, "r", 2)


def test_in_files(tmp_path: Path) -> None:
    taken_once(f"file:///{tmp_path}/counts")


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_in_redis(tmp_path: Path) -> None:
    with redis_server(tmp_path) as url:
        taken_once(url)


@pytest.mark.slow
@pytest.mark.needs("memcached")
def test_in_memcached() -> None:
    with memcached_server() as url:
        taken_once(url)
