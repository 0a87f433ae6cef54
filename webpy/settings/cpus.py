"""The number of CPUs that this process may use, by its affinity and the quota of its control group (v1 and v2).

Knows nothing of workers or settings. Called for `workers = auto`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["effective_cpus"]


def effective_cpus(cgroup_root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Return the number of CPUs, at least 1. A quota of one and a half CPUs counts as 2, as in the JVM and in Go.

    `cgroup_root` is where the control groups are mounted, `membership` the file naming those of this process.
    """
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        cpus = os.cpu_count() or 1
    for quota_us, period_us in _quotas(cgroup_root, membership):
        if quota_us > 0 and period_us > 0:
            cpus = min(cpus, -(-quota_us // period_us))
    return max(cpus, 1)


def _quotas(root: Path, membership: Path) -> Iterator[tuple[int, int]]:
    """Yield (quota, period) in µs of every control group above this process that has a quota."""
    for line in _read(membership).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            for folder in _up(root, path):
                quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
                if quota.isdecimal():
                    yield int(quota), int(period) if period.isdecimal() else 100_000
        elif "cpu" in controllers.split(","):
            for mount in {controllers, "cpu"}:
                for folder in _up(root / mount, path):
                    quota = _read(folder / "cpu.cfs_quota_us").strip()
                    period = _read(folder / "cpu.cfs_period_us").strip()
                    if quota.isdecimal() and period.isdecimal():
                        yield int(quota), int(period)


def _up(mount: Path, path: str) -> Iterator[Path]:
    """Yield the group's folder and all above it up to the mount: any of them may hold a quota.

    In a container the path may be the host's while the mount is the container's: folders that do not exist hold none.
    """
    parts = [part for part in path.split("/") if part and part != ".."]
    for length in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:length])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
