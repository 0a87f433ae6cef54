"""The program to run again, and how a process knows that it is a preflight."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from webpy.supervisor.upgrade.preflight import PREFLIGHT_VARIABLE, Program, is_preflight


def test_a_program_is_run_as_it_was() -> None:
    program = Program.of(["python3", "-X", "dev", "-m", "webpy.cli", "serve", "app.py"])
    assert program is not None
    assert program.path == sys.executable, "by its whole path: PATH and folder may have changed"
    assert program.arguments == (sys.executable, "-X", "dev", "-m", "webpy.cli", "serve", "app.py")


@pytest.mark.parametrize("arguments", [None, [], ["python3"], ["python3", "-"]])
def test_what_cannot_be_run_again(arguments: list[str] | None) -> None:
    assert Program.of(arguments) is None


def test_the_folder_is_the_one_the_shell_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "current").symlink_to("release")
    monkeypatch.chdir(tmp_path / "current")
    for told, wanted in (
        (f"{tmp_path}/current", f"{tmp_path}/current"),
        (str(tmp_path), f"{tmp_path}/release"),
        ("current", f"{tmp_path}/release"),
        ("/no/such/folder", f"{tmp_path}/release"),
    ):
        monkeypatch.setenv("PWD", told)
        program = Program.of(["python3", "app.py"])
        assert program is not None
        assert program.folder == os.path.realpath(tmp_path) + wanted[len(str(tmp_path)) :]


def test_proving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PREFLIGHT_VARIABLE, raising=False)
    assert not is_preflight()
    monkeypatch.setenv(PREFLIGHT_VARIABLE, "5:x")
    assert is_preflight()
