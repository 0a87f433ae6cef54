"""Owns what is recorded of an answer: its line in the access log, and the worker's counters on the scoreboard.

Knows neither sockets nor handlers. The scoreboard has a lane for the leader, and one that all other threads share under
a lock: `leading` says which one is the caller's. The leader's plainest answers are recorded by the loop in place.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ...supervisor import BUCKET_OF, BUCKETS, Activity, Cell, bucket

if TYPE_CHECKING:
    import logging

    from ...accesslog import AccessFormat
    from ...supervisor import Row, Scoreboard
    from ..connections.connection import AbstractExchange
    from ..log.errorlog import ErrorLog
    from ..threads.chores import Chores
    from .clock import Clock

__all__ = ["Recorder"]

_mono = time.monotonic


class Recorder:
    """Logs and counts answers.

    access: the access log's format; None if there is no access log. http_log: a logger that stands for the access log,
    or None. is_plain: whether a record needs nothing but what the plan holds, so that the loop may write it in place.
    """

    __slots__ = (
        "_chores",
        "_clock",
        "_log",
        "_pool_lock",
        "_pool_sent_bytes",
        "_row",
        "_scoreboard",
        "access",
        "http_log",
        "is_plain",
    )

    def __init__(self, row: Row, scoreboard: Scoreboard, clock: Clock, chores: Chores, log: ErrorLog) -> None:
        self._row = row
        self._scoreboard = scoreboard
        self._clock = clock
        self._chores = chores
        self._log = log
        self._pool_lock = threading.Lock()  # for the pool lane
        self._pool_sent_bytes = 0
        self.access: AccessFormat | None = None
        self.http_log: logging.Logger | None = None
        self.is_plain = True

    def write_to(self, access: AccessFormat | None, http_log: logging.Logger | None) -> None:
        """Set where records go; before the worker begins."""
        self.access = access
        self.http_log = http_log
        self.is_plain = http_log is None and (access is None or not access.reads_answers)

    def record(self, exchange: AbstractExchange, leading: bool) -> None:
        """Log and count the answer of an exchange, as far as it has been sent (any thread)."""
        output = exchange.output
        assert output is not None
        answer = output.answer
        us = int((_mono() - exchange.began_s) * 1e6)
        record = None
        if self.access is not None:
            parts = exchange.plan.parts
            if self.access.reads_answers:
                parts = self.access.answered(parts, answer.head)
            peer = exchange.request._peer.peer[0]
            record = self.access.line(peer, self._clock.stamp, parts, answer.status, output.body_bytes, us)
        self._count(record, answer.status, us, leading)

    def record_rejection(
        self, peer: tuple[bytes, bytes], seen: bytes | bytearray, status: int, body_bytes: int, us: int
    ) -> None:
        """Log and count the answer to a malformed request, of which `seen` was received, after `us` microseconds (the
        leader). peer: as in `Connection`, of the client."""
        record = None
        if self.access is not None:
            first = bytes(seen[:200]).lstrip(b"\r\n").split(b"\n", 1)[0].rstrip(b"\r")
            parts = self.access.unparsed(first)
            record = self.access.line(peer[0], self._clock.stamp, parts, status, body_bytes, us)
        self._count(record, status, us, True)

    def record_plain(
        self, exchange: AbstractExchange, status: int, body_bytes: int, sent_bytes: int, activity: Activity
    ) -> None:
        """Log and count a plain answer of a pool thread that has been sent whole, and end the request's scoreboard
        activity: what `record` and `count_sent` do, under one lock."""
        us = int((_mono() - exchange.began_s) * 1e6)
        access, lane = self.access, self._row.pool
        record = None
        if access is not None:
            peer = exchange.request._peer.peer[0]
            record = access.line(peer, self._clock.stamp, exchange.plan.parts, status, body_bytes, us)
        cell = status // 100 * BUCKETS + (BUCKET_OF[us] if us < 4096 else bucket(us))
        with self._pool_lock:
            if record is not None:
                lane.write(record)
            activity.start[0] = 0.0  # as soon after the record as can be: a request killed in between would have both
            lane.latency[cell] += 1
            self._pool_sent_bytes += sent_bytes
        if record is not None and self._scoreboard.asleep[0]:
            self._scoreboard.wake()

    def count_sent(self, sent_bytes: int, leading: bool = True) -> None:
        """Count bytes that were sent. What other threads count is added to the row by the leader's next call."""
        if not leading:
            with self._pool_lock:
                self._pool_sent_bytes += sent_bytes
            return
        if self._pool_sent_bytes:
            with self._pool_lock:
                sent_bytes += self._pool_sent_bytes
                self._pool_sent_bytes = 0
        self._row.cells[Cell.BYTES_SENT] += sent_bytes

    def _count(self, record: bytes | None, status: int, us: int, leading: bool) -> None:
        if self.http_log is not None and record is not None:
            if leading:
                self._chores.put_log((self._tell_http_log, record))
            else:
                self._tell_http_log(None, record)
            record = None
        cell = status // 100 * BUCKETS + bucket(us)
        if leading:
            if record is not None:
                self._row.lead.write(record)
            self._row.lead.latency[cell] += 1
            return
        with self._pool_lock:
            if record is not None:
                self._row.pool.write(record)
            self._row.pool.latency[cell] += 1
        if record is not None:
            self._scoreboard.wake()

    def _tell_http_log(self, _activity: object, record: bytes) -> None:
        assert self.http_log is not None
        try:
            self.http_log.info("%s", record.decode("latin-1").rstrip("\n"))
        except BaseException as error:
            self._log.error("the access log's logger raised", exc_info=error)
