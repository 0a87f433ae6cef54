"""The store in an SQLite file: the file itself, waiting for it, and processes that race, fork and get killed."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.forked import Forked
from webpy.store import SQLiteStore, StoreError, StoreTimeout


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


def test_a_file_of_layout_1_is_brought_up_to_date(path: str) -> None:
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE webpy_store (key BLOB PRIMARY KEY, value BLOB NOT NULL)")
        old.execute("INSERT INTO webpy_store VALUES (x'61', x'31')")
        old.execute(f"PRAGMA application_id = {0x77627079}")
        old.execute("PRAGMA user_version = 1")
    old.close()
    opened = SQLiteStore(path)
    children = [Forked(lambda pipe: pipe.send((opened["a"], opened.incr("n")))) for _ in range(3)]
    assert sorted(child.receive() for child in children) == [(b"1", 1), (b"1", 2), (b"1", 3)]
    assert [child.join() for child in children] == [0] * 3
    with SQLiteStore(path) as new:
        assert dict(new) == {"a": b"1", "n": b"3"} and new.expires_s("a") is None
        new.set("b", b"2", expires_s=0.001)
        time.sleep(0.01)
        assert new.purge() == 1 and len(new) == 2


def test_a_file_of_a_layout_to_come_is_refused(path: str) -> None:
    SQLiteStore(path)["a"] = b"1"
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 3")
    newer.close()
    with pytest.raises(StoreError, match=r"has application id and version \(\d+, 3\)"):
        SQLiteStore(path)["a"]


def test_a_purge_on_the_way_that_must_wait_fails_no_write(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with SQLiteStore(path) as opened:
        monkeypatch.setattr(opened, "_purge", lambda: exec("raise StoreTimeout('busy')"))
        for i in range(200):
            opened["a"] = b"%d" % i
        assert opened["a"] == b"199"


def test_a_busy_file_times_out_for_writers_and_not_for_readers(path: str) -> None:
    with SQLiteStore(path, timeout_s=0.1) as opened:
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
            with pytest.raises(StoreTimeout, match=r"kept busy by others for 0\.1 s") as caught:
                change()
            assert 0.1 <= time.monotonic() - start < 2 and isinstance(caught.value, TimeoutError)
            assert opened["a"] == b"1" and list(opened) == ["a"]
        other.execute("ROLLBACK")
        other.close()
        assert opened.incr("n") == 1


@pytest.mark.parametrize("acknowledged", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (40, 333))])
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
        """Runs in a process of its own, as pytest's own process should not fork with threads."""

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO webpy_store (key, value) VALUES (x'61', x'31')")
            inside.set()
            go_on.wait(0.2)  # the fork begins meanwhile, and has to wait for the end of this

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
            connection.execute("INSERT INTO webpy_store (key, value) VALUES (x'61', x'31')")
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
