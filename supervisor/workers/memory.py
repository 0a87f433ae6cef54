"""Memory of processes: how much is a worker's alone, and whether the kernel killed it because memory ran out.

Owns the reading of /proc and of the control groups' files, version 1 and 2. Knows nothing of workers: it is given pids.
Runs in the master. Each reading takes microseconds, but smaps_rollup some milliseconds if gigabytes are mapped. Where
there is no /proc (macOS), memory is 0 and no process is ever found to be out of it.
"""

from __future__ import annotations

import re
import resource
import time
from collections import deque
from pathlib import Path

__all__ = ["OomWatch", "memory_group", "private_bytes"]

_PAGE_BYTES = resource.getpagesize()
_REMEMBERED_S = 10.0  # the longest time between a kill that is counted and the death it belongs to


def private_bytes(pid: int, proc: Path = Path("/proc")) -> int:
    """Return how many bytes of memory the process shares with no other, 0 if that is unknown: they would be free
    without it."""
    try:
        text = (proc / f"{pid}/smaps_rollup").read_text("ascii")
        return sum(int(kib) << 10 for kib in re.findall(r"^Private_(?:Clean|Dirty):\s*(\d+) kB$", text, re.MULTILINE))
    except OSError:  # another user's process, in a container without CAP_SYS_PTRACE; or an old kernel
        pass
    try:
        pages = (proc / f"{pid}/statm").read_text("ascii").split()
        return max(0, int(pages[1]) - int(pages[2])) * _PAGE_BYTES  # counts what it shares with its zygote too
    except (OSError, IndexError, ValueError):
        return 0


def memory_group(pid: int, proc: Path = Path("/proc"), mounts: str | None = None) -> Path | None:
    """Return the file that counts the out-of-memory kills of the control group that a process is in; None if there is
    no such file. `mounts` is what `group_mounts` returned, if it was called before."""
    if mounts is None:
        mounts = group_mounts(proc)
    try:
        groups = (proc / f"{pid}/cgroup").read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    unified = None
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return _file_in(mounts, "cgroup", path, "memory.oom_control")
        if not controllers:
            unified = path
    return None if unified is None else _file_in(mounts, "cgroup2", unified, "memory.events")


def group_mounts(proc: Path = Path("/proc")) -> str:
    """Return the lines of mountinfo that say where the control groups are mounted; "" where there is no /proc."""
    try:
        mounts = (proc / "self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
    return "\n".join(line for line in mounts.splitlines() if " - cgroup" in line)


def _file_in(mounts: str, kind: str, path: str, name: str) -> Path | None:
    """Find a group's file below the mount point of its hierarchy (proc(5), mountinfo). What is mounted there may be
    only a part of the hierarchy."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        system, _, options = after.split(" ", 2)
        if system != kind or (kind == "cgroup" and "memory" not in options.split(",")):
            continue
        root, point = _plain(root), _plain(point)
        if root != "/":  # a container without a cgroup namespace: its own group is mounted as the root
            if path != root and not path.startswith(root + "/"):
                continue
            path = path[len(root) :]
        group = Path(point + "/" + path.strip("/"))
        while group.is_relative_to(point):
            if (group / name).exists():
                return group / name
            if kind == "cgroup":
                break
            group = group.parent  # version 2 counts in every group above too, and may have no file in this one
    return None


def _plain(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


class OomWatch:
    """Finds out which deaths were out-of-memory kills of the kernel's; each kill that is counted explains one death.

    The count rises when the kernel kills; the master sees the death a little later, when the process is in no group any
    more. So `look` is to be called now and then while a process lives, and `claim` when it has died of SIGKILL.
    """

    def __init__(self) -> None:
        self._mounts = group_mounts()
        self._groups: dict[int, dict[Path, None]] = {}  # several: a process that dies is moved to the root group
        self._counted: dict[Path, int] = {}
        self._kills: dict[Path, deque[float]] = {}

    def look(self, pid: int) -> None:
        """Note the group of a living process, and how many kills it has counted."""
        group = memory_group(pid, mounts=self._mounts)
        if group is not None:
            self._groups.setdefault(pid, {})[group] = None
            self._count(group)

    def forget(self, pid: int) -> None:
        """Forget a process that has gone."""
        self._groups.pop(pid, None)
        for group in self._counted.keys() - {group for groups in self._groups.values() for group in groups}:
            del self._counted[group]
            del self._kills[group]

    def claim(self, pid: int) -> bool:
        """Return whether a kill that explains no other death was counted in the group of this process, which has just
        died."""
        for group in self._groups.get(pid, ()):
            self._count(group)
            if self._kills[group]:
                self._kills[group].popleft()
                return True
        return False

    def _count(self, group: Path) -> None:
        now = time.monotonic()
        kills = self._kills.setdefault(group, deque())
        count = _kills_counted(group)
        if count is not None:
            kills.extend([now] * (count - self._counted.get(group, count)))
        self._counted[group] = count or 0
        while kills and now - kills[0] > _REMEMBERED_S:
            kills.popleft()


def _kills_counted(group: Path) -> int | None:
    try:
        found = re.search(r"^oom_kill (\d+)$", group.read_text("ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
