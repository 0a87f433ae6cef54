"""Reads a server's processes from /proc: workers and generations, by the processes' titles, and their states."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

from tests.server import Server

__all__ = ["alive", "generations", "state", "until", "workers"]

_TITLE = re.compile(r"webpy: (?:worker (?P<slot>\d+)|loader) gen (?P<generation>\d+)")


def alive(pid: int) -> bool:
    """Return whether a process with this pid exists and is not only waiting to be reaped."""
    return state(pid) not in ("", "Z", "X")


def state(pid: int) -> str:
    """Return the state's letter (proc_pid_stat(5)); "" if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _titles(server: Server) -> dict[int, re.Match[str]]:
    found: dict[int, re.Match[str]] = {}
    for pid in server.processes():
        with contextlib.suppress(OSError):
            title = _TITLE.match(Path(f"/proc/{pid}/cmdline").read_bytes().decode("latin-1"))
            if title:
                found[pid] = title
    return found


def workers(server: Server) -> dict[int, int]:
    """Return the slot of each worker that exists, by pid."""
    return {pid: int(title["slot"]) for pid, title in _titles(server).items() if title["slot"]}


def generations(server: Server) -> set[int]:
    """Return the generations that have a zygote or a worker."""
    return {int(title["generation"]) for title in _titles(server).values()}


def until(condition: object, what: str, timeout_s: float = 10.0) -> float:
    """Poll until `condition()` is true; return the seconds it took. For conditions that no event reports."""
    begin = time.monotonic()
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < begin + timeout_s, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.005)
    return time.monotonic() - begin
