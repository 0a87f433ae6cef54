"""Work as the lines of a row say: its state, its order, and how it is shown in a log."""

from __future__ import annotations

from webpy.supervisor import AWAITED, SENDING, TEXT_BYTES, Row, Scoreboard
from webpy.supervisor.scoreboard.work import WorkState, describe_work, find_work, printable_text, work_in_progress


def begin(row: Row, index: int, text: bytes, start: float, thread: int, ident: int) -> None:
    activity = row.activities[index]
    activity.text[:] = text.ljust(TEXT_BYTES, b"\0")
    activity.thread[0], activity.ident[0], activity.start[0] = thread, ident, start


def test_what_lines_say() -> None:
    row = Scoreboard(1, 2, 64, 64).rows[0]
    assert work_in_progress(row) == []
    assert describe_work(row, 9.0) == "no work that is known"
    begin(row, 0, b"10.0.0.1   GET /a HTTP/1.1", 5.0, 17, 99)
    begin(row, 3, b"GET /b", 4.0, 0, 0)
    begin(row, 2, b"GET /c", 6.0, 18, 0)
    begin(row, 1, b"GET /d", 7.0, 0, SENDING)
    begin(row, 4, b"GET /e", 8.0, 0, AWAITED)
    works = work_in_progress(row)
    assert [work.start for work in works] == [4.0, 5.0, 6.0, 7.0, 8.0]
    assert [work.activity for work in works] == [3, 0, 2, 1, 4]
    wanted = [WorkState.QUEUED, WorkState.RUNNING, WorkState.PROGRESSING, WorkState.SENDING, WorkState.AWAITED]
    assert [work.state for work in works] == wanted
    assert (works[1].text, works[1].thread, works[1].ident) == ("10.0.0.1 GET /a HTTP/1.1", 17, 99)
    assert describe_work(row, 9.0).splitlines()[:3] == [
        "5 pieces of work:",
        "  'GET /b' waits for a thread, 5.0 s so far",
        "  '10.0.0.1 GET /a HTTP/1.1' runs, 4.0 s so far",
    ]


def test_work_that_has_ended_meanwhile_is_none() -> None:
    row = Scoreboard(1, 2, 64, 64).rows[0]
    begin(row, 1, b"GET /", 5.0, 17, 99)
    assert find_work(row, 1, 5.0) is not None
    assert find_work(row, 1, 4.0) is None


def test_a_text_is_harmless_in_a_log() -> None:
    assert printable_text(b"GET /\x1b[2J \xff\x00\x00") == "GET /\\x1b[2J \\xff"
    assert printable_text("GET /\u202e\n\r x".encode()) == "GET /\\u202e x"
