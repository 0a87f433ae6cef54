"""The number of CPUs, by affinity and control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from webpy.settings import effective_cpus


class TestEffectiveCpus:
    """Against made-up control groups. The affinity of the machine is the ceiling, so it is made large."""

    @pytest.fixture(autouse=True)
    def eight(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)

    def cpus(self, folder: Path, membership: str, files: dict[str, str]) -> int:
        (folder / "membership").write_text(membership)
        for name, text in files.items():
            path = folder / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return effective_cpus(folder / "cgroup", folder / "membership")

    @pytest.mark.parametrize(
        ("membership", "files", "wanted"),
        [
            ("", {}, 8),
            ("0::/\n", {}, 8),
            ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
            ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
            ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
            ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
            ("0::/\n", {"cpu.max": "9900000 100000\n"}, 8),
            ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
            ("0::/a/b\n", {"a/b/cpu.max": "100000 100000\n", "a/cpu.max": "300000 100000\n"}, 1),
            ("0::/not/in/this/namespace\n", {"cpu.max": "400000 100000\n"}, 4),
            ("0::/../..\n", {"cpu.max": "400000 100000\n"}, 4),
            ("0::/\n", {"cpu.max": "garbage\n"}, 8),
            ("0::/\n", {"cpu.max": "0 0\n"}, 8),
            ("nonsense\n:::\n", {"cpu.max": "100000 100000\n"}, 8),
            ("4:cpu,cpuacct:/d\n1:name=systemd:/\n",
             {"cpu,cpuacct/d/cpu.cfs_quota_us": "250000", "cpu,cpuacct/d/cpu.cfs_period_us": "100000"}, 3),
            ("4:cpu,cpuacct:/d\n", {"cpu/d/cpu.cfs_quota_us": "-1", "cpu/d/cpu.cfs_period_us": "100000"}, 8),
            ("4:cpu,cpuacct:/docker/x\n", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "50000"}, 2),
        ],
    )  # fmt: skip
    def test_quota(self, membership: str, files: dict[str, str], wanted: int, tmp_path: Path) -> None:
        assert self.cpus(tmp_path, membership, files) == wanted

    def test_of_this_machine(self) -> None:
        assert 1 <= effective_cpus() <= 8
