"""The status of the server as one JSON-ready dict, for `webpy ctl status`, `top` and the admin process.

Only reads the scoreboard and the master's objects; knows nothing of how the status is shown. Called in the master by
the command `status`, whose reply holds it under "status". Times are in seconds, sizes in bytes:

{"name": "webpy", "target": "app.py", "pid": 4711, "started_at": 1760000000, "uptime_s": 86400.5,
 "stage": "running",            # "starting", "running", "delaying" (shutdown-delay), "stopping", "killing"
 "generation": 3, "wanted": 2, "listeners": ["127.0.0.1:8000", "unix:/run/x"],
 "urls": ["http://127.0.0.1:8000", "unix:/run/x"],
 "reload": {"phase": "idle",    # "idle", "waiting", "booting", "rolling", "proving", "undoing"
            "number": 3,        # the generation being made, or in force
            "done": 0, "of": 0, # slots replaced so far, of how many
            "last": {"ok": true, "generation": 3, "text": "", "at": 1760000100.2}},   # or null
 "reloads": 2, "reloads_failed": 0,
 "renewals": 1, "renewals_failed": 0, # of what workers take on without a reload (see `renewals`)
 "facts": {},                   # what the application says of that: a dict of anything
 "totals": {"accepted": 90, "closed_idle": 7, "closed_for_new": 0, "refused": 0, "bad_forwarded": 0,
            "bad_proxy_headers": 0, "throttled": 0, "bytes_sent": 123456, "timeouts": 0, "handed_over": 5,
            "requests": 1000, "killed_requests": 0, "deaths": 0, "log_waits": 0,
            "by_class": {"1xx": 0, "2xx": 990, "3xx": 4, "4xx": 6, "5xx": 0, "other": 0}},
 "latency": {"2": {"31": 900, "32": 90}},        # class 0 to 5 (0 odd, 2: 2xx): bucket (see latency.py): requests
 "log": {"bytes": 99000, "stalls": 0, "waits": 0, "dropped": 0, "pending_bytes": 0,
         "damaged": 0},                # rings that were found damaged by a worker
 "restarts": {"exit": 1, "recycle": 4},          # by cause
 "workers": [{"slot": 0, "generation": 3, "pid": 4713,
              "state": "ready",                  # "boot", "ready", "stuck", "draining", "killed", "gone"
              "leaving": "",                     # why it is being replaced
              "age_s": 80.0, "ready_s": 79.9,    # null before READY
              "heartbeat_s": 0.4,                # since its loop last ran; null before it did
              "connections": 3, "threads": 4, "busy_threads": 1, "queued": 0, "requests": 500, "bytes_sent": 61728,
              "memory_bytes": 9000000,           # private memory; 0 if it was not measured yet
              "by_class": {"1xx": 0, "2xx": 495, "3xx": 2, "4xx": 3, "5xx": 0, "other": 0},
              "map": [2, 1, 0, 0],               # threads: 2 busy for longer than slow-request, 1 busy, 0 idle
              "running": [{"thread": 4720,       # 0: waits for a thread, or is being sent by the loop
                           "seconds": 7.5, "peer": "10.0.0.1", "request": "GET /report HTTP/1.1"}]}],
 "sidecars": [{"title": "admin", "pid": 4714, "state": "ready"}],
 "events": [{"at": 1760000100.2, "kind": "reload", "text": "generation 3 serves"}]}   # oldest first
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..ending import Stage
from ..master import Master
from ..scoreboard.latency import BUCKETS, CLASSES
from ..scoreboard.layout import TEXT_BYTES, Cell, MasterCell
from ..scoreboard.row import Row
from ..scoreboard.untrusted import counts, past_time
from ..workers.reload import ReloadPhase
from ..workers.worker import Worker

__all__ = ["snapshot"]

_MAX_EVENTS = 100
_MAX_RUNNING = 20
_CLASSES = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")
_IDLE, _BUSY, _SLOW = range(3)
_STARTING = "starting"


def snapshot(master: Master) -> dict[str, Any]:
    """Return the status of now (in the master)."""
    now_s = time.monotonic()
    scoreboard, config = master.services.scoreboard, master.current.config
    cells = scoreboard.master
    uptime_s = now_s - cells[MasterCell.STARTED_NS] / 1e9
    fleet = list(master.fleet)
    rows = list(master.fleet.rows())
    latency = _latency([scoreboard.totals_latency, *_latencies(rows)])
    return {
        "name": config.name,
        "target": config.target,
        "pid": cells[MasterCell.PID],
        "started_at": cells[MasterCell.STARTED_AT_S],
        "uptime_s": uptime_s,
        "stage": _stage(master, fleet),
        "generation": master.current.number,
        "wanted": master.fleet.wanted,
        "listeners": [listener.address for listener in master.resources.listeners],
        "urls": list(master.resources.addresses),
        "reload": _reload(master),
        "reloads": cells[MasterCell.RELOADS],
        "reloads_failed": cells[MasterCell.RELOADS_FAILED],
        "renewals": cells[MasterCell.RENEWALS],
        "renewals_failed": cells[MasterCell.RENEWALS_FAILED],
        "facts": master.current.facts,
        "totals": {
            "accepted": _total(master, rows, Cell.ACCEPTED),
            "closed_idle": _total(master, rows, Cell.CLOSED_IDLE),
            "closed_for_new": _total(master, rows, Cell.CLOSED_FOR_NEW),
            "refused": _total(master, rows, Cell.REFUSED),
            "bad_forwarded": _total(master, rows, Cell.BAD_FORWARDED),
            "bad_proxy_headers": _total(master, rows, Cell.BAD_PROXY_HEADERS),
            "throttled": _total(master, rows, Cell.THROTTLED),
            "bytes_sent": _total(master, rows, Cell.BYTES_SENT),
            "timeouts": _total(master, rows, Cell.TIMEOUTS),
            "handed_over": _total(master, rows, Cell.HANDED_OVER),
            "requests": sum(map(sum, latency)),
            "killed_requests": cells[MasterCell.KILLED_REQUESTS],
            "deaths": cells[MasterCell.DEATHS],
            "log_waits": _log_waits(master, rows),
            "by_class": _by_class(latency),
        },
        "latency": {str(kind): _sparse(counts) for kind, counts in enumerate(latency)},
        "log": {
            "bytes": master.resources.logs.records.bytes,
            "stalls": master.resources.logs.records.stalls,
            "waits": _log_waits(master, rows),
            "dropped": master.drainer.dropped(),
            "pending_bytes": master.drainer.pending_bytes(),
            "damaged": master.resources.logs.records.damaged,
        },
        "restarts": dict(master.services.events.counts),
        "workers": [_worker(worker, now_s) for worker in sorted(fleet, key=_position)],
        "sidecars": [
            {"title": child.title, "pid": child.pid, "state": child.state.name.lower()} for child in master.sidecars
        ],
        "events": list(master.services.events.recent)[-_MAX_EVENTS:],
    }


def _position(worker: Worker) -> tuple[int, int]:
    return worker.slot.index, worker.generation.number


def _stage(master: Master, fleet: Iterable[Worker]) -> str:
    stage = master.ending.stage
    if stage is Stage.RUNNING and not master.fleet.ever_ready:
        return _STARTING
    return stage.name.lower()


def _reload(master: Master) -> dict[str, Any]:
    reloader, fleet = master.reloader, master.fleet
    replacing = reloader.phase in (ReloadPhase.ROLLING, ReloadPhase.PROVING, ReloadPhase.UNDOING)
    done = 0
    if replacing:
        done = sum(slot.worker is not None and slot.worker.generation is fleet.target for slot in fleet.slots)
    last = reloader.last
    return {
        "phase": reloader.phase.name.lower(),
        "number": reloader.number,
        "done": done,
        "of": len(fleet.slots) if replacing else 0,
        "last": None
        if last is None
        else {"ok": last.ok, "generation": last.generation, "text": last.text, "at": last.at},
    }


def _total(master: Master, rows: Iterable[Row], cell: Cell) -> int:
    return master.services.scoreboard.totals[cell] + sum(row.count(cell) for row in rows)


def _log_waits(master: Master, rows: Iterable[Row]) -> int:
    return master.services.scoreboard.totals[Cell.LOG_WAITS] + sum(row.lead.waits + row.pool.waits for row in rows)


# -- a worker ------------------------------------------------------------------------------------------------


def _worker(worker: Worker, now_s: float) -> dict[str, Any]:
    child, row = worker.child, worker.row
    slow_s = worker.generation.config.slow_request_s
    latency = _latency(_latencies([row]))
    running, queued = _work(row, now_s)
    on_threads = [each for each in running if each["thread"]]
    threads = min(max(row.count(Cell.THREADS), len(on_threads)), len(row.activities))
    lights = [_SLOW if slow_s and each["seconds"] >= slow_s else _BUSY for each in on_threads]
    heartbeat_s = past_time(row.cells[Cell.HEARTBEAT_NS] / 1e9)
    return {
        "slot": worker.slot.index,
        "generation": worker.generation.number,
        "pid": child.pid or 0,
        "state": child.state.name.lower(),
        "leaving": worker.leaving,
        "age_s": now_s - child.started_at,
        "ready_s": None if child.ready_at is None else now_s - child.ready_at,
        "heartbeat_s": max(0.0, now_s - heartbeat_s) if heartbeat_s else None,
        "connections": row.count(Cell.CONNECTIONS),
        "threads": threads,
        "busy_threads": len(on_threads),
        "queued": queued,
        "requests": sum(map(sum, latency)),
        "bytes_sent": row.count(Cell.BYTES_SENT),
        "memory_bytes": row.count(Cell.MEMORY_BYTES),
        "by_class": _by_class(latency),
        "map": lights + [_IDLE] * (threads - len(lights)),
        "running": running[:_MAX_RUNNING],
    }


def _work(row: Row, now_s: float) -> tuple[list[dict[str, Any]], int]:
    """Return the work that is going on, the longest first, and how many pieces of it wait for a thread."""
    found: list[dict[str, Any]] = []
    queued = 0
    for started_s, activity in zip(row.starts(), row.activities, strict=True):
        if not started_s:
            continue
        thread = activity.thread[0]
        queued += not thread and not activity.ident[0]
        text = bytes(activity.text[:TEXT_BYTES]).partition(b"\0")[0].decode("utf-8", "backslashreplace")
        peer, _, request = text.partition(" ")
        seconds = max(0.0, now_s - started_s)
        found.append({"thread": thread, "seconds": seconds, "peer": peer, "request": request.strip()})
    found.sort(key=lambda each: -each["seconds"])
    return found, queued


# -- latencies: CLASSES lists of BUCKETS counts --------------------------------------------------------------


def _latencies(rows: Iterable[Row]) -> list[memoryview[int]]:
    return [lane.latency for row in rows for lane in (row.lead, row.pool)]


def _latency(parts: Iterable[memoryview[int]]) -> list[list[int]]:
    summed = [sum(column) for column in zip(*map(counts, parts), strict=True)]
    return [summed[kind * BUCKETS : (kind + 1) * BUCKETS] for kind in range(CLASSES)]


def _by_class(latency: list[list[int]]) -> dict[str, int]:
    counted = dict(zip(_CLASSES, map(sum, latency), strict=True))
    return {**{kind: counted[kind] for kind in _CLASSES[1:]}, _CLASSES[0]: counted[_CLASSES[0]]}


def _sparse(counts: list[int]) -> dict[str, int]:
    return {str(index): count for index, count in enumerate(counts) if count}
