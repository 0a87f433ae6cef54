"""The scoreboard's parts: they do not overlap, they are shared by processes, and they are cleared for the next one."""

from __future__ import annotations

import os
from typing import Any

import pytest

from webpy.supervisor import BUCKETS, CLOSED, QUEUE_ACTIVITIES, TEXT_BYTES, Cell, Scoreboard


def test_every_part_is_its_own() -> None:
    scoreboard = Scoreboard(rows=3, threads=2, ring_bytes=128, pool_ring_bytes=64)
    parts: list[Any] = [scoreboard.asleep, scoreboard.master, scoreboard.load]
    parts += [scoreboard.totals, scoreboard.totals_latency, scoreboard.shared]
    for row in scoreboard.rows:
        parts.append(row.cells)
        for lane in (row.lead, row.pool):
            parts += [lane._cells, lane.latency, lane._ring]
        assert len(row.activities) == 2 + 2 + QUEUE_ACTIVITIES
        for activity in row.activities:
            parts += [activity.start, activity.thread, activity.ident, activity.text]
            assert len(activity.text) == TEXT_BYTES
    for number, part in enumerate(parts):
        part.cast("B")[:] = bytes([number % 251]) * part.nbytes
    for number, part in enumerate(parts):
        assert bytes(part.cast("B")) == bytes([number % 251]) * part.nbytes


def test_rows_do_not_accept_until_they_say_so() -> None:
    assert list(Scoreboard(2, 1).load) == [CLOSED, CLOSED]


def test_written_by_one_process_read_by_another() -> None:
    scoreboard = Scoreboard(1, 1)
    pid = os.fork()
    if pid == 0:
        row = scoreboard.rows[0]
        row.cells[Cell.ACCEPTED] = 7
        row.activities[1].text[:] = b"GET /".ljust(TEXT_BYTES, b"\0")
        row.activities[1].start[0] = 1.5
        row.lead.write(b"record\n")
        scoreboard.load[0] = 3
        os._exit(0)
    os.waitpid(pid, 0)
    row = scoreboard.rows[0]
    assert row.cells[Cell.ACCEPTED] == 7
    assert bytes(row.activities[1].text).rstrip(b"\0") == b"GET /"
    assert row.activities[1].start[0] == 1.5
    assert b"".join(row.lead.pending()) == b"record\n"
    assert scoreboard.load[0] == 3


def test_retiring_carries_the_counts_over_and_clears_the_row() -> None:
    scoreboard = Scoreboard(1, 1)
    row = scoreboard.rows[0]
    for _ in range(2):
        row.cells[Cell.PID] = 99
        row.cells[Cell.TIMEOUTS] = 5
        row.lead.latency[2 * BUCKETS + 3] = 4
        row.pool.latency[2 * BUCKETS + 3] = 1
        row.activities[0].start[0] = 1.0
        scoreboard.load[0] = 12
        scoreboard.retire(row)
        assert row.cells[Cell.PID] == row.cells[Cell.TIMEOUTS] == 0
        assert row.activities[0].start[0] == 0.0
        assert not any(row.lead.latency)
        assert scoreboard.load[0] == CLOSED
    assert scoreboard.totals[Cell.TIMEOUTS] == 10
    assert scoreboard.totals[Cell.PID] == 0
    assert scoreboard.totals_latency[2 * BUCKETS + 3] == 10


def test_the_doorbell_rings_only_for_a_sleeper() -> None:
    scoreboard = Scoreboard(1, 1)
    scoreboard.wake()
    with pytest.raises(BlockingIOError):
        os.read(scoreboard.doorbell_reader, 8)
    scoreboard.asleep[0] = 1
    for _ in range(3):
        scoreboard.wake()
    scoreboard.silence()
    with pytest.raises(BlockingIOError):
        os.read(scoreboard.doorbell_reader, 8)
    scoreboard.close()


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_sizes_are_checked(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Scoreboard(*sizes)
