"""Owns the loop: the one thread at a time that leads, from a ready descriptor to an answer.

The leader holds the lead all the time, except while it runs the application's code: then the watcher may take it, if
that code blocks (threads/lead.py). So no request waits for a lock, and two threads never lead at once.

Each event has a boundary: an exception costs the connection it came from, and the loop goes on.
"""

from __future__ import annotations

import threading
import time
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..framework.answer import STREAMS, read_small
from ..framework.request import Request
from ..framework.response import ClosingBody
from ..supervisor import BUCKET_OF, BUCKETS, Activity, bucket
from .connections.connection import Connection
from .connections.transport import WOULD_BLOCK
from .exchanges.exchange import Exchange
from .exchanges.output import Output, send_file
from .exchanges.plan import PEER_BYTES, Plan, name_of
from .http1.heads import MAX_HEAD_BYTES
from .threads.lead import Lead, Left
from .threads.pace import HEATED, SUSPECT_S, Probe
from .threads.pool import Role

if TYPE_CHECKING:
    from .housekeeping import Housekeeping
    from .worker import Worker

__all__ = ["Loop"]

_READ_BYTES = 65536
_PLAIN_BYTES = 65536  # a body longer than this is not copied behind its head
_PAUSE_S = 1.0  # of what is the loop's own, after a fault in it
_LASTING = frozenset(map(id, (str, bytes, *STREAMS)))  # bodies that may stay until the next answer: none sees them go
_CELL_OF = tuple(status_class * BUCKETS for status_class in range(6))  # in a lane's latencies
_mono = time.monotonic
_FRESH, _DEPOSED = Left(False), Left(True)


class Loop:
    """Leads."""

    def __init__(self, worker: Worker, housekeeping: Housekeeping) -> None:
        self._worker = worker
        self._housekeeping = housekeeping
        self._lead = Lead(worker, self._take_the_lead)
        self._failure: BaseException | None = None  # why the loop cannot go on
        self._ended = threading.Event()

    def run(self) -> None:
        """Lead and watch on threads of their own until the worker has drained (the main thread, which watches itself if
        there is no thread to be had for it).

        Raises RuntimeError when the system lets this process have no threads, or the loop cannot go on.
        """
        pool = self._worker.pool
        if not pool.start(self._begin):
            raise RuntimeError("the system lets this process have no threads")
        if not pool.start(self._lead.watch):
            pool.play(self._lead.watch)
        while not self._ended.is_set():
            try:
                self._ended.wait()
            except BaseException as error:  # a signal handler of the application's raised: it runs in the main thread
                self._worker.faults.tell(error, "a signal handler failed")
        if self._failure is not None:
            raise RuntimeError("the loop cannot go on") from self._failure

    def _begin(self, activity: Activity) -> Role | None:
        self._lead.acquire()
        return self._take_the_lead(activity)

    def _take_the_lead(self, activity: Activity) -> Role | None:
        """Lead until deposed or over; holding the lead.

        The loop runs in a context of its own, in which quick handlers run too. Once a handler has set a variable in it,
        the loop goes on in a new one: no other request sees the variable, and the rest of that answer has the old one.
        """
        worker = self._worker
        self._lead.take(activity)
        left: Left | None
        while True:
            here = Context()
            left = here.run(self._run, activity, here)
            if left is None:
                break
            if not left.deposed:
                self._lead.chore_s = 0.0
                self._lead.polling = False
                worker.chores.leftovers += (left, here)
            if left.fault is not None:
                self._contain(left)
            elif left.exchange is not None:
                try:
                    left.exchange.deliver(activity if left.deposed else None)
                except BaseException as error:
                    self._contain(left._replace(fault=error))
            activity.start[0] = 0.0
            if left.deposed:
                return worker.pool.join()
            left = None  # `leftovers` has what it held
        self._ended.set()
        return None

    def _contain(self, left: Left) -> None:
        """Say what failed, and reset the connection it came from. What came from none has the loop pause; if that
        was the poller itself, the loop ends."""
        worker, error, conn = self._worker, left.fault, left.conn
        assert error is not None
        if conn is not None:
            client = conn.origin.client_address[0]
            worker.faults.tell(error, f"an event of a connection of {client} failed; it is reset")
            if left.deposed:
                worker.reactor.call(worker.table.reset, conn, False)  # its handler has run on this thread
            else:
                worker.table.reset(conn)
            return
        worker.faults.tell(error, "an event of the loop failed")
        if left.deposed:
            return
        reactor = worker.reactor
        if left.fd >= 0:
            reactor.rest(left.fd)
            return
        reactor.due_s, reactor.wait_s = _mono() + _PAUSE_S, _PAUSE_S
        try:
            reactor.epoll.poll(0)
        except BaseException as broken:
            self._failure = broken
            worker.lifecycle.over = True
            worker.log.now.critical("the loop cannot poll any more (%s); the worker ends", broken)

    def _run(self, activity: Activity, here: Context) -> Left | None:
        """The loop; None when the worker is over. here: the context it runs in, which holds no variable yet.

        Local names throughout: an attribute costs 20 ns, and everything here runs per request.
        """
        worker, lead, reactor, lifecycle = self._worker, self._lead, self._worker.reactor, self._worker.lifecycle
        me, http1 = threading.get_ident(), worker.http1
        conns_get, fd_callbacks, ready = worker.table.by_fd.get, reactor.fd_callbacks, reactor.ready
        next_ready, add_ready, poll = ready.popleft, ready.extend, reactor.epoll.poll
        plans_get, begin, later = http1.heads.recent.get, http1.reading.begin, reactor.later
        clock, gate, scoreboard = worker.clock, worker.gate, worker.context.scoreboard
        asleep, recorder, failed = scoreboard.asleep, worker.recorder, worker.failures.answer
        pool, places = worker.pool, worker.pool.places
        lead_try, lead_leave = lead.acquire, lead.leave
        plain_log, access = recorder.is_plain, recorder.access
        log_line = access.line if plain_log and access is not None else None
        logs = access is not None and recorder.http_log is None
        write, latency = worker.row.lead.write, worker.row.lead.latency
        start, shown_peer, shown_text = activity.start, activity.text[:PEER_BYTES], activity.text[PEER_BYTES:]
        chores, leftovers = worker.chores.queue, worker.chores.leftovers
        last_peer = last_plan = begun = None
        none: Any = None
        handler = result = status = body = response = request = last_request = none
        exchange = last_exchange = closing = none
        sent_bytes = length = 0
        fd, now = -1, _mono()
        conn: Connection | None = None
        try:
            while True:
                try:
                    fd, event = next_ready()
                except IndexError:
                    fd, conn = -1, None
                    if sent_bytes:
                        recorder.count_sent(sent_bytes)
                        sent_bytes = 0
                    if chores or leftovers:
                        if not lead.work_off(me, activity):
                            return _DEPOSED
                        if here:
                            leftovers += (handler, result, status, body, response)
                            leftovers += (request, last_request, exchange, last_exchange)
                            return _FRESH
                        continue
                    if logs and asleep[0]:  # without records there is nothing to wake the master for
                        scoreboard.wake()
                    if lifecycle.over:
                        recorder.count_sent(0)
                        return None
                    lead.polling = True
                    events = poll(0 if later else reactor.wait_s)
                    lead.polling = False
                    now = _mono()
                    if lead.watcher_sleeps:
                        lead.wake_watcher()
                    if now >= reactor.due_s:
                        reactor.end_rests()
                        self._housekeeping.tick(now)
                    add_ready(events)
                    if later:  # long work, a bit at a time: whatever came with this poll goes first
                        add_ready((later.popleft(),))
                    continue
                conn = conns_get(fd)
                if conn is None:
                    if fd in fd_callbacks:
                        fd_callbacks[fd](event)
                    continue
                if conn.phase:
                    exchange = conn.protocol.on_event(conn, event)
                    if exchange is None:
                        continue
                    plan, request = exchange.plan, exchange.request
                    now = _mono()  # a body took time
                else:  # HTTP/1 that waits for its next request: what `Http1` does, in place
                    exchange = none
                    try:
                        data = conn.recv(_READ_BYTES)
                    except WOULD_BLOCK:
                        continue
                    except (OSError, ValueError):
                        data = b""
                    length = len(data)  # one that does not end as a head does has a body, which is not worth hashing
                    known = plans_get(data) if length < 400 or (length <= MAX_HEAD_BYTES and data[-1] == 10) else None
                    if known is not None:
                        plan, request = known, Request(conn, known.head)
                    else:
                        begun = begin(conn, data)
                        if begun is None:
                            continue
                        plan, request = begun
                        begun = None
                work = plan.work
                if work.kind or not places:
                    if exchange is None:
                        exchange = Exchange(worker, conn, plan, request)
                    worker.dispatcher.dispatch(exchange)
                    leftovers.append(exchange)  # if this thread is the last to have it, it is dropped outside the lead
                    exchange = request = none
                    continue
                # A quick handler: run here.
                peer = request._peer.peer
                if peer is not last_peer:
                    shown_peer[:] = peer[1]
                    last_peer = peer
                if plan is not last_plan:
                    shown_text[:] = plan.text
                    last_plan = plan
                probe = Probe() if work.heat >= HEATED else None
                pool.inline = conn, work, now
                start[0] = now
                lead_leave()
                # Whatever is the application's runs in here, and is let go of in here: the names that hold it are bound
                # anew nowhere else.
                try:
                    prefix = handler = closing = none
                    try:
                        handler = plan.handler(request, plan.groups)
                        result = plan.call(handler)
                    except BaseException as error:
                        handler, result = failed(plan, request, error, handler)
                    last_request, last_exchange = request, exchange
                    pre = plan.plain
                    if pre is not None and plain_log:
                        try:
                            status, body = result
                            response = handler._response
                            if type(body) is str:
                                body = body.encode()
                                prefix = pre.text[status] if response is None else pre.prefix(status, True, response)
                            elif type(body) is bytes:
                                prefix = pre.plain[status] if response is None else pre.prefix(status, False, response)
                            elif type(body) is ClosingBody:
                                prefix = none if body.tell() else pre.prefix(status, False, response)
                                if prefix is not None:  # nobody has read of it
                                    closing, body = body, body.getvalue()  # no copy
                            elif type(body) in STREAMS:
                                prefix = pre.prefix(status, False, response)
                                body = None if prefix is None else read_small(body)
                                if body is None:
                                    prefix = none
                                else:  # the file is closed and these are its bytes, or it is looked up
                                    result = status, body
                            if prefix is not None:
                                length = len(body)
                                if length > _PLAIN_BYTES and (
                                    type(body) is bytes or length > conn.transport.file_step_bytes
                                ):
                                    prefix = None
                            cell = _CELL_OF[status // 100]
                        except BaseException:  # the application's, or because the result is not valid
                            prefix = None
                    if prefix is None:
                        closing = none
                        if exchange is None:
                            exchange = last_exchange = Exchange(worker, conn, plan, request)
                        exchange.began_s = now
                        exchange.prepare(handler, result)
                    if probe is not None:
                        wall_s, cpu_s = probe.end()
                        work.sample(wall_s, cpu_s, gate.running > 0)
                except BaseException as error:
                    held = lead_try(False)
                    leads = (held and lead.leader == me) or lead.again(me, held)
                    return Left(not leads, conn, None, error, fd)
                held = lead_try(False)
                if (not held or lead.leader != me) and not lead.again(me, held):
                    if prefix is not None:
                        if exchange is None:
                            exchange = last_exchange = Exchange(worker, conn, plan, request)
                        exchange.began_s = now
                        exchange.prepare(handler, result)
                    exchange.context = here
                    reactor.call(recorder.count_sent, sent_bytes)
                    return Left(True, conn, exchange)
                if prefix is None:
                    if here:
                        recorder.count_sent(sent_bytes)
                        exchange.context = here
                        leftovers += (handler, result, status, body, response)
                        leftovers += (request, last_request, exchange, last_exchange)
                        work.warm(_mono() - now, gate.running)
                        return Left(False, conn, exchange)
                    exchange.deliver(None)
                    if type(result) is not tuple or not result or id(type(result[-1])) not in _LASTING:
                        leftovers += (handler, result, status, body, response)
                        leftovers += (request, last_request, exchange, last_exchange)
                        handler = result = status = body = response = none
                        request = last_request = exchange = last_exchange = none
                    end = _mono()
                else:
                    try:
                        if type(body) is bytes:
                            out = b"%b%d\r\n\r\n%b" % (prefix, length, body)
                            size, sent = len(out), conn.send(out)
                        else:
                            out = b"%b%d\r\n\r\n" % (prefix, length)
                            size, sent = len(out) + length, send_file(conn.transport, out, body)
                    except WOULD_BLOCK:
                        sent = 0
                    except (OSError, ValueError):
                        sent = -1
                    if sent == size:
                        end = _mono()
                        us = int((end - now) * 1e6)
                        if log_line is not None:
                            write(log_line(peer[0], clock.stamp, plan.parts, status, length, us))
                        latency[cell + (BUCKET_OF[us] if us < 4096 else bucket(us))] += 1
                        sent_bytes += sent
                        conn.since_s = end
                        if conn.buffer:
                            http1.release(conn, False)
                    else:
                        if exchange is None:
                            exchange = Exchange(worker, conn, plan, request)
                        exchange.began_s = now
                        exchange.output = Output.of_plain(status, out, body)
                        if closing is not none:
                            exchange.output.answer.owner, closing = closing, none
                        exchange.resume_plain(sent)
                        end = _mono()
                start[0] = 0.0
                if end - now > SUSPECT_S:
                    if work.heat < HEATED and not gate.running:
                        work.heat += 1
                elif 0 < work.heat < HEATED:
                    work.heat -= 1
                if closing is not none:  # the answer has left, and the application wants to know
                    worker.chores.put(work, (self._close_body, closing, plan, request))
                    if not lead.work_off(me, activity):
                        reactor.call(recorder.count_sent, sent_bytes)
                        return _DEPOSED
                    end = _mono()
                if here:
                    recorder.count_sent(sent_bytes)
                    leftovers += (handler, result, status, body, response)
                    leftovers += (request, last_request, exchange, last_exchange)
                    return _FRESH
                now = end
        except BaseException as error:  # an event that failed: costs its connection, and nothing when nothing is raised
            recorder.count_sent(sent_bytes)
            return Left(False, conn, None, error, fd)

    def _close_body(self, _activity: object, body: ClosingBody, plan: Plan, request: Request) -> None:
        """Close the body of an answer that has left, as a chore."""
        try:
            body.close()
        except BaseException as error:
            self._worker.log.error("closing the body of %s", name_of(plan, request), exc_info=error)
