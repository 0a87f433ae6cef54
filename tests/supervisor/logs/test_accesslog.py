"""The access log: whole lines from several rings, also over full disks, truncated and reopened files."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from webpy.supervisor import Scoreboard
from webpy.supervisor.logs.accesslog import AccessLog, DrainOutcome


class Reports(list[tuple[str, str]]):
    def __call__(self, level: str, text: str) -> None:
        self.append((level, text))


@contextmanager
def most_bytes_of_a_file(limit: int) -> Iterator[None]:
    """Have writes break off there, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_all_rings_go_into_the_file(tmp_path: Path) -> None:
    scoreboard = Scoreboard(2, 1)
    log = AccessLog(str(tmp_path / "log"), Reports())
    assert log.drain(scoreboard.rows) is DrainOutcome.IDLE
    scoreboard.rows[0].lead.write(b"a\n")
    scoreboard.rows[0].pool.write(b"b\n")
    scoreboard.rows[1].lead.write(b"c\n")
    log.add(b"d\n")
    assert log.drain(scoreboard.rows) is DrainOutcome.WROTE
    assert (tmp_path / "log").read_bytes() == b"d\na\nb\nc\n"
    assert log.drain(scoreboard.rows) is DrainOutcome.IDLE
    assert log.bytes == 8
    log.close()


def test_off_takes_and_forgets() -> None:
    scoreboard = Scoreboard(1, 1)
    log = AccessLog("off", Reports())
    scoreboard.rows[0].lead.write(b"a\n")
    assert log.drain(scoreboard.rows) is DrainOutcome.WROTE
    assert scoreboard.rows[0].pending_bytes == 0


def test_it_appends(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    log = AccessLog(str(tmp_path / "log"), Reports())
    log.add(b"after\n")
    log.drain(())
    log.close()
    assert (tmp_path / "log").read_text() == "before\nafter\n"


def test_reopening_follows_the_name(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path), Reports())
    log.add(b"old\n")
    log.drain(())
    path.rename(tmp_path / "log.1")
    log.add(b"old too\n")
    log.drain(())
    log.reopen()
    log.add(b"new\n")
    log.drain(())
    log.close()
    assert (tmp_path / "log.1").read_text() == "old\nold too\n"
    assert path.read_text() == "new\n"


def test_a_truncated_file_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path), Reports())
    log.add(b"copied\n")
    log.drain(())
    os.truncate(path, 0)
    log.add(b"new\n")
    log.drain(())
    log.close()
    assert path.read_bytes() == b"new\n"


def test_what_a_full_disk_does_not_take_waits_and_no_line_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "log"
    scoreboard = Scoreboard(2, 1)
    reports = Reports()
    log = AccessLog(str(path), reports)
    scoreboard.rows[0].lead.write(b"first record\n")
    scoreboard.rows[0].lead.write(b"second record\n")
    scoreboard.rows[1].lead.write(b"third record\n")
    with most_bytes_of_a_file(20):
        while log.drain(scoreboard.rows) is not DrainOutcome.FAILED:
            pass
        assert path.read_bytes() == b"first record\nsecond "
        assert log.drain(scoreboard.rows) is DrainOutcome.FAILED
        assert scoreboard.rows[0].lead.pending_bytes == len(b"second record\n")
    assert log.drain(scoreboard.rows) is DrainOutcome.WROTE
    log.close()
    assert path.read_bytes() == b"first record\nsecond record\nthird record\n"
    assert log.stalls == 2
    assert [level for level, _ in reports] == ["error", "warning"]
    assert "File too large" in reports[0][1]


def test_a_half_record_is_whole_in_a_file_opened_since(tmp_path: Path) -> None:
    path = tmp_path / "log"
    scoreboard = Scoreboard(1, 1)
    log = AccessLog(str(path), Reports())
    scoreboard.rows[0].lead.write(b"first record\n")
    scoreboard.rows[0].lead.write(b"second record\n")
    with most_bytes_of_a_file(20):
        while log.drain(scoreboard.rows) is not DrainOutcome.FAILED:
            pass
    path.rename(tmp_path / "full")
    log.reopen()
    log.drain(scoreboard.rows)
    log.close()
    assert (tmp_path / "full").read_bytes() == b"first record\n", "and nowhere else"
    assert path.read_bytes() == b"second record\n"


def test_a_half_record_is_completed_in_the_file_that_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    scoreboard = Scoreboard(1, 1)
    log = AccessLog(str(path), Reports())
    scoreboard.rows[0].lead.write(b"first record\n")
    scoreboard.rows[0].lead.write(b"second record\n")
    with most_bytes_of_a_file(20):
        while log.drain(scoreboard.rows) is not DrainOutcome.FAILED:
            pass
        log.reopen()  # as every reload does
    log.drain(scoreboard.rows)
    log.close()
    assert path.read_bytes() == b"first record\nsecond record\n"


def test_a_half_record_is_whole_in_a_file_that_was_truncated(tmp_path: Path) -> None:
    path = tmp_path / "log"
    scoreboard = Scoreboard(1, 1)
    log = AccessLog(str(path), Reports())
    scoreboard.rows[0].lead.write(b"first record\n")
    scoreboard.rows[0].lead.write(b"second record\n")
    with most_bytes_of_a_file(20):
        while log.drain(scoreboard.rows) is not DrainOutcome.FAILED:
            pass
    os.truncate(path, 0)
    log.drain(scoreboard.rows)
    log.close()
    assert path.read_bytes() == b"second record\n"


def test_what_others_appended_is_not_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path), Reports())
    log.add(b"first record\nsecond record\n")
    with most_bytes_of_a_file(20):
        while log.drain(()) is not DrainOutcome.FAILED:
            pass
    with open(path, "ab") as file:
        file.write(b"of another\n")
    path.rename(tmp_path / "full")
    log.reopen()
    log.drain(())
    log.close()
    assert (tmp_path / "full").read_bytes() == b"first record\nsecond of another\n"
    assert path.read_bytes() == b"second record\n"


def test_a_pipe_that_is_read_slowly_gets_every_line_whole(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    scoreboard = Scoreboard(1, 1)
    log = AccessLog(str(path), Reports())
    records = [b"%06d %s\n" % (number, b"x" * (number % 200)) for number in range(6000)]
    for record in records:
        (scoreboard.rows[0].lead if len(record) % 2 else scoreboard.rows[0].pool).write(record)
        if scoreboard.rows[0].pool.pending_bytes > 200_000:
            break
    written = records[: records.index(record) + 1]
    taken = b""
    blocked = 0
    while log.drain(scoreboard.rows) is DrainOutcome.BLOCKED:
        blocked += 1
        taken += os.read(reader, 10_000)
    while True:
        try:
            piece = os.read(reader, 65536)
        except BlockingIOError:
            break
        if not piece:
            break
        taken += piece
        log.drain(scoreboard.rows)
    log.close()
    os.close(reader)
    assert blocked > 3
    assert sorted(taken.splitlines(keepends=True)) == sorted(written)


def test_a_standard_output_that_has_gone_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr("webpy.supervisor.logs.accesslog._STANDARD_OUTPUT", writer)
    reports = Reports()
    log = AccessLog("-", reports)
    os.close(reader)
    log.add(b"to nobody\n")
    assert log.drain(()) is DrainOutcome.WROTE
    assert log.pending_bytes == 0
    assert "standard output has gone" in reports[0][1]
    os.close(writer)


def test_a_path_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        AccessLog(str(tmp_path / "no" / "log"), Reports())
    log = AccessLog(str(tmp_path / "log"), Reports())
    with pytest.raises(FileNotFoundError):
        log.open(str(tmp_path / "no" / "log"))
    log.add(b"still\n")
    log.drain(())
    log.close()
    assert (tmp_path / "log").read_bytes() == b"still\n"
