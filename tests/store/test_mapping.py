"""The shared mapping: what `webpy.store.base` promises, tested with every kind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.forked import Forked
from webpy.store import FileStore, MemoryStore, SQLiteStore, Store

ODD_KEYS = [
    "",
    "\0",
    "a\0b",
    "/notes/1?x=%20",
    "ä€😀",
    "\ud800",
    "k" * 5000,
    "'; DROP TABLE webpy_store; --",
    "*",
    "a b",
]


def test_set_get_delete(shared: Store) -> None:
    shared["a"] = b"1"
    assert shared["a"] == shared.get("a") == b"1"
    assert "a" in shared and "b" not in shared
    assert cast(str, 5) not in shared
    assert shared.get("b") is None and shared.get("b", b"x") == b"x"
    shared["a"] = b"2"
    assert shared["a"] == b"2" and shared.pop("a") == b"2" and shared.pop("a", None) is None
    shared.set("a", b"3")
    del shared["a"]
    uses: list[Callable[[], object]] = [
        lambda: shared["a"],
        lambda: shared.__delitem__("a"),
        lambda: shared.pop("a"),
        lambda: shared.expires_s("a"),
    ]
    for missing in uses:
        with pytest.raises(KeyError):
            missing()


def test_len_and_popitem(listed: Store) -> None:
    assert len(listed) == 0 and not listed
    listed.update(a=b"1", b=b"2")
    assert len(listed) == 2 and listed
    assert dict([listed.popitem(), listed.popitem()]) == {"a": b"1", "b": b"2"}
    with pytest.raises(KeyError):
        listed.popitem()


def test_keys_and_values_of_every_sort(shared: Store) -> None:
    values = [b"", b"\0", bytes(range(256)), b"x" * 3_000_000]
    for i, key in enumerate(ODD_KEYS):
        shared[key] = values[i % len(values)]
    assert {k: shared[k] for k in ODD_KEYS} == {k: values[i % len(values)] for i, k in enumerate(ODD_KEYS)}


def test_iteration_is_in_order(listed: Store) -> None:
    for key in ODD_KEYS:
        listed[key] = key.encode("utf-8", "surrogatepass")[:100]
    assert list(listed) == sorted(ODD_KEYS) == [k for k, _ in listed.items()]
    assert list(listed.values()) == [listed[k] for k in sorted(ODD_KEYS)]


def test_bytes_like_values_come_back_as_bytes(shared: Store) -> None:
    shared["a"], shared["b"] = bytearray(b"1"), memoryview(b"2")  # type: ignore[assignment]
    assert shared.cas("a", cast(bytes, bytearray(b"1")), cast(bytes, bytearray(b"3")))
    assert [type(shared[key]) for key in "ab"] == [bytes, bytes] and (shared["a"], shared["b"]) == (b"3", b"2")


@pytest.mark.parametrize("value", ["text", None, 5, [b"x"]])
def test_a_value_that_is_not_bytes_is_named(shared: Store, value: Any) -> None:
    changes: list[Callable[[], object]] = [
        lambda: shared.__setitem__("a", value),
        lambda: shared.set("a", value, expires_s=1),
        lambda: shared.setdefault("a", value),
        lambda: shared.update({"b": b"fine", "a": value}),
        lambda: shared.cas("a", value or cast(bytes, 5), b"x"),
        lambda: shared.cas("a", None, value or cast(bytes, 5)),
    ]
    for change in changes[:3] + changes[4:]:
        with pytest.raises(TypeError, match="store values are bytes, got"):
            change()
    assert "a" not in shared
    if "Memcached" not in repr(shared):  # which has no transactions
        with pytest.raises(TypeError, match="store values are bytes, got"):
            changes[3]()
        assert dict(shared) == {}


def test_a_key_that_is_not_str_is_named(shared: Store) -> None:
    with pytest.raises(TypeError, match="store keys are str, got bytes: b'a'"):
        shared[b"a"] = b"x"  # type: ignore[index]


def test_setdefault_update_clear(listed: Store) -> None:
    listed.update({"a": b"1"}, b=b"2")
    listed.update([("c", b"3")])
    listed.update()
    assert dict(listed) == {"a": b"1", "b": b"2", "c": b"3"}
    assert listed.setdefault("b", b"x") == b"2" and listed.setdefault("d", b"4") == b"4" == listed["d"]
    listed.clear()
    assert list(listed.items()) == []


def test_incr(shared: Store) -> None:
    assert [shared.incr("n"), shared.incr("n", 5), shared.incr("n", -10)] == [1, 6, -4]
    assert shared["n"] == b"-4"
    for value in (b"", b"x", b"1.5", b" 1", b"1_0", b"9" * 20, b"07", b"-0", b"+1"):
        shared["n"] = value
        with pytest.raises(ValueError, match="'n': wanted a decimal number"):
            shared.incr("n")
        assert shared["n"] == value
    shared["n"] = b"%d" % (2**63 - 1)
    for lifetime in (None, 5):
        with pytest.raises(OverflowError, match="64 bits"):
            shared.incr("n", expires_s=lifetime)
        assert shared["n"] == b"%d" % (2**63 - 1)
    assert shared.incr("n", -1) == 2**63 - 2 and shared.incr("m", -(2**63), expires_s=5) == -(2**63)


def test_cas(shared: Store) -> None:
    assert shared.cas("a", None, None) and not shared.cas("a", b"x", b"1") and not shared.cas("a", b"x", None)
    assert shared.cas("a", None, b"1") and not shared.cas("a", None, b"2") and not shared.cas("a", None, None)
    assert shared.cas("a", b"1", b"") and shared["a"] == b""
    assert not shared.cas("a", b"1", b"3") and shared["a"] == b"" and not shared.cas("a", None, b"3")
    assert shared.cas("a", b"", None) and "a" not in shared


def test_iteration_over_many_while_they_change(listed: Store) -> None:
    count = 200 if isinstance(listed, FileStore) else 2000
    listed.update({f"{i:05}": b"x" for i in range(count)})
    seen = []
    for key in listed:
        seen.append(key)
        del listed[key]
    assert seen == [f"{i:05}" for i in range(count)] and len(listed) == 0


def test_closed(shared: Store) -> None:
    shared["a"] = b"1"
    shared.close()
    shared.close()
    uses: list[Callable[[], object]] = [
        lambda: shared["a"],
        lambda: shared.__setitem__("a", b""),
        lambda: shared.incr("a"),
        lambda: shared.cas("a", b"1", None),
    ]
    if "Memcached" not in repr(shared):
        uses += [lambda: list(shared), lambda: len(shared)]
    for use in uses:
        with pytest.raises(ValueError, match="is closed"):
            use()


# Lifetimes


def wait_until_gone(store: Store, key: str, *, within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while key in store:
        assert time.monotonic() < deadline, f"{key!r} is still there"
        time.sleep(0.002)


def test_a_lifetime(shared: Store) -> None:
    began = time.monotonic()
    shared.set("a", b"1", expires_s=0.05)
    shared.set("b", b"2", expires_s=100)
    shared["c"] = b"3"
    assert 99 < cast(float, shared.expires_s("b")) <= 100.01 and shared.expires_s("c") is None
    if "a" in shared:
        assert 0 <= cast(float, shared.expires_s("a")) <= 0.06
    wait_until_gone(shared, "a")
    assert 0.05 <= time.monotonic() - began < 4
    assert shared.get("a") is None and shared.pop("a", None) is None and not shared.cas("a", b"1", b"2")
    assert not shared.cas("a", b"1", None) and shared.cas("a", None, None)
    for missing in (lambda: shared["a"], lambda: shared.__delitem__("a"), lambda: shared.expires_s("a")):
        with pytest.raises(KeyError):
            missing()
    assert shared["b"] == b"2" and shared["c"] == b"3"


def test_an_expired_key_is_not_listed(listed: Store) -> None:
    listed.set("a", b"1", expires_s=0.01)
    listed.set("b", b"2", expires_s=100)
    wait_until_gone(listed, "a")
    assert list(listed) == ["b"] and len(listed) == 1 and dict(listed.items()) == {"b": b"2"}
    assert listed.popitem() == ("b", b"2")
    with pytest.raises(KeyError):
        listed.popitem()


def test_an_expired_key_is_as_new(shared: Store) -> None:
    """Each way to write a key that has expired."""
    for key in "abcd":
        shared.set(key, b"7", expires_s=0.01)
    for key in "abcd":
        wait_until_gone(shared, key)
    assert shared.incr("a") == 1 and shared.expires_s("a") is None
    assert shared.setdefault("b", b"x") == b"x" and shared.expires_s("b") is None
    assert shared.cas("c", None, b"y") and shared["c"] == b"y" and shared.expires_s("c") is None
    assert shared.incr("d", 5, expires_s=100) == 5 and cast(float, shared.expires_s("d")) > 99


def test_a_write_without_a_lifetime_lasts(shared: Store) -> None:
    for key in "abc":
        shared.set(key, b"1", expires_s=100)
    shared["a"] = b"2"
    shared.update(b=b"2")
    assert shared.cas("c", b"1", b"2")
    assert [shared.expires_s(key) for key in "abc"] == [None, None, None]
    assert shared.cas("c", b"2", b"3", expires_s=100) and cast(float, shared.expires_s("c")) > 99
    assert shared.cas("c", b"3", b"3", expires_s=1000) and cast(float, shared.expires_s("c")) > 999
    assert shared.cas("d", None, b"3", expires_s=100) and cast(float, shared.expires_s("d")) > 99


def test_incr_keeps_the_lifetime(shared: Store) -> None:
    assert shared.incr("n", expires_s=50) == 1 and shared.incr("n", expires_s=1000) == 2 and shared.incr("n") == 3
    assert 49 < cast(float, shared.expires_s("n")) <= 50.01
    shared["m"] = b"1"
    assert shared.incr("m", expires_s=50) == 2 and shared.expires_s("m") is None


@pytest.mark.parametrize("lifetime", [0, -1, float("nan"), float("inf"), 1e11, True, "1", b"1"])
def test_a_lifetime_that_is_none(shared: Store, lifetime: Any) -> None:
    changes: list[Callable[[], object]] = [
        lambda: shared.set("a", b"1", expires_s=lifetime),
        lambda: shared.incr("a", expires_s=lifetime),
        lambda: shared.cas("a", None, b"1", expires_s=lifetime),
    ]
    for change in changes:
        with pytest.raises((ValueError, TypeError), match=r"expires_s: got .*wanted seconds"):
            change()
    assert "a" not in shared


def test_a_very_long_lifetime(shared: Store) -> None:
    for i, lifetime in enumerate((40 * 86400, 1e9, 1e10)):
        shared.set(f"{i}", b"1", expires_s=lifetime)
        assert shared[f"{i}"] == b"1" and cast(float, shared.expires_s(f"{i}")) == pytest.approx(lifetime, abs=5)


@pytest.mark.parametrize("listed", ["memory", "sqlite", "file"], indirect=True)
def test_purge(listed: Store) -> None:
    for i in range(100):
        listed.set(f"{i}", b"x", expires_s=0.001)
    listed.set("b", b"x", expires_s=100)
    wait_until_gone(listed, "99")
    purged = listed.purge()  # and some were deleted by the writes
    assert 0 < purged <= 100.01 and listed.purge() == 0 and list(listed) == ["b"]


@pytest.mark.parametrize("listed", ["memory", "sqlite"], indirect=True)
def test_writes_purge_on_the_way(listed: Store) -> None:
    for i in range(300):
        listed.set(f"{i}", b"x", expires_s=0.001)
    wait_until_gone(listed, "299")
    for _ in range(200):
        listed["a"] = b"x"
    assert listed.purge() == 0 and list(listed) == ["a"]


def test_the_memory_of_lifetimes_is_bounded() -> None:
    with MemoryStore() as store:
        for _ in range(5000):
            store.set("a", b"x", expires_s=1000)
        assert len(store._ends) < 100 and store.expires_s("a") is not None


# Kinds against each other, threads, processes

_KEYS = st.sampled_from(["a", "b", "c"])
_VALUES = st.sampled_from([b"", b"1", b"22"])
_LIFETIMES = st.sampled_from([None, 1e-9, 1000])
_STEPS = st.one_of(
    st.tuples(st.just("__setitem__"), st.tuples(_KEYS, _VALUES), st.just({})),
    st.tuples(st.just("set"), st.tuples(_KEYS, _VALUES), st.fixed_dictionaries({"expires_s": _LIFETIMES})),
    st.tuples(st.just("pop"), st.tuples(_KEYS, _VALUES), st.just({})),
    st.tuples(st.just("setdefault"), st.tuples(_KEYS, _VALUES), st.just({})),
    st.tuples(st.just("incr"), st.tuples(st.just("n")), st.fixed_dictionaries({"expires_s": _LIFETIMES})),
    st.tuples(
        st.just("cas"),
        st.tuples(_KEYS, st.none() | _VALUES, st.none() | _VALUES),
        st.fixed_dictionaries({"expires_s": _LIFETIMES}),
    ),
    st.tuples(st.just("clear"), st.just(()), st.just({})),
)


@settings(max_examples=30)
@given(st.lists(_STEPS, max_size=10))
def test_local_kinds_do_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, tuple[Any, ...], dict[str, Any]]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    with MemoryStore() as memory, SQLiteStore(folder / "same.sqlite3") as sqlite, FileStore(folder / "same") as file:
        sqlite.clear()
        file.clear()
        for name, arguments, keywords in steps:
            expected = getattr(memory, name)(*arguments, **keywords)
            assert getattr(sqlite, name)(*arguments, **keywords) == expected
            assert getattr(file, name)(*arguments, **keywords) == expected
            if keywords.get("expires_s") == 1e-9:
                time.sleep(0.003)
            assert dict(memory) == dict(sqlite) == dict(file)


def test_threads_share_a_store(shared: Store) -> None:
    def work(name: str) -> None:
        try:
            for i in range(50):
                shared.incr("n")
                shared[f"{name}{i}"] = b"x"
                assert shared[f"{name}{i}"] == b"x"
        except BaseException as error:
            failures.append(error)

    failures: list[BaseException] = []
    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures and shared["n"] == b"200"
    assert all(shared[f"{name}{i}"] == b"x" for name in "abcd" for i in range(50))


def test_four_processes_write_at_once(between: Store) -> None:
    """Several processes make the store at the same time, and no change is lost."""
    rounds = 25

    def work(pipe: Connection) -> None:
        name = pipe.recv()
        for i in range(rounds):
            between.incr("n")
            while not between.cas("list", old := between.get("list"), (old or b"") + name.encode()):
                pass
            between.update({f"{name}{i}": b"x", name: b"%d" % i})
        pipe.send("done")

    with ExitStack() as stack:
        children = [stack.enter_context(Forked(work)) for _ in range(4)]
        for child, name in zip(children, "abcd", strict=True):
            child.send(name)
        assert [child.receive() for child in children] == ["done"] * 4
        assert [child.join() for child in children] == [0] * 4
    assert between["n"] == b"%d" % (4 * rounds)
    assert sorted(between["list"]) == sorted(b"abcd" * rounds)
    assert all(f"{name}{i}" in between for name in "abcd" for i in range(rounds))
    assert [between[name] for name in "abcd"] == [b"%d" % (rounds - 1)] * 4


def test_a_fork_gets_connections_of_its_own(between: Store) -> None:
    between["parent"] = b"1"

    def work(pipe: Connection) -> None:
        pipe.send(between["parent"])
        pipe.recv()
        pipe.send([between.incr("n") for _ in range(40)])

    with Forked(work) as child:
        assert child.receive() == b"1"
        child.send()
        assert sorted(between.incr("n") for _ in range(40)) != child.receive()
        assert child.join() == 0
    assert between["n"] == b"80"
