"""The store of files: the directory itself, waiting for it, and writers that get killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.forked import Forked
from webpy.store import FileStore, StoreError, StoreTimeout
from webpy.store.directory import digest_of


def file_of(folder: Path, key: str) -> Path:
    digest = digest_of(key.encode())
    return folder / digest[:2] / digest


def all_files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()} - {"webpy-store"}


@contextmanager
def held(folder: Path) -> Iterator[None]:
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def test_files_are_private_and_made_at_the_first_use(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with FileStore(tmp_path / "s") as opened:
            assert not (tmp_path / "s").exists()
            opened["a"] = b"value\n"
        path = file_of(tmp_path / "s", "a")
        assert path.read_bytes() == b"0 1\navalue\n" and stat.S_IMODE(path.stat().st_mode) == 0o600
        for folder in (tmp_path / "s", path.parent):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_keys_lead_nowhere(tmp_path: Path) -> None:
    with FileStore(tmp_path / "s") as opened:
        for key in ("../../x", "/etc/passwd", "..", "new", "webpy-store", "a/b"):
            opened[key] = b"1"
        assert len(opened) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["s"] and len(all_files(tmp_path / "s")) == 6


def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    with pytest.raises(StoreError, match="another program's"):
        FileStore(tmp_path / "other")["a"] = b"1"
    assert os.listdir(tmp_path / "other") == ["file"]
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with pytest.raises(StoreError, match="wanted a directory"):
        FileStore(tmp_path / "link")
    later = FileStore(tmp_path / "later")
    (tmp_path / "later").symlink_to(tmp_path / "other")
    with pytest.raises(StoreError):
        later["a"] = b"1"
    assert os.listdir(tmp_path / "other") == ["file"]
    with FileStore(tmp_path / "newer") as newer:
        newer["a"] = b"1"
    (tmp_path / "newer" / "webpy-store").write_text("webpy store of files, layout 9\n")
    with pytest.raises(StoreError, match="layout 9"):
        FileStore(tmp_path / "newer").get("a")


def test_odd_files_are_named_and_never_waited_for(tmp_path: Path) -> None:
    with FileStore(tmp_path / "s") as opened:
        for key in "abc":
            opened[key] = b"1"
        for key, make in (("a", os.mkfifo), ("b", lambda path: path.write_bytes(b"garbage"))):
            file_of(tmp_path / "s", key).unlink()
            make(file_of(tmp_path / "s", key))
            with pytest.raises(StoreError, match="not one of its files"):
                opened[key]
        file_of(tmp_path / "s", "c").unlink()
        file_of(tmp_path / "s", "c").symlink_to("/etc/passwd")
        with pytest.raises(StoreError, match="symbolic links"):
            opened["c"]


def test_a_directory_that_was_removed(tmp_path: Path) -> None:
    with FileStore(tmp_path / "s") as opened:
        opened["a"] = b"1"
        shutil.rmtree(tmp_path / "s")
        assert opened.get("a") is None
        uses: list[Callable[[], object]] = [lambda: opened.set("a", b"1"), lambda: list(opened), opened.purge]
        for use in uses:
            with pytest.raises(StoreError, match="No such file or directory"):
                use()


def test_a_busy_folder_times_out_for_writers_and_not_for_readers(tmp_path: Path) -> None:
    with FileStore(tmp_path / "s", timeout_s=0.1) as opened:
        opened["a"] = b"1"
        with held(file_of(tmp_path / "s", "a").parent):
            changes: list[Callable[[], object]] = [
                lambda: opened.set("a", b"2"),
                lambda: opened.incr("a"),
                lambda: opened.cas("a", b"1", None),
            ]
            for change in changes:
                start = time.monotonic()
                with pytest.raises(StoreTimeout, match=r"kept busy by others for 0\.1 s"):
                    change()
                assert 0.1 <= time.monotonic() - start < 2
            assert opened["a"] == b"1" and list(opened) == ["a"]
        assert opened.incr("a") == 2


@pytest.mark.parametrize("durable", [False, True])
def test_durable_is_an_fsync_of_file_and_folder(tmp_path: Path, durable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with FileStore(tmp_path / "s", durable=durable) as opened:
        opened["a"] = b"1"
        synced: list[bool] = []
        monkeypatch.setattr(os, "fsync", lambda fd: synced.append(isinstance(fd, int)))
        opened["a"] = b"2"
        assert synced == ([False, True] if durable else [])


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FileStore(tmp_path / "s") as opened:
        opened["a"] = b"1"

        def full(*arguments: object, **keywords: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", full)
            with pytest.raises(StoreError, match="No space left on device"):
                opened["a"] = b"2"
        assert opened["a"] == b"1" and all_files(tmp_path / "s") == {digest_of(b"a")}


def test_writes_purge_on_the_way(tmp_path: Path) -> None:
    with FileStore(tmp_path / "s") as opened:
        for i in range(20):
            opened.set(f"{i}", b"x", expires_s=0.001)
        time.sleep(0.01)
        for _ in range(300):
            opened.pop("none", None)
        assert all_files(tmp_path / "s") == set()


@pytest.mark.parametrize("acknowledged", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (40, 200))])
def test_a_killed_writer_loses_nothing_it_was_told_is_written(tmp_path: Path, acknowledged: int) -> None:
    opened = FileStore(tmp_path / "s")

    def work(pipe: Connection) -> None:
        for i in range(1_000_000):
            opened["last"] = b"%d" % i * 1000
            opened.incr("n")
            opened[f"{i}"] = b"x"
            pipe.send(i)

    with Forked(work) as child:
        while (last := child.receive()) < acknowledged:
            pass
        child.kill()
        with suppress(EOFError):
            while child.has_sent():
                last = child.receive()
    assert opened["last"] in (b"%d" % last * 1000, b"%d" % (last + 1) * 1000)
    assert int(opened["n"]) in (last + 1, last + 2)
    assert all(opened[f"{i}"] == b"x" for i in range(last + 1)) and len(opened) in (last + 3, last + 4)
    for key in ("last", "n", f"{last + 1}"):  # what it left half written, and its locks
        opened[key] = b"new"
        assert opened[key] == b"new" and not file_of(tmp_path / "s", key).with_name("new").exists()


def test_a_writer_killed_with_a_lock_frees_it(tmp_path: Path) -> None:
    opened = FileStore(tmp_path / "s")
    opened["a"] = b"before"

    def work(pipe: Connection) -> None:
        with opened._directory.locked(digest_of(b"a")) as folder:
            os.close(os.open("new", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=folder))
            pipe.send("inside")
            pipe.recv()

    with Forked(work) as child:
        assert child.receive() == "inside"
        assert opened["a"] == b"before"
        child.kill()
        opened["a"] = b"after"
    assert dict(opened) == {"a": b"after"} and all_files(tmp_path / "s") == {digest_of(b"a")}


def test_a_child_forked_meanwhile_keeps_no_lock(tmp_path: Path) -> None:
    """A child that outlives its parent, which is killed with the lock, does not keep that."""
    opened = FileStore(tmp_path / "s", timeout_s=2)
    told, tell = os.pipe()

    def hold(pipe: Connection) -> None:
        inside = threading.Event()

        def write() -> None:
            with opened._directory.locked(digest_of(b"a")):
                inside.set()
                threading.Event().wait()

        os.close(tell)
        threading.Thread(target=write, daemon=True).start()
        assert inside.wait(20)

        def outlive(_: Connection) -> None:
            pipe.send("forked")
            os.read(told, 1)

        with Forked(outlive):
            threading.Event().wait()

    try:
        with Forked(hold) as child:
            assert child.receive() == "forked"
            child.kill()
            opened["a"] = b"1"
    finally:
        os.close(tell)
        os.close(told)
    assert opened["a"] == b"1"
