from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from webpy.supervisor import SettingsError
from webpy.supervisor.pidfile import PidFile


def test_written_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    pidfile = PidFile(str(path))
    pidfile.write()
    assert path.read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == [path]
    pidfile.remove()
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "garbage", "0", "999999999999999999999"])
def test_what_nobody_living_wrote_is_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pid"
    path.write_text(text)
    PidFile(str(path)).write()
    assert path.read_text() == f"{os.getpid()}\n"


def test_that_of_the_dead_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    process = subprocess.Popen(["true"])
    process.wait(10)
    path.write_text(str(process.pid))
    PidFile(str(path)).write()
    assert path.read_text() == f"{os.getpid()}\n"


def test_that_of_the_living_is_an_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text(f"{os.getppid()}\n")
    pidfile = PidFile(str(path))
    with pytest.raises(SettingsError, match=f"process {os.getppid()} lives"):
        pidfile.write()
    pidfile.remove()
    assert path.read_text() == f"{os.getppid()}\n"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no/pid.*No such file"):
        PidFile(str(tmp_path / "no" / "pid")).write()
