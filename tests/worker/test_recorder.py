"""What is recorded of an answer, by the leader and by other threads."""

from __future__ import annotations

import logging
import select
import threading
from collections.abc import Callable

import pytest

from tests.worker.rig import Rig, records
from webpy.supervisor import BUCKETS, Cell
from webpy.worker.exchanges.exchange import Exchange
from webpy.worker.exchanges.output import Output

Make = Callable[..., Rig]


def answered(exchange: Exchange, status: int, body_bytes: int) -> Exchange:
    """The exchange, as if an answer had been sent whole."""
    exchange.output = Output.of_plain(status, b"head" + bytes(body_bytes), bytes(body_bytes))
    exchange.output.skip(4 + body_bytes)
    return exchange


@pytest.mark.parametrize("leading", [True, False])
def test_an_answer_is_logged_and_counted_in_the_lane_of_its_thread(rig: Make, leading: bool) -> None:
    parts = rig()
    conn, _ = parts.connection()
    parts.recorder.record(answered(parts.exchange(conn), 404, 17), leading)
    (record,) = records(parts.row)
    assert record.startswith("192.0.2.1 - - [")
    assert record.endswith('"GET /a HTTP/1.1" 404 17')
    lane, other = (parts.row.lead, parts.row.pool) if leading else (parts.row.pool, parts.row.lead)
    assert sum(lane.latency[4 * BUCKETS : 5 * BUCKETS]) == sum(lane.latency) == 1
    assert sum(other.latency) == 0


def test_what_pool_threads_count_is_not_lost_and_wakes_the_master(rig: Make) -> None:
    parts = rig()
    conn, _ = parts.connection()
    exchange = parts.exchange(conn)
    parts.scoreboard.asleep[0] = 1

    def many() -> None:
        for _ in range(200):
            parts.recorder.record_plain(exchange, 200, 5, 100, parts.row.activities[0])

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    parts.recorder.count_sent(1)
    assert len(records(parts.row)) == 800
    assert sum(parts.row.pool.latency) == 800
    assert parts.row.cells[Cell.BYTES_SENT] == 80_001
    assert select.select([parts.scoreboard.doorbell_reader], [], [], 0)[0]
    parts.recorder.count_sent(0)
    assert parts.row.cells[Cell.BYTES_SENT] == 80_001


def test_without_an_access_log_answers_are_counted_all_the_same(rig: Make) -> None:
    parts = rig(access_log="off")
    conn, _ = parts.connection()
    exchange = answered(parts.exchange(conn), 200, 1)
    parts.recorder.record(exchange, True)
    parts.recorder.record_plain(exchange, 200, 1, 9, parts.row.activities[0])
    assert records(parts.row) == []
    assert sum(parts.row.lead.latency) + sum(parts.row.pool.latency) == 2


@pytest.mark.parametrize("leading", [True, False])
def test_a_logger_may_stand_for_the_access_log(rig: Make, leading: bool) -> None:
    lines: list[str] = []
    log = logging.Logger("http")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    parts = rig(http_log=log, access_log="off")
    conn, _ = parts.connection()
    parts.recorder.record(answered(parts.exchange(conn, "GET", "/?100%"), 200, 1), leading)
    assert (lines == []) == leading  # the leader's is told once it has left the lead
    parts.do_chores()
    assert records(parts.row) == []
    (line,) = lines
    assert line.endswith('"GET /?100% HTTP/1.1" 200 1')
