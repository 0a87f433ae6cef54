"""Owns what every part of a worker shares: the poller, the connections, the log, and the way back to the leader.

The leader, one thread at a time, owns everything here but what a method says other threads may call.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..supervisor import BUCKET_OF, BUCKETS, CLOSED, QUEUE_LINES, Cell, Context, Line, bucket
from .connection import Connection, Phase
from .errorlog import ErrorLog
from .faults import Faults
from .lines import Lines
from .pace import QUICK, Gate, Work
from .pool import Pool, Task

if TYPE_CHECKING:
    import logging

    from ..accesslog import AccessFormat
    from ..protocol import Limits
    from ..settings import Settings
    from .clock import Clock
    from .handover import Handover
    from .output import Output
    from .plan import Plan, Planner

__all__ = ["Core"]

_mono = time.monotonic


class Core:
    """The worker's shared state; see the attributes."""

    def __init__(
        self,
        context: Context,
        settings: Settings,
        limits: Limits,
        planner: Planner,
        clock: Clock,
        log: logging.Logger,
        access: AccessFormat | None,
        http_log: logging.Logger | None,
    ) -> None:
        self.context = context
        self.row = context.row
        self.scoreboard = context.scoreboard
        self.settings = settings
        self.limits = limits
        self.planner = planner
        self.clock = clock
        self._log_work = Work()  # what is known of the pace of the loggers
        self.log = ErrorLog(log, self._defer_log)
        self.access = access  # None: no access log
        self.http_log = http_log  # a logger that stands for the access log
        self.plain_log = http_log is None and (access is None or not access.reads_answers)  # writes what plans hold
        self.epoll = select.epoll()
        self.conns: dict[int, Connection] = {}
        self.ready: deque[tuple[int, int]] = deque()  # descriptors and events, to be looked at in order
        self.others: dict[int, Callable[[int], None]] = {}  # what to call for descriptors that are no connections
        self.gate = Gate()
        self.pool = Pool(self.row.lines[:-QUEUE_LINES], settings.threads, self.log, self.call)
        self.chores = self.pool.chores  # see `aside`
        self.nothing = Work()  # for what is only let go of
        self.asides: deque[None] = deque()  # as many as tasks were put aside and have not ended
        self.leftovers: list[Any] = []  # what may be the application's, for the leader to let go of outside the lead
        self.faults = Faults(self.log)
        self._resting: set[int] = set()  # descriptors of `others` that are not listened to until the next tick
        self.lines = Lines(self.row.lines[-QUEUE_LINES:])
        Connection.multithread = settings.threads > 1
        self.wait_s = 0.0  # how long a poll may wait
        self.due_s = 0.0  # when housekeeping is to be called
        self.draining = False  # new connections are others', and the last one ends the worker
        self.closing = False  # answers end their connections
        self.handover: Handover | None = None  # while draining: connections that have nothing to wait for here move
        self._load_shown = True
        self.left: Callable[[Connection], None] | None = None  # told of each connection that goes
        self.over = False  # drained: the leader ends
        self._pool_lock = threading.Lock()  # for the row's pool lane, which all threads but the leader share
        self._pool_sent_bytes = 0
        self._inbox: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.others[self._wake_fd] = self._answer_calls
        self.epoll.register(self._wake_fd, select.EPOLLIN)

    def closes(self, conn: Connection) -> bool:
        """Return whether the next answer on a connection ends it."""
        return self.closing or (self.draining and not conn.transport.movable)

    def leave(self) -> None:
        """Close the connections and what the leader waits on (in a process that the application forked: a connection
        that it held too would not end with the worker's answer)."""
        for conn in self.conns.values():
            conn.transport.let_go()
        self.epoll.close()
        os.close(self._wake_fd)

    # -- from any thread --------------------------------------------------------------------------------------------

    def call(self, function: Callable[..., None], *args: Any) -> None:
        """Have the leader call `function(*args)` soon (any thread)."""
        self._inbox.append((function, args))
        os.eventfd_write(self._wake_fd, 1)

    def note(
        self,
        conn: Connection,
        plan: Plan,
        status: int,
        body_bytes: int,
        began_s: float,
        leading: bool,
        answer_head: bytes = b"",
    ) -> None:
        """Log and count an answer (any thread; leading: the leader)."""
        us = int((_mono() - began_s) * 1e6)
        record = None
        if self.access is not None:
            parts = plan.parts
            if self.access.reads_answers:
                parts = self.access.answered(parts, answer_head)
            record = self.access.line(conn.peer[0], self.clock.stamp, parts, status, body_bytes, us)
        self.count(record, status, us, leading)

    def note_from_pool(
        self, conn: Connection, plan: Plan, status: int, body_bytes: int, sent: int, began_s: float, line: Line
    ) -> None:
        """Log and count an answer of a pool thread, and what it sent: `note` in one step, and the end of its line."""
        us = int((_mono() - began_s) * 1e6)
        access, lane = self.access, self.row.pool
        record = None
        if access is not None:
            record = access.line(conn.peer[0], self.clock.stamp, plan.parts, status, body_bytes, us)
        cell = status // 100 * BUCKETS + (BUCKET_OF[us] if us < 4096 else bucket(us))
        with self._pool_lock:
            if record is not None:
                lane.write(record)
            line.start[0] = 0.0  # as soon after the record as can be: a request killed in between would have both
            lane.latency[cell] += 1
            self._pool_sent_bytes += sent
        if record is not None and self.scoreboard.asleep[0]:
            self.scoreboard.wake()

    def count(self, record: bytes | None, status: int, us: int, leading: bool) -> None:
        """Write a record and count the answer in the lane of whoever calls."""
        if self.http_log is not None and record is not None:
            if leading:
                self.aside(self._log_work, (self._tell_http_log, record))
            else:
                self._tell_http_log(None, record)
            record = None
        cell = status // 100 * BUCKETS + bucket(us)
        if leading:
            if record is not None:
                self.row.lead.write(record)
            self.row.lead.latency[cell] += 1
        else:
            with self._pool_lock:
                if record is not None:
                    self.row.pool.write(record)
                self.row.pool.latency[cell] += 1
            if record is not None:
                self.scoreboard.wake()

    def count_sent_by_pool(self, sent_bytes: int) -> None:
        """Count bytes sent by a thread that does not lead; `count_sent` takes them along."""
        with self._pool_lock:
            self._pool_sent_bytes += sent_bytes

    def _tell_http_log(self, _line: object, record: bytes) -> None:
        assert self.http_log is not None
        try:
            self.http_log.info("%s", record.decode("latin-1").rstrip("\n"))
        except BaseException as error:
            self.log.error("the access log's logger raised", exc_info=error)

    # -- the application's code, which never runs while its thread holds the lead -----------------------------------

    def aside(self, work: Work, task: Task) -> None:
        """Run something of the application's: by the leader once it has left the lead, or by the pool if that is slow.

        work: what is known of its pace.
        """
        self.asides.append(None)
        whole = (self._run_aside, task)
        if work.kind == QUICK:
            self.chores.append((work, whole))
        else:
            self.pool.put(whole)

    def _run_aside(self, line: Line, task: Task) -> None:
        try:
            task[0](line, *task[1:])
        finally:
            self.asides.pop()

    def end_answer(self, output: Output) -> None:
        """End an answer: close its body, and let go of what the application gave (the leader)."""
        if output.closes_quietly:
            output.finish(None, self.log)
        elif output.plan is not None:
            self.aside(output.plan.work, (output.finish, self.log))

    def is_log(self, work: Work) -> bool:
        """Whether it is the pace of loggers, which need no place as handlers do."""
        return work is self._log_work

    def _defer_log(self, task: Task) -> None:
        self.aside(self._log_work, task)

    # -- the leader -------------------------------------------------------------------------------------------------

    def count_sent(self, sent_bytes: int) -> None:
        """Count bytes sent, those of the pool's threads too."""
        if self._pool_sent_bytes:
            with self._pool_lock:
                sent_bytes += self._pool_sent_bytes
                self._pool_sent_bytes = 0
        self.row.cells[Cell.BYTES_SENT] += sent_bytes

    def add(self, conn: Connection, accepted: bool = True) -> None:
        """Take a connection, a new one or (accepted: False) another worker's.

        Raises OSError if it cannot be watched; it is still the caller's then.
        """
        self.epoll.register(conn.fd, select.EPOLLIN)
        self.conns[conn.fd] = conn
        self.row.cells[Cell.ACCEPTED] += accepted
        self._tell_load()

    def forget(self, conn: Connection) -> None:
        """Close a connection, wherever it stands; what it was doing is abandoned."""
        if self._leave(conn):
            conn.transport.close()

    def _leave(self, conn: Connection) -> bool:
        """Take a connection out before it is closed; False if that has been done."""
        if conn.phase == Phase.CLOSED:
            return False
        self._leave_out(conn)
        self._drop_intake(conn)
        conn.phase = Phase.CLOSED
        return True

    def let_go(self, conn: Connection) -> None:
        """Give up a connection that another worker has now: nothing of it is ended."""
        self._leave_out(conn)
        conn.phase = Phase.CLOSED
        conn.transport.let_go()
        self.row.cells[Cell.HANDED_OVER] += 1

    def _leave_out(self, conn: Connection) -> None:
        self.conns.pop(conn.fd, None)  # one that could not be watched is not there
        if not conn.parked:
            with contextlib.suppress(OSError):
                self.epoll.unregister(conn.fd)  # closing would not do it while another process has the socket too
        self._tell_load()
        if self.left is not None:
            self.left(conn)
        if self.draining and not self.conns:
            self.hurry()

    def _drop_intake(self, conn: Connection) -> None:
        intake, conn.intake = conn.intake, None
        if intake is not None:
            self.leftovers.append(intake)  # which may hold a handler
            intake.abandon()
            self.lines.end(intake)

    def abort(self, conn: Connection) -> None:
        """Reset a connection, so that the client cannot take what it got for a whole answer."""
        if self._leave(conn):
            conn.transport.abort()

    def reset(self, conn: Connection, theirs: bool = True) -> None:
        """Break a connection off on which something failed that never should, wherever it stands; never raises.

        theirs: if its handler runs, it is that thread's, which is told by the socket and ends the connection.
        """
        if conn.phase == Phase.CLOSED:
            return
        try:
            if theirs and conn.phase == Phase.RUNNING:
                conn.transport.shutdown()
            else:
                self.break_off(conn)
        except BaseException as error:
            self.faults.tell(error, "a connection could not be reset")
            self.conns.pop(conn.fd, None)
            conn.phase = Phase.CLOSED
            conn.transport.abort()

    def break_off(self, conn: Connection) -> None:
        """Reset a connection that no thread works on, and end its answer."""
        output, conn.output = conn.output, None
        if output is not None:
            self.lines.end(output)
            self.end_answer(output)
        self.abort(conn)

    def rest(self, fd: int) -> None:
        """Do not listen to one of `others` until the next tick: it would fail again at once."""
        with contextlib.suppress(OSError):
            self.epoll.modify(fd, 0)
            self._resting.add(fd)

    def end_rest(self) -> None:
        """Listen again to what rests."""
        while self._resting:
            fd = self._resting.pop()
            if fd in self.others:
                with contextlib.suppress(OSError):
                    self.epoll.modify(fd, select.EPOLLIN)

    def lingering_close(self, conn: Connection) -> None:
        """End a connection after its last answer: at once, or seeing to it that the client can read the answer.

        Closing with bytes unread makes the kernel reset the connection, and the client may lose the answer
        (RFC 9112 section 9.6): so those are taken in for a while.
        """
        if conn.intake is None and not conn.buffer and not conn.transport.unread():
            self.forget(conn)
            return
        self._drop_intake(conn)
        conn.buffer = b""
        conn.transport.end_sending()
        conn.phase = Phase.LINGER
        conn.since_s = _mono()
        self.watch(conn, select.EPOLLIN)

    def watch(self, conn: Connection, events: int) -> None:
        """Wait for these events of a connection, parked or not."""
        if conn.parked:
            conn.parked = False
            self.epoll.register(conn.fd, events)
        else:
            self.epoll.modify(conn.fd, events)

    def park(self, conn: Connection) -> None:
        """Stop listening to a connection whose handler runs: it has sent more, or gone."""
        conn.parked = True
        with contextlib.suppress(OSError):
            self.epoll.unregister(conn.fd)
        if conn.phase == Phase.IDLE:  # it ended meanwhile, and may not have seen that the connection was parked
            self.watch(conn, select.EPOLLIN)

    def unpark(self, conn: Connection) -> None:
        """Listen again to a connection that was parked as its exchange ended on another thread."""
        if conn.parked and conn.phase == Phase.IDLE:  # otherwise `park` has seen to it, and the next request may run
            self.watch(conn, select.EPOLLIN)

    def hurry(self) -> None:
        """Have housekeeping called after the very next poll, which does not wait."""
        self.due_s = self.wait_s = 0.0

    def show_load(self, shown: bool) -> None:
        """Show the others how many connections there are here; or that this worker accepts none."""
        self._load_shown = shown
        self.scoreboard.load[self.row.index] = len(self.conns) if shown and not self.draining else CLOSED

    def _tell_load(self) -> None:
        if self._load_shown and not self.draining:
            self.scoreboard.load[self.row.index] = len(self.conns)
        self.row.cells[Cell.CONNECTIONS] = len(self.conns)

    def _answer_calls(self, _event: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake_fd)
        while self._inbox:
            function, args = self._inbox.popleft()
            try:
                function(*args)
            except BaseException as error:
                found = next((each for each in args if isinstance(each, Connection)), None)
                self.faults.tell(error, f"a call of {getattr(function, '__qualname__', function)} failed")
                if found is not None:
                    self.reset(found, theirs=False)  # whoever called has done with it
