"""Owns what the benchmark's routes do: constants, waits and computations.

Called by all applications of this folder, so that every server does the same work. Knows no server and no
interface.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator

__all__ = ["HELLO", "LARGE", "PIECE", "STATIC", "bimodal_wait_s", "burn", "order_total", "pieces", "received", "sized"]

HELLO = "Hello, World!"
LARGE = b"x" * (4 << 20)
PIECE = b"x" * (64 << 10)
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


_sized: dict[int, bytes] = {}


def sized(size: int) -> bytes:
    """Return that many bytes, the same ones each time."""
    if size not in _sized:
        _sized[size] = b"x" * size
    return _sized[size]


def pieces(size: int) -> Iterator[bytes]:
    """Yield that many bytes in pieces of 64 KB."""
    for _ in range(size // len(PIECE)):
        yield PIECE
    if rest := size % len(PIECE):
        yield PIECE[:rest]


def received(read: Callable[[int], bytes]) -> int:
    """Read a body in pieces and return its length."""
    length = 0
    while piece := read(len(PIECE)):
        length += len(piece)
    return length


def order_total(body: bytes) -> bytes:
    """Return the answer to a posted order: JSON with the sum of its items."""
    order = json.loads(body)
    total = sum(item["count"] * item["cents"] for item in order["items"])
    return json.dumps({"order": order["order"], "total": total}).encode()
