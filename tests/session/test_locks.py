"""One holder at a time: in a process, between processes, by other names of the lock file, and after a kill."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.forked import Forked
from webpy.session.locks import FileLocks, Locks, MemoryLocks
from webpy.store import StoreError


@pytest.fixture(params=["file", "memory"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Locks:
    return FileLocks(str(tmp_path / "s.lock")) if request.param == "file" else MemoryLocks()


def busy(locks: Locks, name: str) -> bool:
    try:
        locks.hold(name, 0.02)()
    except TimeoutError:
        return True
    return False


def test_one_at_a_time(locks: Locks) -> None:
    free = locks.hold("a", 1.0)
    assert busy(locks, "a") and not busy(locks, "b")
    free()
    assert not busy(locks, "a")


def test_between_processes(locks: Locks) -> None:
    def work(pipe: Connection) -> None:
        pipe.recv()
        free = locks.hold("a", 20.0)
        pipe.send("held")
        pipe.recv()
        free()
        pipe.send("freed")

    with Forked(work) as child:
        child.send()
        assert child.receive() == "held"
        assert busy(locks, "a") and not busy(locks, "b")
        child.send()
        assert child.receive() == "freed"
        assert not busy(locks, "a")


def test_a_killed_process_holds_nothing(locks: Locks) -> None:
    def work(pipe: Connection) -> None:
        locks.hold("a", 20.0)
        pipe.send(os.getpid())
        signal.pause()

    with Forked(work) as child:
        pid = child.receive()
        assert busy(locks, "a")
        got: list[Callable[[], None]] = []
        waiting = threading.Thread(target=lambda: got.append(locks.hold("a", 20.0)))
        waiting.start()
        os.kill(pid, signal.SIGKILL)
        waiting.join(20)
        assert got


def test_other_names_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.lock"
    first = FileLocks(str(path))
    free = first.hold("a", 1.0)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    os.link(path, tmp_path / "hard.lock")
    for other in (path, tmp_path / "link" / "s.lock", tmp_path / "hard.lock"):
        assert busy(FileLocks(str(other)), "a")
    free()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size == 0


def test_what_is_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name, said in (
        ("link", "symbolic link"),
        ("fifo", "wanted a regular file, found p"),
        ("folder", "directory"),
        ("none/lock", "No such file"),
    ):
        with pytest.raises(StoreError, match=said):
            FileLocks(str(tmp_path / name)).hold("a", 0.1)
