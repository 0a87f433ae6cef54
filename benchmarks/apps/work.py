"""Owns what the benchmark's routes do: constants, waits and computations.

Called by `webpy_app`, `wsgi_app` and `asgi_app`, so that every server does the same work. Knows no server and no
interface.
"""

from __future__ import annotations

import os
import random
import time

__all__ = ["HELLO", "LARGE", "STATIC", "bimodal_wait_s", "burn"]

HELLO = "Hello, World!"
LARGE = b"x" * (4 << 20)
STATIC = os.environ.get("BENCH_STATIC", ".")  # the folder with 1k, 64k and 1m

# the imports of a real application, for the row that kills a worker
time.sleep(float(os.environ.get("BENCH_IMPORT_S", "0")))


def burn(ms: float) -> None:
    """Use `ms` milliseconds of this thread's CPU time, however long that takes."""
    thread_time = time.thread_time
    end = thread_time() + ms / 1e3
    while thread_time() < end:
        for _ in range(200):
            pass


def bimodal_wait_s() -> float:
    """Return 0.02 once in ten calls, else 0."""
    return 0.02 if random.random() < 0.1 else 0.0
