"""Owns what the benchmark knows of the machine: which CPUs it uses, the limit of open files, its description.

Called by `run`, and by the modules that start processes. Knows nothing of servers or loads.
"""

from __future__ import annotations

import os
import platform
import resource
import signal
import sys
from pathlib import Path

__all__ = ["LOAD_CPU", "SERVER_CPU", "describe", "end_orderly", "load_average", "pin", "raise_open_files"]

_CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU = _CPUS[0]
LOAD_CPU = _CPUS[-1]


def pin(command: list[str], cpu: int) -> list[str]:
    """Return the command that runs `command` on that CPU only. The process's pid is the command's."""
    return ["taskset", "-c", str(cpu), *command]


def raise_open_files() -> int:
    """Raise this process's limit of open files as far as allowed and return it. Child processes inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    if soft != wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def end_orderly() -> None:
    """Let SIGTERM, such as timeout(1) sends, end this process by an exception, so that it ends the servers too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def load_average() -> float:
    """Return the load average over the last minute."""
    return os.getloadavg()[0]


def describe() -> str:
    """Return processor, number of CPUs and kernel, in words."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    shared = "; ONE CPU ONLY, shared by server and load" if len(_CPUS) == 1 else ""
    virtual = " (virtual)" if "hypervisor" in Path("/proc/cpuinfo").read_text() else ""
    return f"{len(_CPUS)} CPUs, {model}{virtual}, Linux {platform.release()}{shared}"
