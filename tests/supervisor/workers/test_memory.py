"""Memory of real processes, control groups of both versions as files, and a real one that runs out."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.supervisor.masters import Master
from webpy.supervisor.workers import memory
from webpy.supervisor.workers.memory import OomWatch, memory_group, private_bytes

Make = Callable[..., Master]

_V1 = Path("/sys/fs/cgroup/memory")

_ROLLUP = """\
560fd02ba000-7ffd2915b000 ---p 00000000 00:00 0                          [rollup]
Rss:                1676 kB
Shared_Dirty:          7 kB
Private_Clean:        56 kB
Private_Dirty:       116 kB
Private_Hugetlb:       9 kB
"""


def fork_of(ballast: bytearray) -> tuple[int, int]:
    """Fork a child that waits; return its pid and a descriptor: closing it ends the child."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(len(ballast) % 2)
    os.close(reader)
    return pid, writer


def test_what_is_shared_with_the_parent_is_not_ones_own() -> None:
    ballast = bytearray(b"x" * (50 << 20))
    assert private_bytes(os.getpid()) > 50 << 20
    pid, writer = fork_of(ballast)
    assert 0 < private_bytes(pid) < 20 << 20
    os.close(writer)
    os.waitpid(pid, 0)
    assert private_bytes(pid) == 0


def test_files_of_proc(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/statm").write_text("100 50 20 1 0 30 0\n")
    assert private_bytes(7, tmp_path) == 30 * os.sysconf("SC_PAGESIZE")
    (tmp_path / "7/smaps_rollup").write_text(_ROLLUP)
    assert private_bytes(7, tmp_path) == 172 << 10


def proc(tmp_path: Path, membership: str, mounts: str) -> Path:
    for folder in ("7", "self"):
        (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / "7/cgroup").write_text(membership)
    (tmp_path / "self/mountinfo").write_text(mounts.replace("@", str(tmp_path / "fs")))
    return tmp_path


def group(tmp_path: Path, path: str, name: str) -> Path:
    file = tmp_path / "fs" / path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("oom_kill 0\n")
    return file


_MOUNT_V1 = "35 31 0:32 / @/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / @/unified rw - cgroup2 cgroup2 rw\n"
_MOUNT_V2 = "27 1 254:0 / / rw - ext4 /dev/vda rw\n29 23 0:26 / @ rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_groups_of_version_1(tmp_path: Path) -> None:
    file = group(tmp_path, "memory/a/b", "memory.oom_control")
    assert memory_group(7, proc(tmp_path, "4:memory:/a/b\n3:cpu:/\n0::/x\n", _MOUNT_V1)) == file


def test_groups_of_version_1_in_a_container(tmp_path: Path) -> None:
    file = group(tmp_path, "memory/b", "memory.oom_control")
    mounts = _MOUNT_V1.replace("0:32 / ", "0:32 /docker/id ")
    assert memory_group(7, proc(tmp_path, "4:memory,hugetlb:/docker/id/b\n0::/\n", mounts)) == file
    assert memory_group(7, proc(tmp_path, "4:memory:/docker/other\n0::/\n", mounts)) is None


def test_groups_of_version_2(tmp_path: Path) -> None:
    file = group(tmp_path, "system.slice/a.service", "memory.events")
    assert memory_group(7, proc(tmp_path, "0::/system.slice/a.service\n", _MOUNT_V2)) == file
    (tmp_path / "fs/system.slice/a.service/inner").mkdir()
    assert memory_group(7, proc(tmp_path, "0::/system.slice/a.service/inner\n", _MOUNT_V2)) == file
    assert memory_group(7, proc(tmp_path, "0::/\n", _MOUNT_V2)) is None
    assert memory_group(8, tmp_path) is None


def test_each_kill_is_claimed_by_one_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "memory.events"
    monkeypatch.setattr(memory, "memory_group", lambda pid, mounts: file)
    file.write_text("low 0\noom 3\noom_kill 3\noom_group_kill 0\n")
    watch = OomWatch()
    watch.look(1)
    watch.look(2)
    assert not watch.claim(1), "kills before anybody looked are not ours"
    file.write_text("low 0\noom 9\noom_kill 4\n")
    watch.look(2)
    assert watch.claim(1)
    assert not watch.claim(2)
    file.write_text("oom_kill 5\n")
    watch.look(2)
    monkeypatch.setattr(memory, "_REMEMBERED_S", -1.0)
    assert not watch.claim(2), "it was long ago"
    assert not watch.claim(3)
    file.unlink()
    assert not watch.claim(2)
    watch.forget(1)
    watch.forget(2)
    assert not watch._counted and not watch._kills


@pytest.fixture
def narrow_group() -> Iterator[Path]:
    """A control group with 60 MB of memory; tests that need one are left out where it cannot be made."""
    made = _V1 / f"webpy-test-{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no memory group of version 1 can be made here: {error.strerror}")
    try:
        (made / "memory.limit_in_bytes").write_text(str(60 << 20))
        with contextlib.suppress(OSError):
            (made / "memory.memsw.limit_in_bytes").write_text(str(60 << 20))
        yield made
    finally:
        deadline = time.monotonic() + 10
        while made.exists():
            for pid in (made / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            with contextlib.suppress(OSError):
                made.rmdir()
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_the_kernel_kills_a_worker_for_want_of_memory(master: Make, narrow_group: Path) -> None:
    served = master(config={"workers": 2}).start().started(2)
    time.sleep(0.4)
    victim, other = (process.pid for process in served.titled("worker"))
    for pid in (victim, other):
        (narrow_group / "cgroup.procs").write_text(str(pid))
    time.sleep(2.5)  # each has its turn to be looked at
    while (answer := served.ask("grow 100")) and narrow_group.exists():
        victim = int(answer.split()[0])
    said = served.wait_for(r"\[error\] worker \d gen 1 \[(\d+)\] was killed by SIGKILL")
    assert "(signal 9): the kernel ended it, its control group is out of memory" in said.string
    left = other if int(said[1]) != other else victim
    os.kill(left, signal.SIGKILL)
    said = served.wait_for(rf"\[{left}\] was killed by SIGKILL")
    assert "out of memory" not in said.string
    assert served.ask()
    assert served.stop() == 0
