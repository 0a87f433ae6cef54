"""The error log: levels, lines of children, and a destination that cannot be written."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from webpy.supervisor import log_line
from webpy.supervisor.logs.errorlog import ErrorLog


def test_a_line() -> None:
    line = log_line("info", "über\udcff").decode()
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 \[{os.getpid()}\] \[info\] über\\udcff\n", line)


def test_levels(tmp_path: Path) -> None:
    log = ErrorLog(str(tmp_path / "log"), "warning")
    for level in ("debug", "info", "warning", "error", "critical"):
        log.say(level, "x")
    log.use(str(tmp_path / "log"), log.open(str(tmp_path / "log")), "error")
    log.say("warning", "y")
    log.close()
    assert re.findall(r"\[([a-z]+)\] ", (tmp_path / "log").read_text()) == ["warning", "error", "critical"]


def test_childrens_lines_come_whole(tmp_path: Path) -> None:
    log = ErrorLog(str(tmp_path / "log"))
    child = log.child_fd(str(tmp_path / "log"))
    os.write(child, b"one\ntwo, be")
    log._read_pipe()
    assert (tmp_path / "log").read_bytes() == b"one\n"
    os.write(child, b"gun\nthree, without an end")
    log.close()
    assert (tmp_path / "log").read_bytes() == b"one\ntwo, begun\nthree, without an end\n"


def test_a_line_without_end_is_bounded(tmp_path: Path) -> None:
    log = ErrorLog(str(tmp_path / "log"))
    child = log.child_fd(str(tmp_path / "log"))
    for _ in range(3):
        os.write(child, b"x" * 40_000)
        log._read_pipe()
    assert (tmp_path / "log").stat().st_size > 65536
    log.close()


def test_standard_error_is_the_childrens_own() -> None:
    assert ErrorLog("-").child_fd("-") == -1


def test_the_last_words_go_to_standard_error_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = ErrorLog(str(tmp_path / "log"))
    log.say_last("why")
    log.close()
    assert capfd.readouterr().err.endswith("[critical] why\n")
    assert (tmp_path / "log").read_text().endswith("[critical] why\n")


def test_what_cannot_be_written_is_kept_within_bounds(tmp_path: Path) -> None:
    os.symlink("/dev/full", tmp_path / "log")
    log = ErrorLog(str(tmp_path / "log"))
    for _ in range(30):
        log.say("error", "x" * 50_000)
    assert len(log._unwritten) <= 1 << 20
    (tmp_path / "log").unlink()
    log.reopen()
    log.close()
    text = (tmp_path / "log").read_text()
    assert re.match(r"\d{4}-", text), "begins with a whole line"
    assert text.count("x" * 50_000 + "\n") == 20
    assert "bytes of this log were dropped" in text
