"""The limit of open files, in processes of its own: a hard limit that was lowered cannot be raised again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.server import ROOT

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
from webpy.supervisor.system.openfiles import open_files, raise_open_files
raise_open_files(lambda level, text: print(level, text))
print(open_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "told"),
    [
        (1024, 1024, ["1024 1024 1024"]),
        (300, 1200, ["info the limit of open files (RLIMIT_NOFILE) is 1200 now, raised from 300", "1200 1200 1200"]),
        (64, 128, ["info the limit", "warning only 128 files may be open at a time", "128 128 128"]),
    ],
)
def test_the_soft_limit_is_raised_to_the_hard_one(soft: int, hard: int, told: list[str]) -> None:
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(told)
    assert all(line.startswith(text) for line, text in zip(lines, told, strict=True)), lines
