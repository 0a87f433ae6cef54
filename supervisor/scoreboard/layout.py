"""The layout of the scoreboard: which cell holds which number, and how large the parts are.

Owns the numbering. The values of `Cell` and `MasterCell`, and what `layout` returns, are part of what an upgrade in
place compares: changing one of them makes the new version refuse to take over from the old. Constants only.
"""

from __future__ import annotations

import mmap
from enum import IntEnum

from .lane import lane_bytes
from .latency import BUCKETS, CLASSES

__all__ = [
    "ACTIVITY_STRIDE",
    "AWAITED",
    "CACHE_LINE",
    "CLOSED",
    "COUNTERS",
    "MASTER_CELLS",
    "PAGE",
    "QUEUE_ACTIVITIES",
    "ROW_CELLS",
    "SENDING",
    "SHARED_BYTES",
    "SHARED_KEY_BYTES",
    "TEXT_BYTES",
    "Cell",
    "MasterCell",
    "layout",
]

CLOSED = 2**64 - 1
"""Value of a row's cell in `Scoreboard.load` while its process accepts no connections."""

TEXT_BYTES = 232
"""Bytes of an activity's text; the writer always assigns all of them."""

QUEUE_ACTIVITIES = 128
"""Activities of a row beside those of its threads, for work that no thread does: it waits for one, or is being sent."""

SENDING = 1
"""Value of `Activity.ident` while no thread does the work and it waits for the peer, to send or to receive."""

AWAITED = 2
"""Value of `Activity.ident` while no thread of the process does the work: the application ends it from elsewhere."""

PAGE = mmap.PAGESIZE
CACHE_LINE = 64
ACTIVITY_STRIDE = 256
"""Bytes from one activity to the next."""

SHARED_BYTES = PAGE + (1 << 20)
"""Bytes of `Scoreboard.shared`."""

SHARED_KEY_BYTES = 16
"""Bytes at its beginning that are random and known to these processes only, as the key of a hash."""

ROW_CELLS = 64
MASTER_CELLS = 64


class Cell(IntEnum):
    """The numbers of a row. The master writes PID to DEATH_NS and MEMORY_BYTES, the row's own process the others."""

    PID = 0
    GENERATION = 1
    SLOT = 2
    STATE = 3  # a ChildState's value, as the master has it
    STARTED_NS = 4  # time.monotonic_ns() of the fork
    READY_NS = 5  # time.monotonic_ns() of READY, 0 before
    DEATH_NS = 6  # time.monotonic_ns() when the slot's previous worker died, 0 if it ended as told
    HEARTBEAT_NS = 8  # time.monotonic_ns(), written by the worker's loop at every turn
    CONNECTIONS = 9
    THREADS = 10
    QUEUED = 12
    MEMORY_BYTES = 13  # private memory, 0 if it was not measured yet
    ACCEPTED = 16  # this and all after it are counters: Scoreboard.retire adds them to the totals
    CLOSED_IDLE = 17
    BYTES_SENT = 18
    TIMEOUTS = 21
    HANDED_OVER = 22
    LOG_WAITS = 24
    LOG_DROPPED = 25
    CLOSED_FOR_NEW = 30  # idle connections closed to make room for new ones
    REFUSED = 31  # connections over the limit per client
    BAD_FORWARDED = 36  # what trusted peers said of their clients, and was malformed
    BAD_PROXY_HEADERS = 37  # connections closed for want of a valid PROXY header, or for one of a peer not trusted
    THROTTLED = 40  # requests over the limit of a client's rate


COUNTERS = tuple(cell for cell in Cell if cell >= Cell.ACCEPTED)
"""The cells that only rise."""


class MasterCell(IntEnum):
    """The master's numbers: the indexes of `Scoreboard.master`."""

    PID = 0
    GENERATION = 1
    WORKERS = 2  # wanted number of workers
    STARTED_NS = 3  # time.monotonic_ns()
    STOPPING = 4
    RELOADS = 5
    RELOADS_FAILED = 6
    DEATHS = 7
    KILLED_REQUESTS = 8
    LOG_BYTES = 9
    LOG_STALLS = 10  # writes to the access log that failed and were tried again
    STARTED_AT_S = 12  # Unix time
    RENEWALS = 13  # new content that workers have taken on without a reload
    RENEWALS_FAILED = 14


def layout() -> dict[str, int]:
    """Return the sizes on which two versions of the program must agree to use one scoreboard (`upgrade.handoff`)."""
    return {
        "own": 1,  # the master's cells and the totals are not in the mapping
        "page": PAGE,
        "activity": ACTIVITY_STRIDE,
        "text": TEXT_BYTES,
        "queue": QUEUE_ACTIVITIES,
        "cells": ROW_CELLS,
        "shared": SHARED_BYTES,
        "master": MASTER_CELLS,
        "lane": lane_bytes(),
        "classes": CLASSES,
        "buckets": BUCKETS,
    }
