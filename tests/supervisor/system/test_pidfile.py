from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from webpy.supervisor import SettingsError
from webpy.supervisor.system.pidfile import PidFile

from ..masters import ROOT, Master, until

Make = Callable[..., Master]

HOLD = (
    "import sys; from webpy.supervisor.system.pidfile import PidFile; "
    "PidFile(sys.argv[1]).write(); print(1); input()"
)


@contextlib.contextmanager
def held(path: Path) -> Iterator[int]:
    """Have another process write the file; return that process's pid."""
    command = [sys.executable, "-uc", HOLD, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        yield process.pid
        process.kill()


def test_written_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    pidfile = PidFile(str(path))
    pidfile.write()
    assert path.read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == [path]
    pidfile.remove()
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "garbage", "0", "999999999999999999999", f"{os.getppid()}\n", "1\n"])
def test_what_no_living_master_wrote_is_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pid"
    path.write_text(text)
    pidfile = PidFile(str(path))
    pidfile.write()
    assert path.read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == [path]
    pidfile.remove()


def test_that_of_the_dead_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with held(path) as pid:
        pass
    assert path.read_text() == f"{pid}\n"
    pidfile = PidFile(str(path))
    pidfile.write()
    assert path.read_text() == f"{os.getpid()}\n"
    pidfile.remove()


def test_that_of_the_living_is_an_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with held(path) as pid:
        pidfile = PidFile(str(path))
        with pytest.raises(SettingsError, match=f"process {pid} lives"):
            pidfile.write()
        pidfile.remove()
        assert path.read_text() == f"{pid}\n"
        assert list(tmp_path.iterdir()) == [path]


def test_of_many_who_start_at_once_one_has_it(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("1\n")
    command = [sys.executable, "-uc", HOLD, str(path)]
    pipe = subprocess.PIPE
    starters = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) for _ in range(6)]
    told = [starter.stdout.readline() for starter in starters if starter.stdout is not None]
    assert sorted(told) == [b""] * 5 + [b"1\n"]
    assert path.read_text() == f"{starters[told.index(b'1' + os.linesep.encode())].pid}\n"
    for starter in starters:
        starter.communicate(b"\n")


def test_who_only_reads_it_cannot_keep_others_from_starting(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with held(path):
        pass
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        pidfile = PidFile(str(path))
        pidfile.write()
        assert path.read_text() == f"{os.getpid()}\n"
        pidfile.remove()


def test_a_file_of_another_process_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    pidfile = PidFile(str(path))
    pidfile.write()
    path.unlink()
    path.write_text(f"{os.getpid()}\n")
    pidfile.remove()
    assert path.exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no/pid.*No such file"):
        PidFile(str(tmp_path / "no" / "pid")).write()


def test_nothing_is_written_through_links(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    for name in (f"pid.{os.getpid()}", "pid"):
        (tmp_path / name).symlink_to(victim)
    with pytest.raises(SettingsError, match="a symbolic link is there, a file is wanted"):
        PidFile(str(tmp_path / "pid")).write()
    (tmp_path / "pid").unlink()
    pidfile = PidFile(str(tmp_path / "pid"))
    pidfile.write()
    pidfile.remove()
    assert victim.read_text() == "precious\n"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "pid")
    with pytest.raises(SettingsError, match="no regular file"):
        PidFile(str(tmp_path / "pid")).write()
    assert [each.name for each in tmp_path.iterdir()] == ["pid"]


def test_a_master_holds_it_through_an_upgrade_and_nobody_after_its_death(master: Make, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    served = master(config={"pidfile": str(path)}).start().started()
    assert path.read_text() == f"{served.process.pid}\n"
    second = master(config={"pidfile": str(path)}).start()
    assert second.wait() == 2 and f"process {served.process.pid} lives" in second.text()
    served.signal(signal.SIGUSR2)
    served.wait_for("upgrade done")
    second = master(config={"pidfile": str(path)}).start()
    assert second.wait() == 2
    served.signal(signal.SIGSTOP)
    children = served.descendants()
    served.signal(signal.SIGKILL)
    until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children), "all have gone")
    served.process.wait(10)
    path.write_text(f"{os.getpid()}\n")  # as if the number were another's by now
    third = master(config={"pidfile": str(path)}).start().started()
    assert third.stop() == 0
    assert not path.exists()
