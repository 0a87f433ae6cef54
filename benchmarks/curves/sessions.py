"""Owns the curves of sessions in the store (SQLite): requests that read a session, and that change one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from ..scenario import CHECKOUT, Scenario
from .counts import wrk
from .curve import Curve

__all__ = ["CURVES"]

COUNTS = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return the folder of the stores, which is deleted when this process ends."""
    return tempfile.TemporaryDirectory(prefix="bench-sessions-")


@cache
def store(count: int) -> Path:
    """Return a store with that many sessions, made when it is first asked for."""
    path = Path(_folder().name, f"{count}.sqlite3")
    command = [sys.executable, "-m", "benchmarks.apps.fill_sessions", str(path), str(count)]
    subprocess.run(command, check=True, cwd=CHECKOUT, env=os.environ | {"PYTHONPATH": str(CHECKOUT)})
    return path


def _scenario(count: int) -> Scenario:
    return Scenario(
        routes="benchmarks.apps.webpy_sessions:routes",
        environment=(("WEBPY_SESSION", f"sqlite:///{store(count)}"),),
    )


_TURNS = "requests that change the same session take turns, each on a thread that waits"

CURVES = tuple(
    Curve(
        f"sessions-{name}",
        f"A request that {what} one of the sessions in the store",
        "sessions",
        COUNTS,
        _scenario,
        wrk(path, "sessions.lua", numbered=True),
        cause=cause,
    )
    for name, what, path, cause in (("read", "reads", "/read", ""), ("change", "changes", "/change", _TURNS))
)
