"""A status as a master returns it (supervisor/control/status.py), for tests to change."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["sample", "worker"]


def worker(slot: int = 0, **changes: Any) -> dict[str, Any]:
    """One worker's part of the status."""
    return {
        "slot": slot,
        "generation": 3,
        "pid": 4711 + slot,
        "state": "ready",
        "leaving": "",
        "age_s": 80.0,
        "ready_s": 79.5,
        "heartbeat_s": 0.4,
        "connections": 3,
        "threads": 4,
        "busy_threads": 1,
        "queued": 0,
        "requests": 500,
        "bytes_sent": 61728,
        "memory_bytes": 9_000_000,
        "by_class": {"1xx": 0, "2xx": 495, "3xx": 2, "4xx": 3, "5xx": 0, "other": 0},
        "map": [2, 1, 0, 0],
        "running": [],
        **changes,
    }


def sample(**changes: Any) -> dict[str, Any]:
    """A serving master with two workers."""
    now = time.time()
    return {
        "name": "webpy",
        "pid": 4700,
        "started_at": now - 3600,
        "uptime_s": 3600.0,
        "stage": "running",
        "generation": 3,
        "wanted": 2,
        "listeners": ["127.0.0.1:8000"],
        "urls": ["http://127.0.0.1:8000"],
        "reload": {"phase": "idle", "number": 3, "done": 0, "of": 0, "last": None},
        "reloads": 2,
        "reloads_failed": 1,
        "renewals": 4,
        "renewals_failed": 2,
        "facts": {},
        "totals": {
            "accepted": 90,
            "closed_idle": 7,
            "closed_for_new": 3,
            "refused": 2,
            "bad_forwarded": 5,
            "bad_proxy_headers": 8,
            "throttled": 6,
            "bytes_sent": 123456,
            "timeouts": 1,
            "handed_over": 5,
            "requests": 1000,
            "killed_requests": 2,
            "deaths": 1,
            "log_waits": 0,
            "by_class": {"1xx": 0, "2xx": 990, "3xx": 4, "4xx": 6, "5xx": 0, "other": 0},
        },
        # bucket 39: 120 to 127 µs, 40: 128 to 143 µs, 68: 1536 to 1663 µs (latency.bucket_bounds)
        "latency": {"2": {"39": 900, "40": 90}, "3": {"40": 4}, "4": {"68": 6}},
        "log": {"bytes": 99000, "stalls": 3, "waits": 4, "dropped": 5, "pending_bytes": 17},
        "restarts": {"exit": 1, "recycle": 4},
        "workers": [worker(0), worker(1)],
        "sidecars": [{"title": "admin", "pid": 4714, "state": "ready"}],
        "events": [{"at": now - 60, "kind": "reload", "text": "generation 3 serves"}],
        **changes,
    }
