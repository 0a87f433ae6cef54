"""A lane's ring and counters: records come out whole and in order, and a full ring drops or waits."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from webpy.supervisor import Cell, Lane, Scoreboard


def small(ring_bytes: int = 64) -> Scoreboard:
    return Scoreboard(rows=1, threads=1, ring_bytes=ring_bytes, pool_ring_bytes=ring_bytes)


def take(lane: Lane) -> bytes:
    data = b"".join(lane.pending())
    lane.advance(len(data))
    return data


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("length", [1, 2, 7, 31, 63, 64])
def test_what_goes_in_comes_out_across_the_end_of_the_ring(length: int, ordered: bool) -> None:
    lane = small().rows[0].lead
    lane._ordered = ordered
    for number in range(200):
        record = (b"%d" % number)[:length].ljust(length, b".")[:-1] + b"\n"
        lane.write(record)
        assert take(lane) == record
    assert lane.bytes == 200 * length
    assert lane.waits == 0


def test_several_records_are_one_run() -> None:
    lane = small().rows[0].lead
    for _ in range(3):
        lane.write(b"one\n")
    assert [bytes(view) for view in lane.pending()] == [b"one\none\none\n"]
    lane.advance(4)
    assert lane.pending_bytes == 8


def test_lanes_of_a_row_are_apart() -> None:
    row = small().rows[0]
    row.lead.write(b"lead\n")
    row.pool.write(b"pool\n")
    assert row.pending_bytes == 10
    assert (take(row.lead), take(row.pool)) == (b"lead\n", b"pool\n")


def test_a_record_without_room_is_dropped_and_counted_at_once() -> None:
    lane = small().rows[0].lead
    lane.write(b"x" * 59 + b"\n")
    for _ in range(3):
        lane.write(b"late\n")
    assert lane.dropped == 3 and lane.waits == 0
    lane.write(b"fit\n")
    assert take(lane) == b"x" * 59 + b"\nfit\n"
    lane.write(b"again\n")
    assert take(lane) == b"again\n"
    assert lane.dropped == 3


def test_the_master_is_woken_before_the_ring_is_full() -> None:
    scoreboard = small()
    lane = scoreboard.rows[0].lead
    os.set_blocking(scoreboard.doorbell_reader, True)
    for number in range(8):
        lane.write(b"1234567\n")
        scoreboard.asleep[0] = 0  # it is awake, in its rhythm
        if number == 5:
            assert os.read(scoreboard.doorbell_reader, 8)
    assert lane.dropped == 0


def test_what_is_given_up_is_counted() -> None:
    scoreboard = small()
    row = scoreboard.rows[0]
    for lane in (row.lead, row.pool):
        lane.write(b"one\n")
        lane.write(b"two\n")
    row.discard_pending()
    assert (row.pending_bytes, row.dropped) == (0, 4)
    scoreboard.retire(row)
    assert (row.dropped, scoreboard.totals[Cell.LOG_DROPPED]) == (0, 4)


def test_full_ring_makes_the_writer_wait_and_ring() -> None:
    scoreboard = small()
    lane = scoreboard.rows[0].lead
    lane.attach(waits=True)
    lane.write(b"x" * 59 + b"\n")
    scoreboard.asleep[0] = 1
    writer = threading.Thread(target=lane.write, args=(b"late\n",))
    writer.start()
    deadline = time.monotonic() + 10
    while not lane.is_waited_for:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert lane.bytes == 60
    os.set_blocking(scoreboard.doorbell_reader, True)
    assert os.read(scoreboard.doorbell_reader, 8)
    assert take(lane) == b"x" * 59 + b"\n"
    writer.join(10)
    assert not lane.is_waited_for
    assert take(lane) == b"late\n"
    assert lane.waits == 1


def test_writer_waits_no_longer_when_the_master_has_died() -> None:
    lane = small().rows[0].lead
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        lane.attach(theirs.fileno(), waits=True)
        lane.write(b"x" * 63 + b"\n")
        writer = threading.Thread(target=lane.write, args=(b"late\n",), daemon=True)
        writer.start()
        ours.close()
        writer.join(10)
        assert not writer.is_alive()


def test_attaching_goes_on_where_the_last_writer_stopped() -> None:
    lane = small().rows[0].lead
    lane.write(b"x" * 49 + b"\n")
    take(lane)
    lane.attach()
    lane.write(b"y" * 29 + b"\n")
    assert take(lane) == b"y" * 29 + b"\n"


@pytest.mark.parametrize("waits", [True, False])
def test_record_larger_than_the_ring_is_dropped(waits: bool) -> None:
    lane = small().rows[0].lead
    lane.attach(waits=waits)
    lane.write(b"x" * 64 + b"\n")
    assert (lane.dropped, lane.pending_bytes) == (1, 0)


def test_unordered_reader_takes_only_whole_records_that_have_arrived() -> None:
    lane = small().rows[0].lead
    lane._ordered = False
    lane.write(b"here\n")
    lane.write(b"also\n")
    lane._ring[7] = 0  # a byte of the second record that another CPU has not seen yet
    assert b"".join(lane.pending()) == b"here\n"
    lane._ring[7] = ord("s")
    assert take(lane) == b"here\nalso\n"
    assert bytes(lane._ring) == bytes(64)


def test_unordered_reader_across_the_end_of_the_ring() -> None:
    lane = small().rows[0].lead
    lane._ordered = False
    lane.write(b"x" * 59 + b"\n")
    take(lane)
    lane.write(b"ab\n")
    lane.write(b"cdefg\n")
    lane._ring[1] = 0
    assert b"".join(lane.pending()) == b"ab\n"


def test_a_writer_in_another_process_loses_nothing() -> None:
    scoreboard = Scoreboard(1, 1, ring_bytes=1024)
    count = 20_000
    scoreboard.rows[0].lead.attach(waits=True)
    pid = os.fork()
    if pid == 0:
        for number in range(count):
            scoreboard.rows[0].lead.write(b"%d\n" % number)
        os._exit(0)
    taken = bytearray()
    deadline = time.monotonic() + 30
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline
        taken += take(scoreboard.rows[0].lead)
    taken += take(scoreboard.rows[0].lead)
    assert taken == b"".join(b"%d\n" % number for number in range(count))
