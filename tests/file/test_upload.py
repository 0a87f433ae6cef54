"""Files are put in place completely or not at all, with full disks, killed processes, and simple file systems."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import ROOT
from webpy.file import upload
from webpy.file.upload import lock, open_new, put_in_place


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.fixture(params=["unnamed", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With unnamed files, and as on a file system without them."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE")
    kind: str = request.param
    return kind


class _Failing(io.BytesIO):
    """A body whose reading fails before its end."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError(errno.ENOSPC, "full")
        return super().read(3)


def put(directory: int, name: bytes, source: io.BytesIO, before: os.stat_result | None = None) -> os.stat_result:
    with open_new(directory, source) as new, lock(directory, 1):
        return put_in_place(directory, name, new, source, before)


def test_made_and_replaced(directory: int, tmp_path: Path, kind: str) -> None:
    made = put(directory, b"\xffx", io.BytesIO(b"one"))
    path = tmp_path / os.fsdecode(b"\xffx")
    assert (path.read_bytes(), path.stat().st_ino) == (b"one", made.st_ino)
    path.chmod(0o600)
    changed = put(directory, b"\xffx", io.BytesIO(b"two" * 1_000_000), path.stat())
    assert path.read_bytes() == b"two" * 1_000_000
    assert (changed.st_size, stat.S_IMODE(changed.st_mode)) == (3_000_000, 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_all_as_it_was(directory: int, tmp_path: Path, kind: str) -> None:
    (tmp_path / "x").write_bytes(b"old")
    for before in (None, (tmp_path / "x").stat()):
        with pytest.raises(OSError, match="full"):
            put(directory, b"x", _Failing(b"new content"), before)
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_disk_that_takes_a_part_only_is_an_error(directory: int, tmp_path: Path, kind: str) -> None:
    (tmp_path / "x").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))  # the last write is done in part first
    try:
        with pytest.raises(OSError, match="too large"):
            put(directory, b"x", io.BytesIO(b"x" * 900_000), (tmp_path / "x").stat())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_who_makes_it_meanwhile_without_the_lock_keeps_it(directory: int, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        put(directory, b"x", io.BytesIO(b"ours"), None)
    assert (tmp_path / "x").read_bytes() == b"theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_process_left_goes_with_the_next_change(directory: int, tmp_path: Path, kind: str) -> None:
    (tmp_path / ".webpy-put").write_bytes(b"half")
    put(directory, b"x", io.BytesIO(b"one"))
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path, kind: str) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    os.rmdir(tmp_path)
    with pytest.raises(OSError, match=r"not permitted|No such"):
        put(directory, b"x", io.BytesIO(b"one"))
    os.close(directory)


def test_the_lock_is_for_threads_and_processes_and_waits_no_longer_than_told(directory: int, tmp_path: Path) -> None:
    other = os.open(tmp_path, os.O_RDONLY)  # a descriptor of its own, as another thread has
    with lock(directory, 1):
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="0.05 s"), lock(other, 0.05):
            pass
        assert 0.05 <= time.monotonic() - began < 1
    with lock(other, 0):
        pass
    with contextlib.suppress(RuntimeError), lock(other, 0):
        raise RuntimeError
    with lock(directory, 0):
        pass
    os.close(other)


_WRITER = """
import io, os, sys
from webpy.file.upload import lock, open_new, put_in_place
directory = os.open(sys.argv[1], os.O_RDONLY)
print("ready", flush=True)
number = 0
while True:
    number += 1
    content = b"%d" % (number % 10) * 300_000
    with open_new(directory, io.BytesIO(content)) as new, lock(directory, 5):
        try:
            before = os.stat("x", dir_fd=directory)
        except FileNotFoundError:
            before = None
        put_in_place(directory, b"x", new, io.BytesIO(), before)
"""


@pytest.mark.slow
def test_killed_writers_leave_whole_files_and_no_locks(directory: int, tmp_path: Path) -> None:
    for number in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.005 + number * 0.003)  # somewhere in the middle of the change
            writer.send_signal(signal.SIGKILL)
        with contextlib.suppress(FileNotFoundError):
            content = (tmp_path / "x").read_bytes()
            assert content == content[:1] * 300_000
    put(directory, b"y", io.BytesIO(b"one"))
    assert {path.name for path in tmp_path.iterdir()} <= {"x", "y"}


def test_it_is_told_which_file_systems_have_no_unnamed_files(
    directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.open

    def poor(path: bytes, flags: int, *rest: int, **more: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "no O_TMPFILE here")
        return really(path, flags, *rest, **more)

    monkeypatch.setattr(upload.os, "open", poor)
    put(directory, b"x", io.BytesIO(b"one"))
    assert (tmp_path / "x").read_bytes() == b"one"
