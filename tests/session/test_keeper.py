"""Loading, saving and expiry, with stores of this process and a clock that is set."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from webpy.session import Keeper, Session, SessionBusy, SessionLost, Terms
from webpy.session.locks import MemoryLocks
from webpy.session.session import key_of, new_id
from webpy.store import MemoryStore

TERMS = Terms(idle_s=100.0, ttl_s=1000.0, wait_s=0.05)


class Sight(MemoryStore):
    """A store in memory that records the lifetimes it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.lifetimes: list[float | None] = []

    def set(self, key: str, value: bytes, *, expires_s: float | None = None) -> None:
        self.lifetimes.append(expires_s)
        super().set(key, value)

    def cas(self, key: str, expected: bytes | None, new: bytes | None, *, expires_s: float | None = None) -> bool:
        if new is not None:
            self.lifetimes.append(expires_s)
        return super().cas(key, expected, new)


@pytest.fixture
def store() -> Sight:
    return Sight()


@pytest.fixture
def keeper(store: Sight) -> Keeper:
    return Keeper(store, MemoryLocks())


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the clock that decides when sessions end."""
    clock = SimpleNamespace(now_s=1e9, time=lambda: clock.now_s)
    monkeypatch.setattr("webpy.session.keeper.time", clock)

    def at(now_s: float) -> None:
        clock.now_s = 1e9 + now_s

    return at


def begun(keeper: Keeper, terms: Terms = TERMS, **values: Any) -> str:
    session = keeper.open(None, terms)
    session.update(values)
    id = keeper.save(session, terms)
    assert id == session.id
    return session.id


def change(keeper: Keeper, id: str, terms: Terms = TERMS, **values: Any) -> str | None:
    session = keeper.open(id, terms)
    session.update(values)
    return keeper.save(session, terms)


def read(keeper: Keeper, id: str, terms: Terms = TERMS) -> dict[str, Any]:
    session = keeper.open(id, terms)
    keeper.drop(session)
    return dict(session)


def test_values_come_back_as_json_has_them(keeper: Keeper) -> None:
    values = {"user": "Zo\xeb \ud800", "n": 2**70, "x": 0.1, "none": None, "list": [1, {"a": True}], "": ""}
    id = begun(keeper, **values)
    assert read(keeper, id) == values
    assert read(keeper, begun(keeper, pair=(1, 2))) == {"pair": [1, 2]}


def test_the_store_never_sees_an_id(keeper: Keeper, store: Sight) -> None:
    id = begun(keeper, n=1)
    change(keeper, id, n=2)
    ((key, record),) = store.items()
    assert key == key_of(id) and id not in key
    assert json.loads(record)["data"] == {"n": 2} and id.encode() not in record


@pytest.mark.parametrize("id", [None, "", "x" * 43, "guess", "\xe4" * 43, new_id()])
def test_an_unknown_id_is_not_taken_over(keeper: Keeper, store: Sight, id: str | None) -> None:
    session = keeper.open(id, TERMS)
    assert session.new and not session and session.id != id
    session["n"] = 1
    assert keeper.save(session, TERMS) == session.id
    assert list(store) == [key_of(session.id)]


def test_nothing_is_kept_of_an_empty_new_session(keeper: Keeper, store: Sight) -> None:
    assert keeper.save(keeper.open(None, TERMS), TERMS) is None
    assert keeper.save(keeper.open(new_id(), TERMS), TERMS) is None
    assert not store


def test_an_emptied_session_stays(keeper: Keeper, store: Sight) -> None:
    id = begun(keeper, n=1)
    session = keeper.open(id, TERMS)
    session.clear()
    assert keeper.save(session, TERMS) == id
    assert not keeper.open(id, TERMS).new


def test_only_changes_are_written(keeper: Keeper, store: Sight, at: Callable[[float], None]) -> None:
    id = begun(keeper, tags=["a"])
    assert store.lifetimes == [100.0]
    assert change(keeper, id) is None and change(keeper, id, tags=["a"]) is None
    assert store.lifetimes == [100.0]
    session = keeper.open(id, TERMS)
    session["tags"].append("b")
    assert keeper.save(session, TERMS) == id
    assert store.lifetimes == [100.0, 100.0] and read(keeper, id) == {"tags": ["a", "b"]}


def test_regenerate(keeper: Keeper, store: Sight) -> None:
    old = begun(keeper, n=1)
    session = keeper.open(old, TERMS)
    session.regenerate()
    new = keeper.save(session, TERMS)
    assert new and new != old
    assert read(keeper, new) == {"n": 1}
    assert read(keeper, old) == {}
    assert new.encode() not in store[key_of(old)]
    assert store.lifetimes[-1] == 30.0  # a new session instead of the old one, which has ended
    with pytest.raises(SessionLost, match="replaced"):
        change(keeper, old, n=2)
    assert keeper.save(keeper.open(old, TERMS), TERMS) is None
    assert read(keeper, new) == {"n": 1}


def test_invalidate(keeper: Keeper, store: Sight) -> None:
    id = begun(keeper, n=1)
    session = keeper.open(id, TERMS)
    session.invalidate()
    assert keeper.save(session, TERMS) == ""
    assert not store
    session = keeper.open(None, TERMS)
    session.invalidate()
    assert keeper.save(session, TERMS) is None


def test_invalidate_and_begin_anew(keeper: Keeper, store: Sight) -> None:
    id = begun(keeper, n=1)
    session = keeper.open(id, TERMS)
    session.invalidate()
    session["m"] = 2
    other = keeper.save(session, TERMS)
    assert other and read(keeper, other) == {"m": 2} and read(keeper, id) == {}


def test_it_ends_when_it_is_not_used(keeper: Keeper, store: Sight, at: Callable[[float], None]) -> None:
    at(0)
    id = begun(keeper, n=1)
    for now_s in (9, 12, 99, 190):
        at(now_s)
        change(keeper, id)
    assert store.lifetimes == [100.0] * 4  # at 9 it had just been written
    at(290)
    assert read(keeper, id) == {"n": 1}
    at(290.5)
    assert read(keeper, id) == {} and not store


def test_it_ends_however_it_is_used(keeper: Keeper, store: Sight, at: Callable[[float], None]) -> None:
    at(0)
    id = begun(keeper, n=1)
    for now_s in range(50, 1000, 50):
        at(now_s)
        assert change(keeper, id) == id
    assert store.lifetimes[-3:] == [100.0, 100.0, 50.0]
    at(1001)
    assert read(keeper, id) == {}


def test_regenerate_begins_its_life_anew(keeper: Keeper, at: Callable[[float], None]) -> None:
    at(0)
    terms = Terms(idle_s=1000.0, ttl_s=1000.0)
    id: str | None = begun(keeper, terms, n=1)
    at(900)
    session = keeper.open(id, terms)
    session.regenerate()
    id = keeper.save(session, terms)
    at(1800)
    assert read(keeper, str(id), terms) == {"n": 1}


def test_without_a_bound_to_its_life(keeper: Keeper, store: Sight, at: Callable[[float], None]) -> None:
    terms = Terms(idle_s=1e9, ttl_s=None)
    at(0)
    id = begun(keeper, terms, n=1)
    at(9e8)
    assert change(keeper, id, terms, n=2) == id
    assert store.lifetimes == [1e9, 1e9]


def test_peek_waits_for_nobody_and_keeps_it_alive(keeper: Keeper, store: Sight, at: Callable[[float], None]) -> None:
    at(0)
    id = begun(keeper, n=1)
    held = keeper.open(id, TERMS)
    held["n"] = 2
    at(60)
    assert dict(keeper.peek(id, TERMS)) == {"n": 1}
    assert store.lifetimes == [100.0]  # the request that has it locked writes it
    keeper.drop(held)
    assert dict(keeper.peek(id, TERMS)) == {"n": 1}
    assert store.lifetimes == [100.0, 100.0]
    at(150)
    assert read(keeper, id) == {"n": 1}
    assert dict(keeper.peek("guess", TERMS)) == {} == dict(keeper.peek(new_id(), TERMS))


def test_others_wait_and_are_let_in(keeper: Keeper) -> None:
    id = begun(keeper, n=1)
    first = keeper.open(id, TERMS)
    with pytest.raises(SessionBusy, match=r"not free within 0\.05 s"):
        keeper.open(id, TERMS)
    patient = Terms(wait_s=20.0)
    got: list[Any] = []
    second = threading.Thread(target=lambda: got.append(change(keeper, id, patient, m=2)))
    second.start()
    first["n"] = 5
    keeper.save(first, TERMS)
    second.join(20)
    assert got == [id] and read(keeper, id) == {"n": 5, "m": 2}


def test_not_all_threads_wait_for_one_session(keeper: Keeper) -> None:
    id, other = begun(keeper, n=1), begun(keeper, n=1)
    held = keeper.open(id, TERMS)
    patient = Terms(wait_s=20.0)
    threads = [threading.Thread(target=change, args=(keeper, id, patient), kwargs={f"by{n}": n}) for n in range(16)]
    for thread in threads:
        thread.start()
    while keeper._waiting != {key_of(id): 16}:
        time.sleep(0.001)
    with pytest.raises(SessionBusy, match="waited for by 16 others"):
        keeper.open(id, patient)
    assert change(keeper, other, n=2) == other
    keeper.drop(held)
    for thread in threads:
        thread.join(20)
    assert len(read(keeper, id)) == 17 and not keeper._waiting


def test_saved_it_is_frozen(keeper: Keeper) -> None:
    session = keeper.open(None, TERMS)
    session["n"] = 1
    keeper.save(session, TERMS)
    with pytest.raises(RuntimeError, match="has been saved"):
        session["n"] = 2
    keeper.drop(session)
    assert session["n"] == 1


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({"x": object()}, TypeError, "not JSON serializable"),
        ({"x": b"bytes"}, TypeError, "not JSON serializable"),
        ({"x": float("nan")}, ValueError, "JSON compliant"),
        ({"x": "y" * 100_000}, ValueError, r"a session of 1000\d\d bytes, wanted 65536 at most"),
    ],
)
def test_what_cannot_be_kept(keeper: Keeper, values: dict[str, Any], error: type[Exception], said: str) -> None:
    id = begun(keeper, n=1)
    with pytest.raises(error, match=said):
        change(keeper, id, **values)
    with pytest.raises(error, match=said):
        begun(keeper, **values)
    assert change(keeper, id, n=2) == id  # the session is free again
    assert read(keeper, id) == {"n": 2}


def test_what_another_has_written_is_not_overwritten(keeper: Keeper, store: Sight) -> None:
    """Locks that do not lock, as after a lease that has expired."""
    id = begun(keeper, n=1)
    for ended in (False, True):
        session = keeper.open(id, TERMS)
        session["n"] = 7
        if ended:
            del store[key_of(id)]
        else:
            store[key_of(id)] = store[key_of(id)].replace(b":1}", b":2}")
        with pytest.raises(SessionLost, match="another request changed it"):
            keeper.save(session, TERMS)
        assert read(keeper, id) == ({} if ended else {"n": 2})


def test_a_regenerated_one_that_was_changed_leaves_nothing(keeper: Keeper, store: Sight) -> None:
    id = begun(keeper, n=1)
    session = keeper.open(id, TERMS)
    session.regenerate()
    store[key_of(id)] = b"other"
    with pytest.raises(SessionLost):
        keeper.save(session, TERMS)
    assert list(store) == [key_of(id)]


@pytest.mark.parametrize("record", [b"", b"{}", b"[]", b"\xff", b'{"data":[],"created":1,"used":1}', b"null"])
def test_a_record_that_is_none(keeper: Keeper, store: Sight, record: bytes, caplog: pytest.LogCaptureFixture) -> None:
    id = new_id()
    store[key_of(id)] = record
    with caplog.at_level(logging.WARNING, "webpy.session"):
        assert read(keeper, id) == {}
    assert "cannot be read" in caplog.text and id not in caplog.text


@pytest.mark.parametrize(
    "terms", [{"idle_s": 0}, {"ttl_s": -1}, {"max_bytes": 0}, {"idle_s": float("nan")}, {"wait_s": -1}]
)
def test_terms_that_are_none(terms: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"session_{next(iter(terms))}: got .*, wanted "):
        Terms(**terms)


def test_it_is_a_session(keeper: Keeper) -> None:
    assert isinstance(keeper.open(None, TERMS), Session)
