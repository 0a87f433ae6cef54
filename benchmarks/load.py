"""Owns wrk: its command line, its start on the load's CPU, its end, and its report.

Called by the rows. Knows no server.
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import machine

__all__ = ["Load", "LoadError", "finish", "parse", "start", "wrk"]

LUA = Path(__file__).parent / "lua"


class LoadError(Exception):
    """wrk gave no report."""


@dataclass(slots=True, frozen=True)
class Load:
    """What wrk counted: answers, their latencies, and errors."""

    requests: int
    duration_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    errors: int  # socket errors, time-outs and answers of 400 and up
    refused: int = 0  # of these, the answers

    @property
    def rate(self) -> float:
        return (self.requests - self.errors) / self.duration_s if self.duration_s else 0.0


def parse(output: str) -> Load:
    """Read the line that lua/report.lua prints. Raises LoadError if there is none."""
    for line in output.splitlines():
        if line.startswith("WRK "):
            report = json.loads(line[4:])
            return Load(
                requests=report["requests"],
                duration_s=report["duration_us"] / 1e6,
                p50_ms=report["p50_us"] / 1e3,
                p99_ms=report["p99_us"] / 1e3,
                worst_ms=report["max_us"] / 1e3,
                errors=report["socket_errors"] + report["timeouts"] + report["status_errors"],
                refused=report["status_errors"],
            )
    raise LoadError(f"wanted a line of report.lua from wrk, got {output!r}")


def start(
    url: str, clients: int, seconds: float, script: str | None = None, argument: int | None = None
) -> subprocess.Popen[str]:
    """Start wrk with one thread on the load's CPU; `finish` ends it.

    script: a file of lua/ that makes the requests; argument: its size or number for them. wrk's own -d takes whole
    seconds only; here it is only a limit, so that no wrk outlives a benchmark that was killed.
    """
    path = LUA / "report.lua" if script is None else _joined(script)
    command = [
        "wrk",
        "-t1",
        f"-c{clients}",
        f"-d{math.ceil(seconds) + 20}s",
        "--timeout",
        "10s",
        "-s",
        str(path),
        url,
        *([] if argument is None else ["--", str(argument)]),
    ]
    return subprocess.Popen(
        machine.pin(command, machine.LOAD_CPU), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _joined(script: str) -> Path:
    """Return a file with the script and report.lua together: wrk takes one script only."""
    path = LUA / f".with-report-{script}"
    text = (LUA / script).read_text() + (LUA / "report.lua").read_text()
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path


def finish(processes: Sequence[subprocess.Popen[str]], seconds: float) -> list[Load]:
    """Let the processes of wrk run for the time, end them together with SIGINT, and return what they report.

    Raises LoadError if one does not end, or has no report.
    """
    try:
        time.sleep(seconds)
        for process in processes:
            process.send_signal(signal.SIGINT)
        return [parse(_ended(process)) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def _ended(process: subprocess.Popen[str]) -> str:
    """Return what wrk printed. It forgets a SIGINT that comes before its load has begun, so it gets more of them."""
    for _ in range(15):
        try:
            return process.communicate(timeout=1)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
    raise LoadError("wrk did not end within 15 s of SIGINT")


def wrk(url: str, clients: int, seconds: float, script: str | None = None, argument: int | None = None) -> Load:
    """Load a URL for the time: `start` and `finish` in one."""
    return finish([start(url, clients, seconds, script, argument)], seconds)[0]
