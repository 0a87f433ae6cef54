"""The shared mapping: each kind as a mapping; the SQLite one under processes that race and get killed."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.forked import Forked
from webpy import store
from webpy.store import MemoryStore, SQLiteStore, Store, StoreError, StoreTimeout

ODD_KEYS = ["", "\0", "a\0b", "/notes/1?x=%20", "ä€😀", "\ud800", "k" * 5000, "'; DROP TABLE webpy_store; --"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "store.sqlite3")


@pytest.fixture(params=["sqlite", "memory"])
def shared(request: pytest.FixtureRequest, path: str) -> Iterator[Store]:
    with store.open(f"sqlite:///{path}") if request.param == "sqlite" else store.open("memory:") as opened:
        yield opened


# As a mapping


def test_set_get_delete(shared: Store) -> None:
    shared["a"] = b"1"
    assert shared["a"] == shared.get("a") == b"1"
    assert "a" in shared and "b" not in shared
    assert cast(str, 5) not in shared
    assert shared.get("b") is None and shared.get("b", b"x") == b"x"
    shared["a"] = b"2"
    assert shared["a"] == b"2" and len(shared) == 1
    del shared["a"]
    assert len(shared) == 0 and not shared
    uses: list[Callable[[], object]] = [
        lambda: shared["a"],
        lambda: shared.__delitem__("a"),
        lambda: shared.pop("a"),
        shared.popitem,
    ]
    for missing in uses:
        with pytest.raises(KeyError):
            missing()


def test_keys_and_values_of_every_sort(shared: Store) -> None:
    values = [b"", b"\0", bytes(range(256)), b"x" * 3_000_000]
    for i, key in enumerate(ODD_KEYS):
        shared[key] = values[i % len(values)]
    assert {k: shared[k] for k in ODD_KEYS} == {k: values[i % len(values)] for i, k in enumerate(ODD_KEYS)}
    assert list(shared) == sorted(ODD_KEYS) == [k for k, _ in shared.items()]
    assert list(shared.values()) == [shared[k] for k in sorted(ODD_KEYS)]


def test_bytes_like_values_come_back_as_bytes(shared: Store) -> None:
    shared["a"], shared["b"] = bytearray(b"1"), memoryview(b"2")  # type: ignore[assignment]
    assert type(shared["a"]) is bytes and dict(shared) == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize("value", ["text", None, 5, [b"x"]])
def test_a_value_that_is_not_bytes_is_named(shared: Store, value: Any) -> None:
    changes: list[Callable[[], object]] = [
        lambda: shared.__setitem__("a", value),
        lambda: shared.setdefault("a", value),
        lambda: shared.update({"b": b"fine", "a": value}),
        lambda: shared.cas("a", value or cast(bytes, 5), b"x"),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="store values are bytes, got"):
            change()
    assert dict(shared) == {}


def test_a_key_that_is_not_str_is_named(shared: Store) -> None:
    with pytest.raises(TypeError, match="store keys are str, got bytes: b'a'"):
        shared[b"a"] = b"x"  # type: ignore[index]


def test_pop_setdefault_update_clear(shared: Store) -> None:
    shared.update({"a": b"1"}, b=b"2")
    shared.update([("c", b"3")])
    assert dict(shared) == {"a": b"1", "b": b"2", "c": b"3"}
    assert shared.pop("a") == b"1" and shared.pop("a", None) is None
    assert shared.setdefault("b", b"x") == b"2" and shared.setdefault("d", b"4") == b"4" == shared["d"]
    taken = dict([shared.popitem(), shared.popitem()])
    assert len(taken) == 2 and len(shared) == 1
    shared.clear()
    assert list(shared.items()) == []


def test_incr(shared: Store) -> None:
    assert [shared.incr("n"), shared.incr("n", 5), shared.incr("n", -10)] == [1, 6, -4]
    assert shared["n"] == b"-4"
    for value in (b"", b"x", b"1.5", b" 1", b"1_0", b"9" * 20):
        shared["n"] = value
        with pytest.raises(ValueError, match="'n': wanted a decimal number"):
            shared.incr("n")
        assert shared["n"] == value
    shared["n"] = b"%d" % (2**63 - 1)
    with pytest.raises(OverflowError, match="64 bits"):
        shared.incr("n")
    assert shared["n"] == b"%d" % (2**63 - 1)


def test_cas(shared: Store) -> None:
    assert shared.cas("a", None, None) and not shared.cas("a", b"x", b"1") and not shared.cas("a", b"x", None)
    assert shared.cas("a", None, b"1") and not shared.cas("a", None, b"2") and not shared.cas("a", None, None)
    assert shared.cas("a", b"1", b"") and shared["a"] == b""
    assert not shared.cas("a", b"1", b"3") and shared["a"] == b""
    assert shared.cas("a", b"", None) and "a" not in shared


def test_iteration_over_many_while_they_change(shared: Store) -> None:
    shared.update({f"{i:05}": b"x" for i in range(2000)})
    seen = []
    for key in shared:
        seen.append(key)
        del shared[key]
    assert seen == [f"{i:05}" for i in range(2000)] and len(shared) == 0


def test_closed(shared: Store) -> None:
    shared["a"] = b"1"
    shared.close()
    shared.close()
    uses: list[Callable[[], object]] = [
        lambda: shared["a"],
        lambda: shared.__setitem__("a", b""),
        lambda: list(shared),
        lambda: len(shared),
        lambda: shared.incr("a"),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="is closed"):
            use()


_KEYS = st.sampled_from(["a", "b", "c"])
_VALUES = st.sampled_from([b"", b"1", b"22"])
_STEPS = st.one_of(
    st.tuples(st.just("__setitem__"), _KEYS, _VALUES),
    st.tuples(st.just("pop"), _KEYS, _VALUES),
    st.tuples(st.just("setdefault"), _KEYS, _VALUES),
    st.tuples(st.just("cas"), _KEYS, st.none() | _VALUES, st.none() | _VALUES),
    st.tuples(st.just("clear")),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_STEPS, max_size=12))
def test_both_kinds_do_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bytes]]
) -> None:
    with SQLiteStore(tmp_path_factory.getbasetemp() / "same.sqlite3") as file, MemoryStore() as memory:
        file.clear()
        for name, *arguments in steps:
            assert getattr(file, name)(*arguments) == getattr(memory, name)(*arguments)
            assert dict(file) == dict(memory)


# open()


def test_open_finds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEBPY_STORE", raising=False)
    (tmp_path / "sub").mkdir()
    opened = [store.open(), store.open("sqlite:///sub/b.db"), store.open(f"sqlite:///{tmp_path}/c.db")]
    monkeypatch.setenv("WEBPY_STORE", "sqlite:///d.db")
    opened.append(store.open())
    monkeypatch.chdir("/")
    for each in opened:
        each["a"] = b"1"
        each.close()
    for name in ("webpy-store.sqlite3", "sub/b.db", "c.db", "d.db"):
        assert (tmp_path / name).is_file(), name


@pytest.mark.parametrize(
    "url",
    ["", "notes.db", "redis://localhost", "sqlite:", "sqlite://", "sqlite:///", "sqlite://a/b", "sqlite:/a",
     "memory", "memory://", "sqlite:///a?mode=ro", "SQLITE:///a"],
)  # fmt: skip
def test_a_url_it_does_not_know_is_named(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        store.open(url)
    assert repr(url) in str(caught.value) and "wanted sqlite:///PATH or memory:" in str(caught.value)


def test_files_are_private_and_made_at_the_first_use(path: str) -> None:
    before = os.umask(0)
    try:
        with SQLiteStore(path) as opened:
            assert not os.path.exists(path)
            opened["a"] = b"1"
            for name in (path, path + "-wal", path + "-shm"):
                assert stat.S_IMODE(os.stat(name).st_mode) == 0o600, name
    finally:
        os.umask(before)


def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        SQLiteStore(tmp_path / "none" / "a.db")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(StoreError, match="symbolic link"):
        SQLiteStore(tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(StoreError, match="wanted a regular file"):
        SQLiteStore(tmp_path / "fifo")
    (tmp_path / "text").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StoreError, match="not a database"):
        SQLiteStore(tmp_path / "text")["a"]
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    content = (tmp_path / "other").read_bytes()
    with pytest.raises(StoreError, match="another program's"):
        SQLiteStore(tmp_path / "other")["a"] = b"1"
    assert (tmp_path / "other").read_bytes() == content and not (tmp_path / "target").exists()


def test_a_link_put_there_later_is_refused(tmp_path: Path) -> None:
    opened = SQLiteStore(tmp_path / "a")
    (tmp_path / "a").symlink_to(tmp_path / "target")
    with pytest.raises(StoreError, match="symbolic link"):
        opened["a"] = b"1"
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("durable, level", [(False, 1), (True, 2)])
def test_durable_is_synchronous_full(path: str, durable: bool, level: int) -> None:
    opened = SQLiteStore(path, durable=durable)
    with opened:
        assert opened._connections.run(lambda c: c.execute("PRAGMA synchronous").fetchone()) == (level,)


# Waiting


def test_a_busy_file_times_out_for_writers_and_not_for_readers(path: str) -> None:
    with SQLiteStore(path, timeout_s=0.2) as opened:
        opened["a"] = b"1"
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        changes: list[Callable[[], object]] = [
            lambda: opened.incr("n"),
            lambda: opened.update(a=b"2"),
            lambda: opened.cas("a", b"1", None),
        ]
        for change in changes:
            start = time.monotonic()
            with pytest.raises(StoreTimeout, match=r"kept busy by others for 0\.2 s") as caught:
                change()
            assert 0.2 <= time.monotonic() - start < 2 and isinstance(caught.value, TimeoutError)
            assert opened["a"] == b"1" and list(opened) == ["a"]
        other.execute("ROLLBACK")
        other.close()
        assert opened.incr("n") == 1


def test_threads_share_a_store(shared: Store) -> None:
    def work(name: str) -> None:
        try:
            for i in range(200):
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
    assert not failures and shared["n"] == b"800" and len(shared) == 801


# Processes


def test_four_processes_make_the_file_and_write_at_once(path: str) -> None:
    opened = SQLiteStore(path, timeout_s=15)

    def work(pipe: Connection) -> None:
        name = pipe.recv()
        for i in range(150):
            opened.incr("n")
            while not opened.cas("list", old := opened.get("list"), (old or b"") + name.encode()):
                pass
            opened.update({f"{name}{i}": b"x", name: b"%d" % i})
        pipe.send("done")

    with ExitStack() as stack:
        children = [stack.enter_context(Forked(work)) for _ in range(4)]
        for child, name in zip(children, "abcd", strict=True):
            child.send(name)
        assert [child.receive() for child in children] == ["done"] * 4
        assert [child.join() for child in children] == [0] * 4
    assert opened["n"] == b"600" and len(opened) == 606
    assert sorted(opened["list"]) == sorted(b"abcd" * 150)


@pytest.mark.parametrize("acknowledged", [1, 40, 333])
def test_a_killed_writer_loses_nothing_it_was_told_is_written(path: str, acknowledged: int) -> None:
    opened = SQLiteStore(path)

    def work(pipe: Connection) -> None:
        for i in range(1_000_000):
            opened.update({f"left{i}": b"%d" % i, f"right{i}": b"%d" % i, "last": b"%d" % i})
            pipe.send(i)

    with Forked(work) as child:
        while (last := child.receive()) < acknowledged:
            pass
        child.kill()
        with suppress(EOFError):
            while child.has_sent():
                last = child.receive()
    kept = int(opened["last"])
    assert kept in (last, last + 1)
    for i in range(kept + 1):
        assert opened[f"left{i}"] == opened[f"right{i}"] == b"%d" % i
    assert len(opened) == 2 * (kept + 1) + 1
    check = opened._connections.run(lambda c: c.execute("PRAGMA integrity_check").fetchall())
    assert check == [("ok",)]


def test_a_writer_killed_inside_a_transaction_frees_the_file(path: str) -> None:
    opened = SQLiteStore(path)
    opened["a"] = b"before"

    def work(pipe: Connection) -> None:
        def inside(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM webpy_store")
            pipe.send("inside")
            pipe.recv()

        opened._transaction(inside)

    with Forked(work) as child:
        assert child.receive() == "inside"
        assert opened["a"] == b"before"
        child.kill()
        opened["b"] = b"after"
    assert dict(opened) == {"a": b"before", "b": b"after"}


def test_no_connection_crosses_a_fork(path: str) -> None:
    opened = SQLiteStore(path)
    opened["a"] = b"1"
    inode = os.stat(path).st_ino

    def descriptors() -> int:
        count = 0
        for fd in map(int, os.listdir("/proc/self/fd")):
            with suppress(OSError):
                count += os.fstat(fd).st_ino == inode
        return count

    def work(pipe: Connection) -> None:
        pipe.send(descriptors())
        opened["child"] = opened["a"]
        pipe.send(opened.incr("n"))

    assert descriptors() == 1
    with Forked(work) as child:
        opened["parent"] = b"2"
        assert child.receive() == 0 and child.receive() == 1 and child.join() == 0
    assert dict(opened) == {"a": b"1", "child": b"1", "n": b"1", "parent": b"2"}


def test_a_fork_while_another_thread_writes(path: str) -> None:
    opened = SQLiteStore(path)
    inside, go_on = threading.Event(), threading.Event()

    def hold(pipe: Connection) -> None:
        """In a process of its own: pytest's should not fork with threads about."""

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO webpy_store VALUES (x'61', x'31')")
            inside.set()
            go_on.wait(0.2)  # the fork begins meanwhile, and is to wait for the end of this

        thread = threading.Thread(target=lambda: opened._transaction(insert))
        thread.start()
        assert inside.wait(20)
        with Forked(lambda inner: inner.send((opened["a"], opened.incr("n"), len(opened)))) as child:
            thread.join(20)
            pipe.send((child.receive(), child.join(), opened.incr("n")))

    with Forked(hold) as child:
        assert child.receive() == ((b"1", 1, 2), 0, 2)
    assert dict(opened) == {"a": b"1", "n": b"2"}


def test_a_fork_in_the_middle_of_a_write_that_does_not_end(path: str) -> None:
    opened = SQLiteStore(path, timeout_s=0.1)
    inside, go_on = threading.Event(), threading.Event()

    def hold(pipe: Connection) -> None:
        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO webpy_store VALUES (x'61', x'31')")
            inside.set()
            go_on.wait(20)

        def look(inner: Connection) -> None:
            with pytest.raises(StoreError, match="forked in the middle of a write"):
                opened.get("a")
            inner.send("refused")

        thread = threading.Thread(target=lambda: opened._transaction(insert))
        thread.start()
        assert inside.wait(20)
        with Forked(look) as child:
            assert child.receive() == "refused"
        go_on.set()
        thread.join(20)
        pipe.send(opened["a"])

    with Forked(hold) as child:
        assert child.receive() == b"1"
