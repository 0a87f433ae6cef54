"""Owns the curves of sizes: bodies that are uploaded and answers, each whole and in pieces, from nothing to 100 MB."""

from __future__ import annotations

import time
from collections.abc import Callable

from .. import clients, load, measure
from ..bench import loaded
from ..scenario import Scenario
from ..servers import Server
from .curve import Curve, Metrics

__all__ = ["CURVES"]

SIZES = (0, 1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 10 << 20, 100 << 20)
LARGE = 1 << 20  # from here on whole requests are counted, one after the other, by this process


def _sized(path: str, *, upload: bool) -> Callable[[Server, int, float], Metrics]:
    """Return a sample of requests with that many bytes. path: of the answer's size, if it has a place for it."""

    def sample(server: Server, value: int, seconds: float) -> Metrics:
        target = path.format(value)
        if value >= LARGE:
            return _one_by_one(server, target, value if upload else 0, seconds)
        script, argument = ("post.lua", value) if upload else (None, None)
        metrics = loaded(server, lambda: load.wrk(server.url(target), 16, seconds, script, argument))[1]
        return {
            "cost": metrics["cpu_us"],
            "memory_mb": measure.peak_bytes(server.tree()) / 1e6,
            "rate": metrics["rate"],
        }

    return sample


def _one_by_one(server: Server, target: str, size: int, seconds: float) -> Metrics:
    pids = server.tree()
    before, began = measure.cpu_s(pids), time.monotonic()
    count = clients.transfer(server.port, target, size, seconds)
    took_s = time.monotonic() - began
    return {
        "cost": (measure.cpu_s(pids) - before) / count * 1e6,
        "memory_mb": measure.peak_bytes(pids) / 1e6,
        "rate": count / took_s,
    }


def _curve(name: str, title: str, path: str, *, upload: bool, cause: str = "") -> Curve:
    return Curve(
        name,
        title,
        "bytes",
        SIZES,
        lambda value: Scenario(),
        _sized(path, upload=upload),
        memory="MB at most in one process",
        per_mb=True,
        cause=cause,
    )


CURVES = (
    _curve(
        "uploads",
        "Bodies that the handler gets whole",
        "/post",
        upload=True,
        cause="a large body is kept in a file, and read back when the handler asks for the whole",
    ),
    _curve("uploads-read", "Bodies that the handler reads in pieces as they arrive", "/upload", upload=True),
    _curve("answers", "Answers of one piece", "/sized/{}", upload=False),
    _curve("answers-pieces", "Answers in pieces of 64 KB", "/pieces/{}", upload=False),
)
