"""Owns the reading of /proc and of processes' CPU clocks: CPU time and private memory of a server's processes.

Called by `bench` and the rows, before and after a load. Knows no server.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["children", "cpu_s", "peak_bytes", "private_bytes", "tree"]

_TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the third on (state, ppid, …); None if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def tree(root: int) -> list[int]:
    """Return the pids of the process and of all its living descendants, the process first."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))) is not None and fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append(int(name))
    found = [root]
    for pid in found:
        found.extend(parents.get(pid, ()))
    return found


def children(root: int) -> list[int]:
    """Return the pids of the living descendants."""
    return tree(root)[1:]


def cpu_s(pids: list[int]) -> float:
    """Return user and system time of the processes, of all their threads and of children they have reaped, in seconds.

    The processes' own time comes from their CPU clocks (clock_gettime(2), in nanoseconds; clock_getcpuclockid(3) says
    how the clock's number is made of the pid). The time of reaped children comes from /proc/PID/stat, in hundredths of
    a second.
    """
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime(~pid << 3 | 2)
        except OSError:
            continue
        if (fields := _stat(pid)) is not None:
            total += (int(fields[13]) + int(fields[14])) / _TICKS
    return total


def private_bytes(pids: list[int]) -> int:
    """Return the bytes that no other process shares: Private_Clean and Private_Dirty of smaps_rollup, summed."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1]) * 1024
    return total


def peak_bytes(pids: list[int]) -> int:
    """Return the most bytes of memory that any one of the processes has had at once (VmHWM), since it began."""
    most = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith("VmHWM:"):
                most = max(most, int(line.split()[1]) * 1024)
    return most
