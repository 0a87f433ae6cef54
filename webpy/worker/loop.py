"""Owns the loop: the one thread at a time that leads, from a ready descriptor to an answer, and who leads.

The leader holds the lead, a lock, all the time but while it runs a handler; then the watcher may take the lead from it
if the handler blocks. So no request takes a lock that anybody waits for, and two threads never lead at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..request import Request
from ..supervisor import BUCKET_OF, BUCKETS, Line, bucket
from .connection import Connection, Phase
from .core import Core
from .delivery import Delivery
from .exchange import Exchange
from .output import WOULD_BLOCK
from .pace import HEATED, SUSPECT_S, Probe
from .plan import PEER_BYTES
from .pool import Role

if TYPE_CHECKING:
    from .housekeeping import Housekeeping
    from .reading import Begun, Reading

__all__ = ["Loop"]

Step = Callable[[Connection, int], "Begun | None"]

_READ_BYTES = 65536
_PLAIN_BYTES = 65536  # a body longer than this is not copied behind its head
_TICK_S = 0.002  # between the watcher's looks at a busy leader
_PATIENT_TICKS = 10  # looks that a leader may only be waiting for the GIL, while handlers compute
_CALM_TICKS = 10  # looks at an idle leader before the watcher sleeps

_CELL_OF = tuple(status_class * BUCKETS for status_class in range(6))  # in a lane's latencies

_mono = time.monotonic


class Loop:
    """Leads, and watches whoever leads."""

    def __init__(
        self, core: Core, reading: Reading, exchange: Exchange, delivery: Delivery, housekeeping: Housekeeping
    ) -> None:
        self._core = core
        self._exchange = exchange
        self._delivery = delivery
        self._housekeeping = housekeeping
        self._reading = reading
        self._lead = threading.Lock()
        self._leader = 0  # the leading thread's ident; changed under the lead
        self._leader_line: Line = core.row.lines[0]
        self._polling = False
        self._watcher_sleeps = False
        self._watcher_wake = threading.Semaphore(0)
        self._ended = threading.Event()
        self._steps: dict[int, Step] = {
            Phase.NEW: reading.first,
            Phase.HANDSHAKE: housekeeping.acceptor.shake_hands,
            Phase.HEAD: reading.more_head,
            Phase.BODY: reading.more_body,
            Phase.PIPELINED: reading.next,
            Phase.RUNNING: lambda conn, _event: core.park(conn),
            Phase.STREAMING: reading.more_stream,
            Phase.WRITING: delivery.advance,
            Phase.LINGER: reading.linger,
        }

    def run(self) -> None:
        """Lead and watch on threads of their own until the worker has drained (the main thread)."""
        for role in (self._begin, self._watch):
            if not self._core.pool.start(role):
                raise RuntimeError("the system lets this process have no threads")
        self._ended.wait()

    def _begin(self, line: Line) -> Role | None:
        self._lead.acquire()
        return self._take_the_lead(line)

    def _take_the_lead(self, line: Line) -> Role | None:
        """Lead until deposed or over; holding the lead."""
        self._leader = threading.get_ident()
        self._leader_line = line
        try:
            deposed = self._run(line)
        except BaseException:
            self._core.log.critical("the loop failed", exc_info=True)
            self._core.over = True
            deposed = False
        if deposed:
            return self._core.pool.join()
        self._ended.set()
        return None

    def _run(self, line: Line) -> bool:
        """The loop. Local names throughout: an attribute costs 20 ns, and everything here runs per request."""
        core, exchange, delivery, housekeeping = self._core, self._exchange, self._delivery, self._housekeeping
        steps, me = self._steps, threading.get_ident()
        conns_get, others, ready = core.conns.get, core.others, core.ready
        next_ready, add_ready, poll = ready.popleft, ready.extend, core.epoll.poll
        plans_get, begin = core.planner.recent.get, self._reading.begin
        clock, gate, asleep = core.clock, core.gate, core.board.asleep
        pool, places = core.pool, core.pool.places
        lead_try, lead_leave = self._lead.acquire, self._lead.release
        plain_log = core.plain_log
        log_line = core.access.line if plain_log and core.access is not None else None
        write, latency = core.row.lead.write, core.row.lead.latency
        start, line_peer, line_text = line.start, line.text[:PEER_BYTES], line.text[PEER_BYTES:]
        last_peer = last_plan = None
        sent_bytes = 0
        now = _mono()
        while True:
            try:
                fd, event = next_ready()
            except IndexError:
                if sent_bytes:
                    core.count_sent(sent_bytes)
                    sent_bytes = 0
                if asleep[0]:
                    core.board.wake()
                if core.over:
                    core.count_sent(0)
                    return False
                self._polling = True
                events = poll(core.wait_s)
                self._polling = False
                now = _mono()
                if self._watcher_sleeps:
                    self._wake_watcher()
                if now >= core.due_s:
                    housekeeping.tick(now)
                add_ready(events)
                continue
            conn = conns_get(fd)
            if conn is None:
                if fd in others:
                    others[fd](event)
                continue
            phase = conn.phase
            if phase:
                begun = steps[phase](conn, event)
                if begun is None:
                    continue
                plan, request = begun
            else:
                try:
                    data = conn.recv(_READ_BYTES)
                except WOULD_BLOCK:
                    continue
                except (OSError, ValueError):
                    data = b""
                known = plans_get(data)
                if known is not None:
                    plan, request = known, Request(conn, known.head)
                else:
                    begun = begin(conn, data)
                    if begun is None:
                        continue
                    plan, request = begun
            work = plan.work
            if work.kind or not places:
                exchange.dispatch(conn, plan, request)
                continue

            # A quick handler: run here.
            peer = conn.peer
            if peer is not last_peer:
                line_peer[:] = peer[1]
                last_peer = peer
            if plan is not last_plan:
                line_text[:] = plan.text
                last_plan = plan
            probe = Probe() if work.heat >= HEATED else None
            pool.inline = conn, plan, now
            start[0] = now
            lead_leave()
            handler: Any
            try:
                handler = plan.handler(request, plan.groups)
                result = plan.call(handler)
            except BaseException as error:
                handler, result = exchange.failed(plan, request, error)
            if probe is not None:
                wall_s, cpu_s = probe.end()
                work.sample(wall_s, cpu_s, gate.running > 0)
            held = lead_try(False)
            if (not held or self._leader != me) and not self._lead_again(me, held):
                exchange.settle(conn, plan, handler, result, now, line)
                start[0] = 0.0
                core.call(core.count_sent, sent_bytes)
                return True
            prefix = None
            if plan.plain and plain_log:
                try:
                    status, body = result
                    response = handler._response
                    if type(body) is str:
                        body = body.encode()
                        prefix = clock.text[status] if response is None else clock.prefix(status, True, response)
                    elif type(body) is bytes:
                        prefix = clock.plain[status] if response is None else clock.prefix(status, False, response)
                    if prefix is not None and len(body) > _PLAIN_BYTES:
                        prefix = None
                    cell = _CELL_OF[status // 100]
                except Exception:  # user code, if the result is a generator
                    prefix = None
            if prefix is None:
                exchange.settle(conn, plan, handler, result, now, None)
                end = _mono()
            else:
                length = len(body)
                out = b"%b%d\r\n\r\n%b" % (prefix, length, body)
                try:
                    sent = conn.send(out)
                except WOULD_BLOCK:
                    sent = 0
                except (OSError, ValueError):
                    sent = -1
                if sent == len(out):
                    end = _mono()
                    us = int((end - now) * 1e6)
                    if log_line is not None:
                        write(log_line(peer[0], clock.stamp, plan.parts, status, length, us))
                    latency[cell + (BUCKET_OF[us] if us < 4096 else bucket(us))] += 1
                    sent_bytes += sent
                    conn.since_s = end
                    if conn.buffer:
                        delivery.release(conn, False)
                elif sent < 0:
                    core.note(conn, plan, status, 0, now, True)
                    core.forget(conn)
                    end = _mono()
                else:
                    delivery.resume_plain(conn, plan, status, out, sent, length, now)
                    end = _mono()
            start[0] = 0.0
            if end - now > SUSPECT_S:
                if work.heat < HEATED and not gate.running:
                    work.heat += 1
            elif 0 < work.heat < HEATED:
                work.heat -= 1
            now = end

    def _lead_again(self, me: int, held: bool) -> bool:
        """The lead was not to be had, or is another's: whether it was taken only for a look, and is ours again."""
        if held:  # it was free as the new leader runs a handler of its own
            self._lead.release()
            return False
        while self._leader == me:
            if self._lead.acquire(timeout=0.001):
                if self._leader == me:
                    return True
                self._lead.release()
        return False

    # -- the watcher's thread ---------------------------------------------------------------------------------------

    def _wake_watcher(self) -> None:
        self._watcher_sleeps = False
        self._watcher_wake.release()

    def _watch(self, line: Line) -> Role | None:
        """Look at the leader every tick while it is busy; take the lead from one whose handler blocks."""
        last = 0.0
        stuck = calm = 0
        while not self._core.over:
            time.sleep(_TICK_S)
            began = self._leader_line.start[0]
            if self._polling:
                calm += 1
                stuck = 0
                if calm > _CALM_TICKS:
                    self._sleep()
                    calm = 0
                continue
            calm = 0
            stuck = stuck + 1 if began and began == last else 0
            last = began
            if stuck > (_PATIENT_TICKS if self._core.gate.running else 0) and self._depose(began):
                return self._take_the_lead
        return None

    def _sleep(self) -> None:
        self._watcher_sleeps = True
        if self._polling:
            self._watcher_wake.acquire()
        else:  # the leader may have looked before the flag was set
            self._watcher_sleeps = False

    def _depose(self, began: float) -> bool:
        """Take the lead from a leader that has been in one handler since `began`, if another thread can watch then."""
        if not self._lead.acquire(blocking=False):
            return False
        running = self._core.pool.inline
        moved_on = self._leader_line.start[0] != began
        if running is None or moved_on or not self._core.pool.lend(self._watch):
            self._lead.release()
            return False
        conn, plan, _ = running
        self._core.pool.take_place()
        conn.phase = Phase.RUNNING
        if _sleeps(self._leader_line.thread[0]):
            plan.work.found_waiting()
        else:
            plan.work.found_busy()
        self._leader = threading.get_ident()
        return True


def _sleeps(thread_id: int) -> bool:
    """Whether a thread of this process waits for something, rather than for a CPU (proc(5), the state in stat)."""
    try:
        with open(f"/proc/self/task/{thread_id}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split(None, 1)[0]
    except (OSError, IndexError):
        return True
    return state != b"R"
