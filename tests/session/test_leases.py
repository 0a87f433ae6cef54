"""Leases: taken, renewed, given back, and expired after a kill; two `Leases` stand for two machines."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from webpy.session import leases
from webpy.session.leases import Leases
from webpy.store import MemoryStore, StoreError


@pytest.fixture(autouse=True)
def no_thread_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stop the thread, as tests that fork come after these."""
    monkeypatch.setattr(leases, "_RENEW_S", 0.03)
    yield
    for thread in threading.enumerate():
        if thread.name == "webpy-session-leases":
            thread.join(20)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def busy(locks: Leases, name: str) -> bool:
    try:
        locks.hold(name, 0.02)()
    except TimeoutError:
        return True
    return False


def test_one_at_a_time(store: MemoryStore) -> None:
    here, there = Leases(store), Leases(store)
    free = here.hold("a", 1.0)
    assert busy(here, "a") and busy(there, "a") and not busy(there, "b")
    free()
    assert not store and not busy(here, "a") and not busy(there, "a")


def test_others_wait_and_are_let_in(store: MemoryStore) -> None:
    here, there = Leases(store), Leases(store)
    free = here.hold("a", 1.0)
    got: list[Callable[[], None]] = []
    waiting = threading.Thread(target=lambda: got.append(there.hold("a", 20.0)))
    waiting.start()
    free()
    waiting.join(20)
    assert busy(here, "a")
    got.pop()()


def test_it_lives_as_long_as_it_is_held(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_LEASE_S", 0.2)
    here, there = Leases(store), Leases(store)
    free = here.hold("a", 1.0)
    with pytest.raises(TimeoutError, match=r"not free within 0\.5 s"):
        there.hold("a", 0.5)
    free()
    assert not busy(there, "a")


def test_without_its_process_it_ends(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_LEASE_S", 0.1)
    dead, there = Leases(store), Leases(store)
    monkeypatch.setattr(dead, "_renew", lambda: None)
    free = dead.hold("a", 1.0)
    began_s = time.monotonic()
    free_there = there.hold("a", 20.0)
    assert time.monotonic() - began_s < 5
    free()  # giving it back late takes nothing from the new holder
    assert len(store) == 1
    free_there()
    assert not store


class Broken(MemoryStore):
    broken = False

    def cas(self, *arguments: Any, **options: Any) -> bool:
        if self.broken:
            raise StoreError("the server is down")
        return super().cas(*arguments, **options)


def test_a_store_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    store = Broken()
    locks = Leases(store)
    free = locks.hold("a", 1.0)
    store.broken = True
    with caplog.at_level(logging.WARNING, "webpy.session"):
        free()
    assert "could not be given back, and will expire: the server is down" in caplog.text
    with pytest.raises(StoreError, match="down"):
        locks.hold("b", 1.0)
    store.broken = False
    locks.hold("b", 1.0)()  # the lock in memory is free, too


def test_a_store_that_fails_while_it_is_held(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Broken()
    locks = Leases(store)
    free = locks.hold("a", 1.0)
    tried = threading.Event()
    monkeypatch.setattr(leases._log, "warning", lambda *_: tried.set())
    store.broken = True
    assert tried.wait(20)
    store.broken = False
    free()
    assert not store
